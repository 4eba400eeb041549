/* SPDX-License-Identifier: MIT */
/* The first blocks of a process, of all classes on a few pages. Each test is a process of its own. */
#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "base/bits.h"
#include "cache/heap.h"
#include "page/retain.h"
#include "slab/shared_pool.h"
#include "slab/size_class.h"
#include "slab/starter.h"
#include "statistics.h"

enum { SHARE = 12 * 1024, LARGEST = 4096 };

static bool is_first(const void *block)
{
    return (hak__pagemap_word((uintptr_t)block) & 0xff) == HAK_CODE_STARTER;
}

static void check_heap(void)
{
    const void *where = NULL;
    const char *wrong = hak_check(&where);
    ck_assert_msg(wrong == NULL, "%s at %p", wrong, where);
}

START_TEST(classes_share_pages)
{
    enum { CLASSES = 30 };
    char *block[CLASSES];
    size_t bytes = 0;
    for (unsigned i = 0; i < CLASSES; i++) {
        block[i] = hak_malloc(hak__class_size(i));
        ck_assert_ptr_nonnull(block[i]);
        ck_assert(is_first(block[i]));
        ck_assert_uint_eq(hak_usable_size(block[i]), hak__class_size(i));
        memset(block[i], (int)i, hak__class_size(i));
        bytes += hak__class_size(i);
    }
    for (unsigned i = 0; i < CLASSES; i++)
        for (size_t at = 0; at < hak__class_size(i); at++)
            ck_assert_int_eq(block[i][at], (char)i);
    ck_assert_uint_le(hak_load_relaxed(&hak__live_bytes), hak__align_up(bytes, 4096));
    check_heap();
}
END_TEST

START_TEST(a_class_that_is_used_gets_a_slab)
{
    size_t size = hak__class_size((unsigned)_i), share = size <= LARGEST ? SHARE / size : 0;
    for (size_t i = 0; i < share; i++)
        ck_assert(is_first(hak_malloc(size)));
    for (int i = 0; i < 3; i++)
        ck_assert(!is_first(hak_malloc(size)));
    check_heap();
}
END_TEST

START_TEST(it_ends_when_it_is_full)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++)
        for (size_t n = 0; n < SHARE / hak__class_size(i); n++) {
            void *block = hak_malloc(hak__class_size(i));
            ck_assert_ptr_nonnull(block);
            bytes += is_first(block) ? hak__class_size(i) : 0;
        }
    ck_assert_uint_le(bytes, HAK_STARTER_PLACES * HAK_ALIGNMENT);
    ck_assert_uint_gt(bytes, HAK_STARTER_PLACES * HAK_ALIGNMENT - LARGEST);
    check_heap();
}
END_TEST

START_TEST(a_full_one_goes_back_without_a_flush)
{
    enum { MOST = 2 * HAK_STARTER_PLACES };
    static void *block[MOST];
    int count = 0;
    for (unsigned i = 0; i < HAK_CLASS_COUNT && hak__class_size(i) <= LARGEST; i++)
        for (size_t n = 0; n < SHARE / hak__class_size(i); n++) {
            block[count] = hak_malloc(hak__class_size(i));
            count += is_first(block[count]);
        }
    for (int i = 0; i < count; i++)
        hak_free(block[i]);
    ck_assert_uint_eq(hak__pagemap_word((uintptr_t)block[0]) & 0xff, HAK_CODE_SLAB_FREE);
    check_heap();
}
END_TEST

START_TEST(a_place_is_handed_out_once)
{
    void *freed = hak_malloc(100);
    hak_free(freed);
    for (int i = 0; i < 1000; i++) {
        void *block = hak_malloc(100);
        ck_assert_ptr_ne(block, freed);
        hak_free(block);
    }
    ck_assert(!is_first(hak_malloc(100)));
}
END_TEST

START_TEST(blocks_of_an_alignment_are_not_from_it)
{
    for (size_t alignment = 64; alignment <= 4096; alignment *= 2) {
        void *block = hak_aligned_alloc(alignment, alignment);
        ck_assert_uint_eq((uintptr_t)block % alignment, 0);
    }
    ck_assert_uint_eq((uintptr_t)hak_malloc(16) % 16, 0);
}
END_TEST

START_TEST(realloc_keeps_contents)
{
    char *block = hak_malloc(100);
    ck_assert(is_first(block));
    memset(block, 'a', 100);
    ck_assert_ptr_eq(hak_realloc(block, 112), block);
    for (size_t size = 200; size < 300000; size *= 3) {
        block = hak_realloc(block, size);
        for (int i = 0; i < 100; i++)
            ck_assert_int_eq(block[i], 'a');
    }
    block = hak_realloc(block, 50);
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(block[i], 'a');
    ck_assert_uint_eq(hak_resize_in_place(hak_malloc(500), 600, 700), 0);
    ck_assert_uint_eq(hak_resize_in_place(hak_malloc(500), 10, 20), 512);
    check_heap();
}
END_TEST

/* ---- what is said of it ------------------------------------------------ */

START_TEST(statistics_know_its_blocks)
{
    hak_class_stats_t class = {.struct_size = sizeof class};
    void *block[3];
    for (int i = 0; i < 3; i++)
        block[i] = hak_malloc(200);
    hak_free(block[1]);
    ck_assert_int_eq(hak_class_stats_get(hak__class_of(200), &class), 0);
    ck_assert_uint_eq(class.live_blocks, 2);
    ck_assert_uint_eq(class.slabs, 0);
    hak_stats_t stats = statistics();
    ck_assert_uint_eq(stats.allocated_bytes, 2 * 208);
    ck_assert_uint_eq(stats.large_bytes, 0);
    ck_assert_uint_eq(stats.live_bytes, 4096);
}
END_TEST

static bool count(const hak_block_info_t *info, void *context)
{
    ck_assert_int_eq(info->state, HAK_BLOCK_LIVE);
    ck_assert_uint_eq(info->usable_size, hak_usable_size(info->start));
    *(size_t *)context += info->usable_size;
    return true;
}

START_TEST(blocks_are_found)
{
    hak_block_info_t info = {.struct_size = sizeof info};
    char *live = hak_malloc(200), *freed = hak_malloc(1000);
    size_t bytes = 0;
    hak_free(freed);
    ck_assert(hak_owns(live) && hak_owns(live + 5));
    ck_assert_int_eq(hak_block_info(live + 207, &info), 0);
    ck_assert_ptr_eq(info.start, live);
    ck_assert_uint_eq(info.usable_size, 208);
    ck_assert_int_eq(info.kind, HAK_BLOCK_SMALL);
    ck_assert_int_eq(info.state, HAK_BLOCK_LIVE);
    ck_assert_int_eq(info.class_index, (int)hak__class_of(200));
    ck_assert_int_eq(hak_block_info(freed + 999, &info), 0);
    ck_assert_ptr_eq(info.start, freed);
    ck_assert_int_eq(info.state, HAK_BLOCK_FREE);
    ck_assert_int_eq(hak_block_info(freed + 30000, &info), -1);
    ck_assert_int_eq(hak_heap_walk(count, &bytes), 0);
    ck_assert_uint_eq(bytes, 208);
}
END_TEST

/* Blocks lie across the granules of the slab, too. */
START_TEST(all_granules_show_their_blocks)
{
    enum { BLOCKS = 60 };
    hak_block_info_t info = {.struct_size = sizeof info};
    size_t bytes = 0, expected = 0;
    uintptr_t slab = 0;
    for (int i = 0; i < BLOCKS; i++) {
        char *block = hak_malloc(1000 + 50 * (size_t)i);
        if (!is_first(block))
            continue;
        size_t size = hak_usable_size(block);
        ck_assert(is_first(block + size - 1));
        ck_assert_int_eq(hak_block_info(block + size - 1, &info), 0);
        ck_assert_ptr_eq(info.start, block);
        ck_assert_uint_eq(info.slab_size, HAK_STARTER_SIZE);
        ck_assert(slab == 0 || (uintptr_t)info.slab == slab);
        slab = (uintptr_t)info.slab;
        expected += size;
    }
    ck_assert_uint_gt(expected, HAK_GRANULE);
    ck_assert_int_eq(hak_heap_walk(count, &bytes), 0);
    ck_assert_uint_ge(bytes, expected);
    ck_assert_uint_ge(hak_load_relaxed(&hak__live_bytes), expected);
    check_heap();
}
END_TEST

/* ---- its end ----------------------------------------------------------- */

START_TEST(it_goes_back_with_its_last_block)
{
    void *first = hak_malloc(200), *second = hak_malloc(1000);
    hak_free(second);
    hak_thread_flush();
    ck_assert(!is_first(hak_malloc(48)));
    ck_assert(is_first(first));
    hak_free(first);
    ck_assert_uint_eq(hak__pagemap_word((uintptr_t)first) & 0xff, HAK_CODE_SLAB_FREE);
    check_heap();
}
END_TEST

static void *free_it(void *block)
{
    hak_free(block);
    return NULL;
}

START_TEST(other_threads_free_its_blocks)
{
    enum { BLOCKS = 8 };
    pthread_t thread[BLOCKS];
    void *block[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        block[i] = hak_malloc(64);
    hak_thread_flush();
    for (int i = 0; i < BLOCKS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, free_it, block[i]), 0);
    for (int i = 0; i < BLOCKS; i++)
        pthread_join(thread[i], NULL);
    ck_assert_uint_eq(hak__pagemap_word((uintptr_t)block[0]) & 0xff, HAK_CODE_SLAB_FREE);
    check_heap();
}
END_TEST

static void *take(void *unused)
{
    (void)unused;
    return hak_malloc(64);
}

START_TEST(other_threads_take_none)
{
    pthread_t thread;
    void *block = NULL;
    ck_assert(is_first(hak_malloc(64)));
    ck_assert_int_eq(pthread_create(&thread, NULL, take, NULL), 0);
    pthread_join(thread, &block);
    ck_assert(!is_first(block));
}
END_TEST

/* As the child of a fork sees it that comes just then. */
START_TEST(it_may_be_without_a_record)
{
    ck_assert_ptr_nonnull(hak__pool_acquire(HAK_CLASS_STARTER, 0));
    check_heap();
    ck_assert_uint_eq(statistics().allocated_bytes, 0);
}
END_TEST

START_TEST(a_limit_refuses_it)
{
    ck_assert_int_eq(hak_option_set("limit_hard", "4096"), 0);
    for (int i = 0; i < 100; i++)
        ck_assert_ptr_null(hak_malloc(100));
    ck_assert_int_eq(hak_option_set("limit_hard", "0"), 0);
    ck_assert_ptr_nonnull(hak_malloc(100));
    check_heap();
}
END_TEST

/* ---- misuse ------------------------------------------------------------ */

START_TEST(misuse_ends_the_process)
{
    char *block = hak_malloc(100);
    ck_assert(is_first(block) && is_first(hak_malloc(100)));
    switch (_i) {
    case 0:
        hak_free(block);
        hak_free(block);
        break;
    case 1:
        hak_free(block + 16);
        break;
    case 2:
        hak_free(block + 8);
        break;
    case 3:
        hak_free(block + 30000);
        break;
    case 4:
        hak_free(block + 60000);
        break;
    default:
        hak_free(block);
        block = hak_realloc(block, 10);
    }
}
END_TEST

static void add(TCase *tests)
{
    enum { MISUSES = 6 };
    if (HAK_DEBUG || HAK_HARDENED)
        return;
    tcase_add_test(tests, classes_share_pages);
    tcase_add_loop_test(tests, a_class_that_is_used_gets_a_slab, 0, HAK_CLASS_COUNT);
    tcase_add_test(tests, it_ends_when_it_is_full);
    tcase_add_test(tests, a_full_one_goes_back_without_a_flush);
    tcase_add_test(tests, a_place_is_handed_out_once);
    tcase_add_test(tests, blocks_of_an_alignment_are_not_from_it);
    tcase_add_test(tests, realloc_keeps_contents);
    tcase_add_test(tests, statistics_know_its_blocks);
    tcase_add_test(tests, blocks_are_found);
    tcase_add_test(tests, all_granules_show_their_blocks);
    tcase_add_test(tests, it_goes_back_with_its_last_block);
    tcase_add_test(tests, other_threads_free_its_blocks);
    tcase_add_test(tests, other_threads_take_none);
    tcase_add_test(tests, it_may_be_without_a_record);
    tcase_add_test(tests, a_limit_refuses_it);
    if (HAK_CHECKS)
        tcase_add_loop_test_raise_signal(tests, misuse_ends_the_process, SIGABRT, 0, MISUSES);
}

int main(void)
{
    return unit_run("starter", add);
}

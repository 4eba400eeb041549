/* SPDX-License-Identifier: MIT */
/* Thread cache, heaps and the hak_* functions, linked with the core. */
#include <errno.h>
#include <hakmem/hakmem.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/heap_list.h"
#include "cache/span_cache.h"
#include "cache/thread_cache.h"
#include "core/stats.h"
#include "os/lock.h"
#include "page/pagemap.h"
#include "page/retain.h"
#include "unit.h"

START_TEST(a_freed_block_comes_back_first)
{
    void *first = hak_malloc(100);
    hak_free(first);
    ck_assert_ptr_eq(hak_malloc(100), first);
    ck_assert_uint_eq(hak__owner_of(hak__pagemap_word((uintptr_t)first)), hak__heap->id);
    hak_free(first);
    ck_assert_uint_eq(*hak__block_mark(first), hak__mark_of(hak__heap_secret, first));
}
END_TEST

/* So many blocks out and, each step-th in turn, back; the capacity of their bin then. */
static long out_and_back_of(size_t size, int blocks, int rounds, int step)
{
    static void *block[100000];
    unsigned class_idx = hak__class_of(hak__harden_padded(size));
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < blocks; i++)
            block[i] = hak_malloc(size);
        for (int i = 0; i < blocks; i++)
            hak_free(block[(long)i * step % blocks]);
    }
    return hak__heap->limit[class_idx] - hak__heap->base[class_idx];
}

static long out_and_back(int blocks, int rounds, int step)
{
    return out_and_back_of(64, blocks, rounds, step);
}

START_TEST(zeroed_blocks_are_zero_and_their_neighbours_are_not_touched)
{
    enum { BLOCKS = 16 };
    size_t wrong = 0;
    for (size_t size = HAK_HARDENED; size <= 1100; size++) { /* there, nobody writes to one of no bytes */
        char *block[BLOCKS];
        size_t usable = hak_good_size(size);
        for (int i = 0; i < BLOCKS; i++)
            memset(block[i] = hak_malloc(size), 0x5a, usable);
        for (int i = 0; i < BLOCKS; i += 2)
            hak_free(block[i]);
        for (int i = 0; i < BLOCKS; i += 2) {
            block[i] = i % 4 == 0 ? hak_calloc(1, size) : hak_calloc(size, 1);
            for (size_t at = 0; at < size; at++)
                wrong += block[i][at] != 0;
        }
        for (int i = 1; i < BLOCKS; i += 2)
            for (size_t at = 0; at < usable; at++)
                wrong += block[i][at] != 0x5a;
        hak_free_batch((void **)block, BLOCKS);
    }
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(a_bin_has_the_size_of_the_swings)
{
    long capacity = out_and_back(500, 20, 1);
    ck_assert_int_ge(capacity, 500);
    ck_assert_int_le(capacity, HAK_BIN_CAPACITY_MAX);
    uint64_t before = hak__counter_sum(HAK_COUNTER_REFILLS) + hak__counter_sum(HAK_COUNTER_DRAINS);
    ck_assert_int_eq(out_and_back(500, 20, 1), capacity);
    ck_assert_uint_eq(hak__counter_sum(HAK_COUNTER_REFILLS) + hak__counter_sum(HAK_COUNTER_DRAINS),
                      before);
    /* what no bin can take is a building up and a taking down, which leaves a small one */
    ck_assert_int_le(out_and_back(100000, 1, 7919), 16);
    /* and a larger one when what is freed together is together in slabs */
    capacity = out_and_back(100000, 1, 1);
    ck_assert_int_gt(capacity, 16);
    ck_assert_int_le(capacity, 256);
    ck_assert_uint_gt(hak__counter_sum(HAK_COUNTER_DRAINS), 0);
    ck_assert_uint_le(hak__heap->capacity_bytes, (size_t)4 << 20);
}
END_TEST

START_TEST(a_bin_has_a_swing_of_many_small_or_a_hundred_large_blocks)
{
    static const struct {
        size_t size;
        int blocks;
    } swings[] = {{64, 10000}, {1024, 1000}, {4096, 200}, {8192, 100}, {16384, 60}, {32768, 100}};
    for (size_t i = 0; i < sizeof swings / sizeof *swings; i++) {
        ck_assert_int_ge(out_and_back_of(swings[i].size - HAK_TRAILER, swings[i].blocks, 20, 1), swings[i].blocks);
        size_t live = hak_load_relaxed(&hak__live_bytes), usual = 1 << 20;
        ck_assert_uint_le(hak__heap->capacity_bytes, live > usual ? live : usual);
    }
}
END_TEST

static size_t class_size_of(const void *block)
{
    return hak__class_size((hak__pagemap_word((uintptr_t)block) & 0xff) - 1);
}

/* In a thread of its own, whose heap has seen no class yet; NULL when all is as it should be. */
static void *borrow_some(void *unused)
{
    enum { OWN = 8 };
    (void)unused;
    void *larger = hak_malloc(112 - HAK_TRAILER), *odd = hak_malloc(176 - HAK_TRAILER), *block[OWN + 1];
    for (int i = 0; i <= OWN; i++)
        block[i] = hak_malloc(96 - HAK_TRAILER);
    void *aligned = hak_aligned_alloc(32, 160);
    const char *wrong = NULL;
    if (class_size_of(block[0]) != 112)
        wrong = "the first block of a class is not borrowed";
    if (class_size_of(block[OWN]) != 96)
        wrong = "a class that is used has no blocks of its own";
    if ((uintptr_t)aligned % 32 != 0)
        wrong = "an aligned block was borrowed";
    hak_free(odd);
    hak_free(aligned);
    for (int i = 0; i <= OWN; i++)
        hak_free(block[i]);
    hak_free(larger);
    return (void *)(uintptr_t)wrong;
}

START_TEST(first_blocks_are_borrowed_from_larger_classes)
{
    pthread_t thread;
    void *wrong = NULL;
    ck_assert_int_eq(pthread_create(&thread, NULL, borrow_some, NULL), 0);
    pthread_join(thread, &wrong);
    if (wrong != NULL)
        ck_abort_msg("%s", (const char *)wrong);
}
END_TEST

static size_t kept_units(void)
{
    size_t units = 0;
    for (int i = 0; i < HAK_CACHED_SPANS; i++)
        units += hak__heap->cached_spans[i].units;
    return units;
}

static unsigned count_set(const bool *set, unsigned size)
{
    unsigned count = 0;
    for (unsigned i = 0; i < size; i++)
        count += set[i];
    return count;
}

START_TEST(large_blocks_of_a_size_lie_in_many_sets)
{
    enum { BLOCKS = 512, LINES = 64, PAGES = 32 };
    bool line[LINES] = {false}, page[PAGES] = {false};
    char *block[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        block[i] = hak_malloc(70000);
        ck_assert_ptr_nonnull(block[i]);
        line[(uintptr_t)block[i] / 64 % LINES] = true;
        page[(uintptr_t)block[i] / 4096 % PAGES] = true;
    }
    for (int i = 0; i < BLOCKS; i++)
        hak_free(block[i]);
    ck_assert_uint_ge(count_set(line, LINES), LINES / 4 * 3);
    ck_assert_uint_ge(count_set(page, PAGES), PAGES / 4 * 3);
}
END_TEST

START_TEST(a_kept_block_serves_what_fits)
{
    enum { BLOCKS = 64, SIZE = 70000, WHOLE = 131072 };
    char *block[BLOCKS], *whole[BLOCKS], *aligned[BLOCKS];
    unsigned shorter = 0, odd = 0;
    for (int i = 0; i < BLOCKS; i++)
        block[i] = hak_malloc(SIZE);
    for (int i = 0; i < BLOCKS; i++) {
        shorter += hak_usable_size(block[i]) < WHOLE;
        odd += (uintptr_t)block[i] % 4096 != 0;
        hak_free(block[i]);
        whole[i] = hak_malloc(WHOLE);
        ck_assert_uint_ge(hak_usable_size(whole[i]), WHOLE);
        aligned[i] = hak_aligned_alloc(4096, SIZE);
        ck_assert_uint_eq((uintptr_t)aligned[i] % 4096, 0);
        hak_free(hak_malloc(SIZE));
        char *wide = hak_aligned_alloc(4 * HAK_GRANULE, SIZE);
        ck_assert_uint_eq((uintptr_t)wide % (4 * HAK_GRANULE), 0);
        hak_free(wide);
    }
    ck_assert_uint_gt(shorter, BLOCKS / 2);
    ck_assert_uint_gt(odd, BLOCKS / 2);
    for (int i = 0; i < BLOCKS; i++) {
        hak_free(whole[i]);
        hak_free(aligned[i]);
    }
}
END_TEST

START_TEST(a_block_that_grows_has_all_that_is_behind_it)
{
    for (size_t size = 70000; size < 130000; size += 5000) {
        char *block = hak_realloc(hak_malloc(100), size);
        ck_assert_uint_eq(hak_usable_size(block), HAK_HARDENED ? size : 131072);
        hak_free(block);
    }
}
END_TEST

/* How often a block moves that grows by so many bytes at a time. */
static unsigned moves(size_t step, size_t end)
{
    unsigned count = 0;
    char *block = hak_malloc(step);
    for (size_t size = 2 * step; size <= end; size += step) {
        char *larger = hak_realloc(block, size);
        count += larger != block;
        block = larger;
        ck_assert_uint_le(hak_usable_size(block), size / 2 * 5);
        memset(block + size - step, (int)(size / step), step);
    }
    for (size_t size = 2 * step; size <= end; size += step)
        ck_assert_int_eq(block[size - 1], (char)(size / step));
    hak_free(block);
    return count;
}

START_TEST(a_block_that_goes_on_growing_seldom_moves)
{
    for (int round = 0; round < 20; round++) {
        ck_assert_uint_le(moves(1000, 200000), HAK_ANNOTATIONS ? 200 : 8);
        ck_assert_uint_le(moves(5000, 1900000), HAK_ANNOTATIONS ? 400 : 8);
    }
}
END_TEST

START_TEST(what_grows_once_has_no_room)
{
    for (size_t size = 1024; size < 60000; size += 4096) {
        size_t larger = size + 512;
        char *block = hak_realloc(hak_malloc(size), larger);
        ck_assert_uint_eq(hak_usable_size(block), hak_good_size(larger));
        hak_free(block);
    }
}
END_TEST

static pthread_barrier_t others;

static void *be_there(void *unused)
{
    hak_free(hak_malloc(16));
    pthread_barrier_wait(&others); /* it has a heap */
    pthread_barrier_wait(&others);
    return unused;
}

static void begin_others(pthread_t *thread, unsigned count)
{
    hak_free(hak_malloc(1));
    ck_assert_int_eq(pthread_barrier_init(&others, NULL, count + 1), 0);
    for (unsigned i = 0; i < count; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, be_there, NULL), 0);
    pthread_barrier_wait(&others);
}

static void end_others(pthread_t *thread, unsigned count)
{
    pthread_barrier_wait(&others);
    for (unsigned i = 0; i < count; i++)
        pthread_join(thread[i], NULL);
}

START_TEST(heaps_are_found_by_their_ids)
{
    enum { THREADS = 100 };
    pthread_t thread[THREADS];
    unsigned found = 0;
    begin_others(thread, THREADS);
    for (struct hak_heap *heap = hak_load_acquire(&hak__heaps); heap != NULL; heap = heap->older) {
        ck_assert_ptr_eq(hak__heap_by_id(heap->id), heap);
        found++;
    }
    ck_assert_uint_gt(found, THREADS);
    ck_assert_ptr_null(hak__heap_by_id(0));
    ck_assert_ptr_null(hak__heap_by_id(UINT32_MAX));
    end_others(thread, THREADS);
}
END_TEST

START_TEST(large_blocks_are_kept_beside_other_threads)
{
    enum { THREADS = 20 };
    pthread_t thread[THREADS];
    begin_others(thread, THREADS);
    hak_free(hak_malloc(100000));
    ck_assert_uint_eq(kept_units(), 2);
    /* all threads together may keep what 8 of them may: a MiB is too much here */
    hak_option_set("cache_max", "2M");
    hak__span_cache_keep_bound(hak__heap);
    char *mib = hak_malloc(1 << 20);
    hak_free(mib);
    ck_assert_uint_eq(kept_units(), 2);
    hak_option_set("cache_max", "16M");
    end_others(thread, THREADS);
}
END_TEST

START_TEST(large_blocks_are_kept_for_the_thread)
{
    enum { MORE = 6 };
    hak_free(hak_malloc(1)); /* a thread without a heap keeps nothing */
    char *first = hak_malloc(200000), *block[MORE];
    first[0] = first[199999] = 1;
    size_t live = hak_load_relaxed(&hak__live_bytes);
    hak_free(first);
    ck_assert_uint_eq(kept_units(), 4);
    ck_assert_uint_eq(hak_load_relaxed(&hak__live_bytes), live);
    char *again = hak_calloc(1, 200000);
    ck_assert_ptr_eq(again, first);
    ck_assert_int_eq(again[0] | again[199999] | again[8], 0);
    ck_assert_uint_eq(kept_units(), 0);
    hak_free(again);
    /* 4 MiB where little is live */
    for (int i = 0; i < MORE; i++)
        block[i] = hak_malloc(1000000);
    for (int i = 0; i < MORE; i++)
        hak_free(block[i]);
    ck_assert_uint_eq(kept_units(), 4 * 16);
    ck_assert(hak_malloc(200000) != NULL);
    ck_assert_uint_eq(kept_units(), 4 * 16);
    hak_purge(HAK_PURGE_PROCESS, 0);
    ck_assert_uint_eq(kept_units(), 0);
}
END_TEST

START_TEST(kept_blocks_serve_what_is_a_little_smaller)
{
    hak_free(hak_malloc(1));
    char *ten = hak_malloc(10 * HAK_GRANULE - HAK_TRAILER), *two = hak_malloc(2 * HAK_GRANULE - HAK_TRAILER);
    hak_free(ten);
    hak_free(two);
    char *eight = hak_malloc(8 * HAK_GRANULE - HAK_TRAILER);
    ck_assert(eight >= ten && eight < ten + HAK_GRANULE); /* it may begin elsewhere in the first */
    ck_assert_uint_eq(kept_units(), 2);
    ck_assert_ptr_eq(hak_malloc(2 * HAK_GRANULE - HAK_TRAILER), two);
    ck_assert_uint_eq(kept_units(), 0);
    hak_free(eight);
    hak_free(two);
    ck_assert_ptr_ne(hak_malloc(7 * HAK_GRANULE - HAK_TRAILER), eight);
    ck_assert_ptr_null(hak_check(NULL));
}
END_TEST

START_TEST(no_more_is_kept_than_there_are_places)
{
    enum { MORE = HAK_CACHED_SPANS + 8 };
    hak_free(hak_malloc(1));
    char *block[MORE];
    for (int i = 0; i < MORE; i++)
        block[i] = hak_malloc(2 * HAK_GRANULE - HAK_TRAILER);
    for (int i = 0; i < MORE; i++)
        hak_free(block[i]);
    ck_assert_uint_eq(kept_units(), HAK_CACHED_SPANS * 2);
    ck_assert_ptr_null(hak_check(NULL));
    for (int i = 0; i < HAK_CACHED_SPANS; i++)
        ck_assert(hak_malloc(2 * HAK_GRANULE - HAK_TRAILER) != NULL);
    ck_assert_uint_eq(kept_units(), 0);
}
END_TEST

START_TEST(what_is_kept_is_used_before_fresh_memory)
{
    enum { COUNT = 8 };
    hak_purge(HAK_PURGE_PROCESS, 0);
    char *block[COUNT];
    for (int i = 0; i < COUNT; i++)
        memset(block[i] = hak_malloc(8 * HAK_GRANULE - HAK_TRAILER), 1, 8 * HAK_GRANULE - HAK_TRAILER);
    for (int i = 0; i < COUNT; i++)
        hak_free(block[i]);
    ck_assert_uint_eq(kept_units(), COUNT * 8);
    size_t taken = hak_load_relaxed(&hak__taken_bytes);
    for (int i = 0; i < COUNT; i++)
        ck_assert(hak_malloc(4 * HAK_GRANULE - HAK_TRAILER) != NULL);
    ck_assert_uint_eq(hak_load_relaxed(&hak__taken_bytes), taken);
}
END_TEST

/* A program advises the pages of what is as large as a huge page, not of smaller blocks. */
START_TEST(what_may_be_advised_is_not_kept)
{
    hak_free(hak_malloc(1));
    char *large = hak_malloc(48 * HAK_GRANULE);
    char *cut = hak_realloc(large, 8 * HAK_GRANULE);
    ck_assert_ptr_eq(cut, large);
    hak_free(cut);
    ck_assert_uint_eq(kept_units(), 0);
    char *other = hak_malloc(8 * HAK_GRANULE);
    ck_assert(other < large || other >= large + 48 * HAK_GRANULE);
}
END_TEST

static void *free_all(void *blocks)
{
    void **block = blocks;
    for (int i = 0; i < 1000; i++)
        hak_free(block[i]);
    return NULL;
}

START_TEST(blocks_freed_by_others_return_to_their_slabs)
{
    enum { BLOCKS = 1000 };
    void *block[BLOCKS];
    hak_purge(HAK_PURGE_PROCESS, 0);
    size_t live = hak_load_relaxed(&hak__live_bytes);
    for (int i = 0; i < BLOCKS; i++)
        block[i] = hak_malloc(1000);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, free_all, block), 0);
    pthread_join(thread, NULL);
    hak_purge(HAK_PURGE_PROCESS, 0);
    ck_assert_uint_eq(hak_load_relaxed(&hak__live_bytes), live);
}
END_TEST

static void *allocate_one(void *unused)
{
    return unused == NULL ? hak_malloc(48) : NULL;
}

START_TEST(slabs_of_a_dead_thread_are_adopted)
{
    hak_purge(HAK_PURGE_PROCESS, 0);
    pthread_t thread;
    void *block = NULL;
    pthread_create(&thread, NULL, allocate_one, NULL);
    pthread_join(thread, &block);
    hak_purge(HAK_PURGE_PROCESS, 0);
    uint32_t dead = hak__owner_of(hak__pagemap_word((uintptr_t)block));
    ck_assert_uint_ne(dead, hak__heap->id);
    void *other[5000];
    for (int i = 0; i < 5000; i++)
        other[i] = hak_malloc(48);
    ck_assert_uint_eq(hak__owner_of(hak__pagemap_word((uintptr_t)block)), hak__heap->id);
    for (int i = 0; i < 5000; i++)
        hak_free(other[i]);
    hak_free(block);
}
END_TEST

START_TEST(sizes_are_what_is_promised)
{
    for (size_t size = 0; size < (size_t)3 << 20; size = size * 5 / 4 + 7) {
        void *block = hak_malloc(size);
        ck_assert_ptr_nonnull(block);
        ck_assert_uint_ge(hak_usable_size(block), size);
        ck_assert_uint_ge(hak_usable_size(block), hak_good_size(size));
        if (size <= HAK_SMALL_MAX)
            ck_assert_uint_eq(hak_usable_size(block), hak_good_size(size));
        ck_assert(hak_owns(block));
        hak_free_sized(block, size);
    }
    ck_assert_uint_eq(hak_good_size(SIZE_MAX), SIZE_MAX);
    ck_assert(!hak_owns(NULL));
    ck_assert_uint_eq(hak_usable_size(NULL), 0);
}
END_TEST

START_TEST(failures_set_errno)
{
    void *out = &out;
    volatile size_t large = SIZE_MAX - 100;
    errno = 0;
    ck_assert_ptr_null(hak_malloc(large));
    ck_assert_int_eq(errno, ENOMEM);
    errno = 0;
    ck_assert_ptr_null(hak_calloc(large, 2));
    ck_assert_int_eq(errno, ENOMEM);
    errno = 0;
    ck_assert_ptr_null(hak_aligned_alloc(48, 10));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_int_eq(hak_posix_memalign(&out, 4096, large), ENOMEM);
    ck_assert_int_eq(hak_posix_memalign(&out, 1, 8), EINVAL);
    ck_assert_int_eq(errno, 0);
    ck_assert_ptr_eq(out, &out);
    ck_assert_int_eq(hak_posix_memalign(&out, 4096, 10), 0);
    ck_assert_uint_eq((uintptr_t)out % 4096, 0);
    hak_free_aligned_sized(out, 4096, 10);
    ck_assert_ptr_null(hak_reallocarray(NULL, large, 8));
}
END_TEST

START_TEST(options_and_statistics_are_reached)
{
    char text[32];
    ck_assert_int_eq(hak_option_set("decay_ms", "50"), 0);
    ck_assert_int_eq(hak_option_get("decay_ms", text, sizeof text), 2);
    ck_assert_str_eq(text, "50");
    ck_assert_int_eq(hak_option_set("decay_ms", "often"), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(hak_option_set("nothing", "1"), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(hak_option_get("nothing", text, sizeof text), -1);
    ck_assert_str_eq(hak_version(), PACKAGE_VERSION);
    ck_assert_int_eq(hak_stats_print(-1, (hak_stats_format_t)7), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(hak_stats_print(9999, HAK_STATS_TEXT), -1);
    ck_assert_int_eq(errno, EBADF);
    FILE *file = tmpfile();
    ck_assert_int_eq(hak_stats_print(fileno(file), HAK_STATS_JSON), 0);
    static char json[32768];
    ssize_t length = pread(fileno(file), json, sizeof json - 1, 0);
    ck_assert_int_gt(length, 0);
    ck_assert_ptr_nonnull(strstr(json, "\"stage3\":"));
    ck_assert_int_eq(json[length - 2], '}');
    fclose(file);
}
END_TEST

static struct hak_lock lock;
static long guarded;

static void *add_up(void *unused)
{
    for (int i = 0; i < 100000; i++) {
        hak__lock_acquire(&lock);
        guarded++;
        hak__lock_release(&lock);
    }
    return unused;
}

START_TEST(a_lock_excludes)
{
    pthread_t thread[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, add_up, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    ck_assert_int_eq(guarded, 400000);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_checked_fixture(tests, unit_end_starter, NULL);
    tcase_add_test(tests, a_freed_block_comes_back_first);
    tcase_add_test(tests, zeroed_blocks_are_zero_and_their_neighbours_are_not_touched);
    tcase_add_test(tests, a_bin_has_the_size_of_the_swings);
    tcase_add_test(tests, a_bin_has_a_swing_of_many_small_or_a_hundred_large_blocks);
    tcase_add_test(tests, first_blocks_are_borrowed_from_larger_classes);
    tcase_add_test(tests, large_blocks_of_a_size_lie_in_many_sets);
    tcase_add_test(tests, a_kept_block_serves_what_fits);
    tcase_add_test(tests, a_block_that_grows_has_all_that_is_behind_it);
    tcase_add_test(tests, a_block_that_goes_on_growing_seldom_moves);
    tcase_add_test(tests, what_grows_once_has_no_room);
    tcase_add_test(tests, large_blocks_are_kept_for_the_thread);
    tcase_add_test(tests, kept_blocks_serve_what_is_a_little_smaller);
    tcase_add_test(tests, no_more_is_kept_than_there_are_places);
    tcase_add_test(tests, what_is_kept_is_used_before_fresh_memory);
    tcase_add_test(tests, what_may_be_advised_is_not_kept);
    tcase_add_test(tests, large_blocks_are_kept_beside_other_threads);
    tcase_add_test(tests, heaps_are_found_by_their_ids);
    tcase_add_test(tests, blocks_freed_by_others_return_to_their_slabs);
    tcase_add_test(tests, slabs_of_a_dead_thread_are_adopted);
    tcase_add_test(tests, sizes_are_what_is_promised);
    tcase_add_test(tests, failures_set_errno);
    tcase_add_test(tests, options_and_statistics_are_reached);
    tcase_add_test(tests, a_lock_excludes);
}

int main(void)
{
    return unit_run("api", add);
}

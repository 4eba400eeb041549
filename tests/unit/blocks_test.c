/* SPDX-License-Identifier: MIT */
/* Allocation with intent, batches, and what is known of blocks: good and bad input. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "statistics.h"

static bool is_zero(const char *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* ---- allocation with intent ------------------------------------------------ */

enum { ALIGNMENTS = 23 }; /* 1 to 4 MiB */

/* The block is filled: whoever gets its memory next finds that it is not zero. */
static void is_as_asked_for(char *block, size_t size, size_t alignment, bool zero)
{
    ck_assert_ptr_nonnull(block);
    ck_assert_uint_eq((uintptr_t)block % alignment, 0);
    ck_assert_uint_ge(hak_usable_size(block), size);
    ck_assert(!zero || is_zero(block, size));
    memset(block, 0x5a, size);
}

START_TEST(flags_are_kept)
{
    static const size_t sizes[] = {0, 1, 100, 4096, 65536, 65537, 300000, 3 * MIB, 40 * MIB};
    static const unsigned hints[] = {0, HAK_ALLOC_NO_CACHE, HAK_ALLOC_HUGE_PAGES,
                                     HAK_ALLOC_SMALL_PAGES,
                                     HAK_ALLOC_NO_CACHE | HAK_ALLOC_HUGE_PAGES};
    size_t alignment = (size_t)1 << _i;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t h = 0; h < sizeof hints / sizeof *hints; h++) {
            unsigned flags = hak_alloc_align(alignment) | hints[h];
            char *block = hak_alloc(sizes[s], flags);
            is_as_asked_for(block, sizes[s], alignment, false);
            char *fresh = hak_alloc(sizes[s], flags | HAK_ALLOC_ZERO);
            is_as_asked_for(fresh, sizes[s], alignment, true);
            hak_free(block);
            block = hak_alloc(sizes[s], flags | HAK_ALLOC_ZERO);
            is_as_asked_for(block, sizes[s], alignment, true);
            hak_free(fresh);
            hak_free(block);
        }
    ck_assert_ptr_null(hak_check(NULL));
}
END_TEST

START_TEST(flags_that_are_none_are_refused)
{
    refuses(1, 0x1000, EINVAL);
    refuses(1, 0x80000000, EINVAL);
    refuses(1, hak_alloc_align(0), EINVAL);
    refuses(1, hak_alloc_align(3), EINVAL);
    refuses(1, HAK_ALLOC_HUGE_PAGES | HAK_ALLOC_SMALL_PAGES, EINVAL);
    refuses((size_t)PTRDIFF_MAX + 1, 0, ENOMEM);
    refuses((size_t)PTRDIFF_MAX + 1, HAK_ALLOC_ZERO, ENOMEM);
    refuses(SIZE_MAX, HAK_ALLOC_NO_CACHE | hak_alloc_align(4096), ENOMEM);
    refuses(SIZE_MAX - 10, HAK_ALLOC_HUGE_PAGES, ENOMEM);
    refuses(PTRDIFF_MAX, hak_alloc_align((size_t)1 << (8 * sizeof(size_t) - 2)), ENOMEM);
}
END_TEST

START_TEST(batches_are_so_many_blocks)
{
    enum { MOST = 5000 };
    static void *block[MOST];
    static const size_t sizes[] = {0, 1, 64, 1024, 1025, 65536, 100000};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t count = sizes[s] > 2000 ? 100 : MOST;
        ck_assert_uint_eq(hak_alloc_batch(sizes[s], count, block), count);
        for (size_t i = 0; i < count; i++) {
            ck_assert_uint_ge(hak_usable_size(block[i]), sizes[s]);
            memset(block[i], (int)i, sizes[s]);
        }
        for (size_t i = 0; i < count && sizes[s] > 0; i++)
            ck_assert_int_eq(((char *)block[i])[sizes[s] - 1], (char)i);
        block[count / 2] = (hak_free(block[count / 2]), NULL);
        errno = 77;
        hak_free_batch(block, count);
        ck_assert_int_eq(errno, 77);
    }
    ck_assert_uint_eq(hak_alloc_batch(64, 0, NULL), 0);
    hak_free_batch(NULL, 0);
    ck_assert_uint_eq(statistics().allocated_bytes, 0);
    ck_assert_ptr_null(hak_check(NULL));
}
END_TEST

static void *free_batch(void *blocks)
{
    hak_free_batch(blocks, 1000);
    return NULL;
}

START_TEST(a_batch_may_be_of_any_blocks)
{
    static void *block[1000];
    for (size_t i = 0; i < 1000; i++)
        block[i] = hak_malloc(i * i % 70000 + (i % 100 == 0 ? 3 * MIB : 0));
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, free_batch, block), 0);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(statistics().allocated_bytes, 0);
    errno = 0;
    ck_assert_uint_eq(hak_alloc_batch(PTRDIFF_MAX, 3, block), 0);
    ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

START_TEST(blocks_are_resized_where_they_are)
{
    char *small = hak_malloc(100), *large = hak_malloc(MIB), *huge = hak_malloc(40 * MIB);
    size_t usable = HAK_HARDENED ? 112 - HAK_TRAILER : hak_usable_size(small);
    ck_assert_uint_eq(hak_resize_in_place(small, 0, 10000), usable);
    ck_assert_uint_eq(hak_resize_in_place(small, usable, usable), usable);
    errno = 0;
    ck_assert_uint_eq(hak_resize_in_place(small, usable + 1, 10000), 0);
    ck_assert_int_eq(errno, ENOMEM);
    large[0] = huge[0] = 1;
    ck_assert_uint_eq(hak_resize_in_place(large, 0, 200000), HAK_HARDENED ? 200000 : 262144);
    ck_assert_uint_eq(hak_usable_size(large), HAK_HARDENED ? 200000 : 262144);
    /* what it gave back is behind it */
    ck_assert_uint_eq(hak_resize_in_place(large, 300000, MIB), MIB);
    memset(large, 2, MIB);
    size_t shrunk = hak_resize_in_place(huge, 1, 5 * MIB);
    ck_assert_uint_eq(shrunk, 5 * MIB);
    ck_assert_uint_ge(hak_resize_in_place(huge, 1, 50 * MIB), 5 * MIB);
    ck_assert_int_eq(huge[0], 1);
    errno = 0;
    ck_assert_uint_eq(hak_resize_in_place(huge, PTRDIFF_MAX - 1, PTRDIFF_MAX), 0);
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_eq(hak_resize_in_place(huge, 2, 1), 0);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_uint_eq(hak_resize_in_place(NULL, 1, 2), 0);
    ck_assert_int_eq(errno, EINVAL);
    hak_free(small);
    hak_free(large);
    hak_free(huge);
    ck_assert_ptr_null(hak_check(NULL));
}
END_TEST

/* ---- questions ------------------------------------------------------------- */

static hak_block_info_t info_of(const void *address)
{
    hak_block_info_t info = {.struct_size = sizeof info};
    ck_assert_int_eq(hak_block_info(address, &info), 0);
    return info;
}

static void knows(char *block, hak_block_kind_t kind)
{
    size_t usable = hak_usable_size(block);
    for (size_t at = 0; at < usable; at += usable / 3) {
        hak_block_info_t info = info_of(block + at);
        ck_assert_ptr_eq(info.start, block);
        ck_assert_uint_eq(info.usable_size, usable);
        ck_assert_int_eq(info.kind, kind);
        ck_assert_int_eq(info.state, HAK_BLOCK_LIVE);
        ck_assert_int_eq(info.class_index >= 0, kind == HAK_BLOCK_SMALL);
        ck_assert_int_eq(info.slab != NULL, kind == HAK_BLOCK_SMALL);
        ck_assert_int_eq(info.owner_alive, kind == HAK_BLOCK_SMALL);
        ck_assert(hak_owns(block + at));
    }
}

START_TEST(a_block_is_known_by_any_of_its_bytes)
{
    char *small = hak_malloc(5000), *large = hak_malloc(MIB - HAK_TRAILER), *huge = hak_malloc(100 * MIB);
    knows(small, HAK_BLOCK_SMALL);
    knows(large, HAK_BLOCK_LARGE);
    knows(huge, HAK_BLOCK_HUGE);
    hak_free(small);
    ck_assert_int_eq(info_of(small).state, HAK_BLOCK_FREE);
    hak_free(large); /* kept by the thread */
    ck_assert_int_eq(info_of(large).state, HAK_BLOCK_FREE);
    hak_free(huge);
    ck_assert(!hak_owns(huge) && !hak_owns(huge + 50 * MIB));
    hak_block_info_t info = {.struct_size = sizeof info};
    const void *foreign[] = {NULL, &info, huge, (void *)1, (void *)UINTPTR_MAX, "text"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        errno = 0;
        ck_assert_int_eq(hak_block_info(foreign[i], &info), -1);
        ck_assert_int_eq(errno, ENOENT);
    }
    info.struct_size = 3;
    ck_assert_int_eq(hak_block_info(small, &info), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

enum { WALKED = 3000 };
static struct walk {
    char *expected[WALKED];
    int seen[WALKED];
    size_t visited, stop_after;
    char *before;
    bool in_order;
} walk;

static bool visit(const hak_block_info_t *block, void *context)
{
    ck_assert_ptr_eq(context, &walk);
    ck_assert_int_eq(block->state, HAK_BLOCK_LIVE);
    walk.in_order &= (char *)block->start > walk.before;
    walk.before = block->start;
    for (int i = 0; i < WALKED; i++)
        walk.seen[i] += walk.expected[i] == block->start;
    hak_free(hak_malloc(walk.visited % 3000)); /* it may */
    return ++walk.visited != walk.stop_after;
}

static atomic_bool stop_churning;

static void *churn(void *unused)
{
    void *block[64] = {NULL}, *huge = NULL;
    for (unsigned i = 0; !atomic_load(&stop_churning); i = i * 1103515245 + 12345) {
        hak_free(block[i / 65536 % 64]);
        block[i / 65536 % 64] = hak_malloc(i / 1024 % 5000 + (i % 97 == 0 ? 200000 : 0));
        if (i % 1009 == 0)
            hak_purge(HAK_PURGE_THREAD, 0);
        if (i % 61 == 0)
            huge = hak_realloc(huge, (40 + i / 64 % 64) * MIB); /* moves, too */
    }
    hak_free(huge);
    hak_free_batch(block, 64);
    return unused;
}

START_TEST(a_walk_finds_what_was_there)
{
    pthread_t thread[2];
    for (int i = 0; i < WALKED; i++) {
        size_t size = i % 100 == 0 ? 70000 * (size_t)i / 100 : (size_t)i;
        walk.expected[i] = hak_malloc(HAK_HARDENED && size == 0 ? 1 : size);
        if (i % 3 == 0)
            hak_free(hak_malloc((size_t)i));
    }
    for (int i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, churn, NULL);
    for (int round = 0; round < 20; round++) {
        memset(walk.seen, 0, sizeof walk.seen);
        walk.before = NULL;
        walk.in_order = true;
        ck_assert_int_eq(hak_heap_walk(visit, &walk), 0);
        ck_assert(walk.in_order);
        for (int i = 0; i < WALKED; i++)
            ck_assert_int_eq(walk.seen[i], 1);
    }
    atomic_store(&stop_churning, true);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    /* at rest it finds these alone */
    walk.visited = 0;
    ck_assert_int_eq(hak_heap_walk(visit, &walk), 0);
    ck_assert_uint_eq(walk.visited, WALKED);
    walk.visited = 0;
    walk.stop_after = 7;
    ck_assert_int_eq(hak_heap_walk(visit, &walk), 0);
    ck_assert_uint_eq(walk.visited, 7);
}
END_TEST

START_TEST(a_check_finds_what_was_overwritten)
{
    enum { BLOCKS = 100 };
    void *block[BLOCKS];
    const void *where = &where;
    ck_assert_uint_eq(hak_alloc_batch(512, BLOCKS, block), BLOCKS);
    hak_free_batch(block + 1, BLOCKS - 1); /* the first one keeps the slab */
    hak_thread_flush();
    ck_assert_ptr_null(hak_check(&where));
    ck_assert_ptr_null(where);
    memset(block[7], 0x7f, 4);
    ck_assert_ptr_nonnull(hak_check(&where));
    ck_assert_ptr_nonnull(where);
    ck_assert_ptr_nonnull(hak_check(NULL));
}
END_TEST

/* Which pages of some memory are the library's. */
static size_t owned_pages(const char *block, size_t size)
{
    size_t count = 0;
    for (size_t at = 0; at < size; at += 4096)
        count += hak_owns(block + at);
    return count;
}

START_TEST(all_of_a_block_is_owned_or_nothing)
{
    static const size_t sizes[] = {70000, 200000, MIB, 5 * MIB + 1, 31 * MIB, 60 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t pages = (sizes[i] + 4095) / 4096;
        char *block = hak_malloc(sizes[i]), *behind = hak_malloc(200000);
        char *less = hak_malloc(sizes[i]);
        ck_assert_uint_eq(owned_pages(block, sizes[i]), pages);
        size_t left = hak_resize_in_place(less, sizes[i] / 2, sizes[i] / 2);
        hak_free(block);
        for (int purged = 0; purged < 2; purged++) {
            size_t owned = owned_pages(block, sizes[i]);
            ck_assert_msg(owned == 0 || owned == pages, "%zu of %zu pages", owned, pages);
            if (left != 0 && left < sizes[i] && sizes[i] < 32 * MIB) {
                owned = owned_pages(less, sizes[i]);
                ck_assert_msg(owned == pages, "%zu of %zu pages of a shrunk one", owned, pages);
            }
            for (size_t n = 1; n < 6; n++)
                hak_free(hak_malloc(65536 * n + 1));
            if (purged == 0)
                hak_purge(HAK_PURGE_PROCESS, 0);
        }
        hak_free(less);
        hak_free(behind);
    }
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_checked_fixture(tests, unit_end_starter, NULL);
    tcase_add_loop_test(tests, flags_are_kept, 0, ALIGNMENTS);
    tcase_add_test(tests, flags_that_are_none_are_refused);
    tcase_add_test(tests, batches_are_so_many_blocks);
    tcase_add_test(tests, a_batch_may_be_of_any_blocks);
    tcase_add_test(tests, blocks_are_resized_where_they_are);
    tcase_add_test(tests, a_block_is_known_by_any_of_its_bytes);
    tcase_add_test(tests, a_walk_finds_what_was_there);
    tcase_add_test(tests, a_check_finds_what_was_overwritten);
    tcase_add_test(tests, all_of_a_block_is_owned_or_nothing);
}

int main(void)
{
    return unit_run("blocks", add);
}

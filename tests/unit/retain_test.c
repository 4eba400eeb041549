/* SPDX-License-Identifier: MIT */
/* What is kept unused: bounds on caches and on retained memory, and memory that cannot be returned. */
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "statistics.h"

enum { BLOCKS = 20000 };

static void *block[BLOCKS];
static size_t count;

static void keep(size_t size)
{
    ck_assert_uint_lt(count, BLOCKS);
    block[count] = hak_malloc(size);
    ck_assert_ptr_nonnull(block[count]);
    memset(block[count++], 1, size);
}

static void free_all(void)
{
    while (count > 0)
        hak_free(block[--count]);
}

/* ---- thread caches --------------------------------------------------------- */

static void use_all_sizes(void)
{
    for (size_t size = 16; size <= 65536; size += size < 1024 ? 16 : size / 4)
        for (int i = 0; i < 100; i++)
            keep(size);
    for (size_t size = MIB; size > 700000; size -= 65536)
        keep(size);
}

static void *free_foreign_blocks(void *cached)
{
    free_all();
    *(uint64_t *)cached = statistics().cached_bytes;
    return NULL;
}

START_TEST(a_small_bound_on_caches_holds)
{
    ck_assert_int_eq(hak_option_set("cache_max", "0"), 0);
    use_all_sizes();
    free_all();
    ck_assert_uint_le(statistics().cached_bytes, 128 * KIB);
    use_all_sizes();
    uint64_t cached = 0;
    pthread_t thread;
    pthread_create(&thread, NULL, free_foreign_blocks, &cached);
    pthread_join(thread, NULL);
    ck_assert_uint_le(cached, 2 * 128 * KIB); /* of two threads */
    ck_assert_ptr_null(hak_check(NULL));
}
END_TEST

START_TEST(caches_follow_a_bound_that_falls)
{
    enum { ROUNDS = 300 };
    use_all_sizes();
    free_all();
    use_all_sizes();
    free_all();
    ck_assert_uint_gt(statistics().cached_bytes, MIB);
    ck_assert_int_eq(hak_option_set("cache_max", "0"), 0);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 100; i++)
            keep(5000);
        free_all();
    }
    ck_assert_uint_le(statistics().cached_bytes, 128 * KIB);
    ck_assert_ptr_null(hak_check(NULL));
}
END_TEST

/* ---- retained memory ------------------------------------------------------- */

static void within_the_bound(void)
{
    hak_stats_t stats = statistics();
    uint64_t share = stats.live_bytes / 4;
    ck_assert_uint_le(stats.retained_bytes, share > 12 * MIB ? share : 12 * MIB);
}

START_TEST(blocks_that_shrink_in_place_leave_no_more_than_the_bound)
{
    for (int i = 0; i < 20; i++)
        keep(6 * MIB);
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_ge(hak_resize_in_place(block[i], 100000, 100000), 100000);
    within_the_bound();
    free_all();
    within_the_bound();
}
END_TEST

START_TEST(a_thread_that_flushes_leaves_no_more_than_the_bound)
{
    ck_assert_int_eq(hak_option_set("retain_min", "64K"), 0);
    ck_assert_int_eq(hak_option_set("retain_max", "64K"), 0);
    ck_assert_int_eq(hak_option_set("retain_percent", "0"), 0);
    ck_assert_int_eq(hak_option_set("retain_percent_max", "0"), 0);
    use_all_sizes();
    free_all();
    ck_assert_uint_gt(statistics().cached_bytes, MIB);
    hak_thread_flush();
    ck_assert_uint_eq(statistics().cached_bytes, 0);
    ck_assert_uint_le(statistics().retained_bytes, 64 * KIB);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, a_small_bound_on_caches_holds);
    tcase_add_test(tests, caches_follow_a_bound_that_falls);
    tcase_add_test(tests, blocks_that_shrink_in_place_leave_no_more_than_the_bound);
    tcase_add_test(tests, a_thread_that_flushes_leaves_no_more_than_the_bound);
}

int main(void)
{
    return unit_run("retain", add);
}

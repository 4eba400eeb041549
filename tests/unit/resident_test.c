/* SPDX-License-Identifier: MIT */
/* The footprint of the statistics is the memory that the system says the process has. */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <hakmem/hakmem.h>

#include "harden/blocks.h"
#include "page/pagemap.h"
#include "statistics.h"
#include "unit.h"

enum { BLOCKS = 60000, THREADS = 40, LEAST_KIB = 1024, PERCENT = 3 };

static char *block[BLOCKS];

static unsigned random_below(unsigned n)
{
    static unsigned state = 1;
    state = state * 1103515245u + 12345u;
    return (state >> 8) % n;
}

/* What the process has for itself, without files. */
static long anonymous_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Anonymous: %ld", &kib) == 1)
            break;
    if (file != NULL)
        fclose(file);
    return kib;
}

static long footprint_kib(void)
{
    return (long)(statistics().footprint_bytes / KIB);
}

static long others_kib; /* what the process has beside the library's */

static void begin(void)
{
    memset(block, 1, sizeof block);
    memset(block, 0, sizeof block);
    hak_free(hak_malloc(1));
    anonymous_kib();
    others_kib = anonymous_kib() - footprint_kib();
}

static void compare(const char *when)
{
    long resident = anonymous_kib() - others_kib, counted = footprint_kib();
    long most = resident * PERCENT / 100 > LEAST_KIB ? resident * PERCENT / 100 : LEAST_KIB;
    if (counted - resident > most || resident - counted > most)
        ck_abort_msg("%s: %ld KiB are resident, %ld are counted", when, resident, counted);
}

/* All that a block may hold is written to, for all of it counts. */
static void fill(int count, unsigned least, unsigned most)
{
    for (int i = 0; i < count; i++)
        if (block[i] == NULL) {
            size_t size = least + random_below(most - least + 1);
            ck_assert_ptr_nonnull(block[i] = hak_malloc(size));
            memset(block[i], 1, hak_usable_size(block[i]));
        }
}

static void empty(int count, int keep)
{
    for (int i = 0; i < count; i++)
        if (keep == 0 || i % keep != 0) {
            hak_free(block[i]);
            block[i] = NULL;
        }
}

START_TEST(blocks_of_slabs)
{
    begin();
    fill(BLOCKS, 16, 2048);
    compare("filled");
    empty(BLOCKS, 10);
    compare("nine in ten freed");
    hak_purge(HAK_PURGE_PROCESS, 0);
    compare("trimmed");
    fill(BLOCKS / 2, 2100, 6000);
    compare("filled with others");
    empty(BLOCKS, 0);
    compare("freed");
    hak_purge(HAK_PURGE_PROCESS, 0);
    compare("trimmed again");
    ck_assert_int_lt(anonymous_kib() - others_kib, 2 * LEAST_KIB);
}
END_TEST

/* Of blocks that do not fill their last granule, if they are written to as far as was asked for. */
START_TEST(ends_of_granules)
{
    enum { COUNT = 500 };
    static const size_t sizes[] = {66000, 100000, 131000, 140000, 300000};
    begin();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int j = 0; j < COUNT; j++)
            memset(block[j] = hak_malloc(sizes[i]), 1, sizes[i]);
        compare("filled");
        for (int j = 0; j < COUNT; j += 2) {
            block[j] = hak_realloc(block[j], sizes[i] + 20000);
#if HAK_HARDENED
            size_t room = hak__harden_room(block[j], hak__pagemap_word((uintptr_t)block[j]));
            ck_assert_uint_eq(hak_resize_in_place(block[j], 1, room), room);
#endif
            memset(block[j], 1, hak_usable_size(block[j])); /* of what grows all counts */
        }
        compare("every second one larger");
        ck_assert_ptr_null(hak_check(NULL));
        empty(COUNT, 0);
        ck_assert_ptr_null(hak_check(NULL));
        hak_purge(HAK_PURGE_PROCESS, 0);
        ck_assert_ptr_null(hak_check(NULL));
    }
}
END_TEST

/* The limit refuses when so much is there, and no more comes with blocks that were free meanwhile. */
START_TEST(ends_of_granules_under_a_limit)
{
    enum { LIMIT_KIB = 96 << 10 };
    static const size_t sizes[] = {66000, 100000, 131000};
    begin();
    ck_assert_int_eq(hak_option_set("limit_hard", "96M"), 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int count = 0;
        while (count < BLOCKS && (block[count] = hak_malloc(sizes[i])) != NULL)
            memset(block[count++], 1, sizes[i]);
        ck_assert_int_gt(anonymous_kib() - others_kib, LIMIT_KIB / 10 * 9);
        ck_assert_int_lt(anonymous_kib() - others_kib, LIMIT_KIB + LEAST_KIB);
        empty(count, 0);
        ck_assert_ptr_null(hak_check(NULL));
    }
    ck_assert_int_eq(hak_option_set("limit_hard", "0"), 0);
}
END_TEST

/* What was never there is neither purged nor missing afterwards. */
START_TEST(ends_of_granules_cannot_be_purged)
{
    enum { COUNT = 800, SIZE = 66000 };
    begin();
    ck_assert_int_eq(hak_option_set("retain_min", "64M"), 0);
    for (int i = 0; i < COUNT; i++)
        memset(block[i] = hak_malloc(SIZE), 1, SIZE);
    for (int i = 0; i < COUNT; i += 2)
        hak_free(block[i]);
    hak_thread_flush();
    long before = anonymous_kib();
    long purged = (long)(hak_purge(HAK_PURGE_PROCESS, 0) / KIB);
    long gone = before - anonymous_kib();
    ck_assert_int_gt(gone, COUNT / 4 * (SIZE / KIB));
    ck_assert_int_lt(purged, gone + LEAST_KIB);
    ck_assert_uint_eq(statistics().retained_bytes, 0);
    compare("trimmed");
}
END_TEST

START_TEST(free_blocks_of_a_thread_are_not_allocated)
{
    enum { COUNT = 20, SIZE = 70000 };
    begin();
    size_t before = statistics().allocated_bytes;
    for (int i = 0; i < COUNT; i++)
        ck_assert_ptr_nonnull(block[i] = hak_malloc(SIZE));
    for (int i = 0; i < COUNT; i += 2)
        hak_free(block[i]);
    size_t allocated = statistics().allocated_bytes - before;
    ck_assert_uint_ge(allocated, COUNT / 2 * SIZE);
    ck_assert_uint_lt(allocated, COUNT / 2 * (SIZE + 2 * 4096));
}
END_TEST

/* Memory can be had by making blocks smaller, however little is left. */
START_TEST(blocks_shrink_at_the_limit)
{
    enum { LARGE = 10 * MIB + 100, LEFT = 10 * KIB };
    begin();
    char *large = hak_malloc(LARGE);
    memset(large, 1, LARGE);
    ck_assert_int_eq(hak_limit_set(HAK_LIMIT_HARD, statistics().footprint_bytes + LEFT), 0);
    large = hak_realloc(large, MIB);
    ck_assert_uint_lt(hak_usable_size(large), 2 * MIB);
    char *other = hak_malloc(4 * MIB);
    ck_assert_ptr_nonnull(other);
    ck_assert_int_eq(hak_limit_set(HAK_LIMIT_HARD, 0), 0);
    hak_free(large);
    hak_free(other);
}
END_TEST

START_TEST(blocks_of_several_pages)
{
    begin();
    for (int round = 0; round < 3; round++) {
        fill(2000, 5000, 65536);
        compare("filled");
        empty(2000, round == 1 ? 3 : 0);
        compare("freed");
    }
    fill(200, 100000, 1000000);
    compare("large ones");
    empty(2000, 0);
    compare("freed");
}
END_TEST

static pthread_barrier_t ready, over;

static void *use_some(void *unused)
{
    static const size_t sizes[] = {24, 40, 64, 100, 200, 300, 500, 1000, 2000, 4000, 8000};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    void *mine[SIZES];
    for (int i = 0; i < SIZES; i++)
        memset(mine[i] = hak_malloc(sizes[i]), 1, sizes[i]);
    pthread_barrier_wait(&ready);
    pthread_barrier_wait(&over);
    for (int i = 0; i < SIZES; i++)
        hak_free(mine[i]);
    return unused;
}

static void *use_nothing(void *unused)
{
    pthread_barrier_wait(&ready);
    pthread_barrier_wait(&over);
    return unused;
}

static void run_threads(void *(*function)(void *), void (*meanwhile)(void))
{
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, function, NULL), 0);
    pthread_barrier_wait(&ready);
    meanwhile();
    pthread_barrier_wait(&over);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

/* The threads have stacks, too, which the first run leaves behind. */
static void compare_with_threads(void)
{
    compare("with threads");
}

START_TEST(threads_with_a_few_blocks)
{
    pthread_barrier_init(&ready, NULL, THREADS + 1);
    pthread_barrier_init(&over, NULL, THREADS + 1);
    run_threads(use_nothing, begin);
    run_threads(use_some, compare_with_threads);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, blocks_of_slabs);
    tcase_add_test(tests, blocks_of_several_pages);
    tcase_add_test(tests, ends_of_granules);
    tcase_add_test(tests, ends_of_granules_under_a_limit);
    tcase_add_test(tests, ends_of_granules_cannot_be_purged);
    tcase_add_test(tests, free_blocks_of_a_thread_are_not_allocated);
    tcase_add_test(tests, blocks_shrink_at_the_limit);
    tcase_add_test(tests, threads_with_a_few_blocks);
}

int main(void)
{
    if (anonymous_kib() < 0) {
        puts("skipped: the system does not say what a process has");
        return 77;
    }
    return unit_run("resident", add_tests);
}

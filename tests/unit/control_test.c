/* SPDX-License-Identifier: MIT */
/* Options, purging, limits, handlers and statistics: good and bad input. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "os/os.h"
#include "base/params.h"
#include "slab/size_class.h"
#include "statistics.h"

/* ---- control --------------------------------------------------------------- */

static bool in_list(const char *key)
{
    hak_option_info_t info = {.struct_size = sizeof info};
    for (size_t i = 0; hak_option_info(i, &info) == 0; i++)
        if (strcmp(info.key, key) == 0)
            return true;
    return false;
}

START_TEST(options_are_listed)
{
    hak_option_info_t info = {.struct_size = sizeof info};
    char text[64], before[64] = "";
    size_t count = 0;
    for (; hak_option_info(count, &info) == 0; count++) {
        ck_assert_str_gt(info.key, before);
        snprintf(before, sizeof before, "%s", info.key);
        ck_assert_int_gt(hak_option_get(info.key, text, sizeof text), 0);
        ck_assert_int_ge(info.value, info.minimum);
        ck_assert_int_le(info.value, info.maximum);
        ck_assert_uint_gt(strlen(info.help), 10);
        errno = 0;
        ck_assert_int_eq(hak_option_set(info.key, text), info.run_time ? 0 : -1);
        ck_assert_int_eq(errno, info.run_time ? 0 : EPERM);
    }
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_uint_gt(count, 10);
    ck_assert(in_list("limit_hard") && in_list("stats") && !in_list("nothing"));
    ck_assert_int_eq(hak_option_set("decay_ms", "17"), 0);
    for (size_t i = 0; hak_option_info(i, &info) == 0; i++)
        if (strcmp(info.key, "decay_ms") == 0) {
            ck_assert_int_eq(info.value, 17);
            ck_assert_int_eq(info.default_value, 10000);
            ck_assert_int_eq(info.type, HAK_OPTION_TYPE_NUMBER);
        }
    info.struct_size = 8;
    ck_assert_int_eq(hak_option_info(0, &info), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(what_is_unused_goes_back)
{
    enum { BLOCKS = 400 };
    void *block[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        memset(block[i] = hak_malloc(20000), 1, 20000);
    hak_free_batch(block, BLOCKS);
    ck_assert_uint_gt(statistics().cached_bytes, 0);
    hak_thread_flush();
    hak_stats_t stats = statistics();
    ck_assert_uint_eq(stats.cached_bytes, 0);
    ck_assert_uint_gt(stats.retained_bytes, BLOCKS * 20000);
    ck_assert_uint_eq(hak_purge(HAK_PURGE_THREAD, 0), 0);
    ck_assert_uint_ge(hak_purge(HAK_PURGE_PROCESS, 0), stats.retained_bytes);
    ck_assert_uint_eq(statistics().retained_bytes, 0);
    ck_assert_uint_eq(hak_purge(HAK_PURGE_PROCESS, 0), 0);
    /* of this thread alone */
    memset(block[0] = hak_malloc(500000), 1, 500000);
    hak_free(block[0]);
    ck_assert_uint_ge(hak_purge(HAK_PURGE_THREAD, 1000), 500000);
}
END_TEST

/* In steps: as much goes back, and an hour is as good as none. */
START_TEST(a_bound_on_time_changes_nothing_else)
{
    size_t size = (size_t)100 * MIB;
    ck_assert_int_eq(hak_option_set("retain_min", "1G"), 0);
    ck_assert_int_eq(hak_option_set("retain_max", "1G"), 0);
    char *huge = hak_malloc(size), *large = hak_malloc(30 * MIB);
    memset(huge, 1, size);
    memset(large, 1, 30 * MIB);
    hak_free(huge);
    hak_free(large);
    uint64_t purges = statistics().purges;
    ck_assert_uint_ge(hak_purge(HAK_PURGE_PROCESS, 3600 * 1000), size + 30 * MIB);
    ck_assert_uint_ge(statistics().purges, purges + size / (16 * MIB) + 2);
    ck_assert_uint_eq(statistics().retained_bytes, 0);
    ck_assert_ptr_null(hak_check(NULL));
}
END_TEST

static void *idle_with_a_cache(void *barrier)
{
    for (int i = 0; i < 200; i++)
        hak_free(hak_malloc(100));
    pthread_barrier_wait(barrier); /* has a cache */
    pthread_barrier_wait(barrier); /* was asked for it */
    void *block[5000];
    size_t count = hak_alloc_batch(200, 5000, block);
    hak_free_batch(block, count);
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    return NULL;
}

START_TEST(other_threads_hand_back_when_they_go_on)
{
    pthread_barrier_t barrier;
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, idle_with_a_cache, &barrier);
    pthread_barrier_wait(&barrier);
    hak_purge(HAK_PURGE_PROCESS, 0);
    hak_class_stats_t class = {.struct_size = sizeof class};
    unsigned index = 0;
    while (hak_class_stats_get(index, &class) == 0 && class.block_size < 100)
        index++;
    ck_assert_uint_gt(class.cached_blocks, 0);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    ck_assert_int_eq(hak_class_stats_get(index, &class), 0);
    ck_assert_uint_eq(class.cached_blocks, 0);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
}
END_TEST

/* ---- limits and handlers --------------------------------------------------- */

START_TEST(a_hard_limit_is_one)
{
    static char *block[1000];
    size_t limit = 64 * MIB, got = 0;
    ck_assert_int_eq(hak_limit_set(HAK_LIMIT_HARD, limit), 0);
    ck_assert_uint_eq(hak_limit_get(HAK_LIMIT_HARD), limit);
    ck_assert_uint_eq(hak_limit_get(HAK_LIMIT_SOFT), 0);
    errno = 0;
    while (got < 1000 && (block[got] = hak_malloc(got % 2 == 0 ? 100000 : 3000000)) != NULL)
        got++;
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_gt(statistics().allocated_bytes, limit / 2);
    ck_assert_uint_le(statistics().footprint_bytes, limit + MIB);
    ck_assert_ptr_null(hak_malloc(40 * MIB));
    ck_assert_ptr_null(hak_alloc(10 * MIB, HAK_ALLOC_HUGE_PAGES));
    ck_assert_ptr_null(hak_realloc(block[0], 20 * MIB));
    ck_assert_uint_eq(hak_resize_in_place(block[0], 20 * MIB, 20 * MIB), 0);
    hak_free_batch((void **)block, got);
    /* all that was kept goes back before it fails */
    void *whole = hak_malloc(50 * MIB);
    ck_assert_ptr_nonnull(whole);
    hak_free(whole);
    ck_assert_int_eq(hak_limit_set(HAK_LIMIT_HARD, 0), 0);
    hak_free(whole = hak_malloc(100 * MIB));
    ck_assert_ptr_nonnull(whole);
    ck_assert_ptr_null(hak_check(NULL));
    ck_assert_int_eq(hak_limit_set((hak_limit_t)2, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(hak_limit_set(HAK_LIMIT_SOFT, SIZE_MAX), -1);
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_uint_eq(hak_limit_get((hak_limit_t)-1), 0);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(a_soft_limit_returns_what_is_unused)
{
    enum { ROUNDS = 50 };
    size_t limit = 32 * MIB;
    ck_assert_int_eq(hak_limit_set(HAK_LIMIT_SOFT, limit), 0);
    for (int round = 0; round < ROUNDS; round++) {
        size_t size = round % 2 == 0 ? 20 * MIB : 300000;
        void *block = hak_malloc(size), *other = hak_malloc(5000);
        memset(block, 1, size);
        hak_free(block);
        hak_free(other);
        ck_assert_uint_le(statistics().footprint_bytes, limit + MIB);
    }
    /* nothing is refused */
    char *block = hak_malloc(2 * limit);
    ck_assert_ptr_nonnull(block);
    ck_assert_uint_eq(statistics().retained_bytes, 0);
    ck_assert_uint_eq(statistics().refusals, 0);
    hak_free(block);
    ck_assert_uint_le(statistics().footprint_bytes, limit);
}
END_TEST

enum { LATE_THREADS = 500 };
static pthread_barrier_t all_are_there;

/* Of seven classes each; what is refused is not asked for again. */
static void *allocate_a_little(void *result)
{
    void *block[7] = {NULL};
    for (size_t i = 0; i < 7; i++)
        block[i] = hak_malloc((size_t)20 << i);
    pthread_barrier_wait(&all_are_there); /* nothing has gone back */
    pthread_barrier_wait(&all_are_there);
    hak_free_batch(block, 7);
    return result;
}

START_TEST(a_hard_limit_holds_for_any_number_of_threads)
{
    static pthread_t thread[LATE_THREADS];
    size_t limit = 32 * MIB;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * KIB);
    pthread_barrier_init(&all_are_there, NULL, LATE_THREADS + 1);
    ck_assert_int_eq(hak_limit_set(HAK_LIMIT_HARD, limit), 0);
    while (hak_malloc(100000) != NULL)
        continue;
    for (int i = 0; i < LATE_THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], &small, allocate_a_little, NULL), 0);
    pthread_barrier_wait(&all_are_there);
    ck_assert_uint_le(statistics().footprint_bytes, limit + MIB);
    pthread_barrier_wait(&all_are_there);
    for (int i = 0; i < LATE_THREADS; i++)
        pthread_join(thread[i], NULL);
    ck_assert_ptr_null(hak_check(NULL));
}
END_TEST

START_TEST(what_nobody_can_have_changes_nothing)
{
    volatile size_t sizes[] = {PTRDIFF_MAX, (size_t)1 << (sizeof(size_t) * 8 - 2)};
    void *mine[100];
    hak_free(hak_malloc(5 * MIB));
    for (int i = 0; i < 100; i++)
        memset(mine[i] = hak_malloc(5000), 1, 5000);
    hak_free_batch(mine, 99);
    for (int limited = 0; limited < 3; limited++) {
        hak_stats_t before = statistics();
        ck_assert_uint_gt(before.retained_bytes, 0);
        ck_assert_uint_gt(before.cached_bytes, 0);
        for (size_t i = 0; i < 2; i++) {
            ck_assert_ptr_null(hak_malloc(sizes[i]));
            ck_assert_ptr_null(hak_calloc(1, sizes[i]));
            ck_assert_ptr_null(hak_realloc(mine[99], sizes[i]));
            ck_assert_ptr_null(hak_aligned_alloc(4096, sizes[i]));
            ck_assert_ptr_null(hak_alloc(sizes[i], HAK_ALLOC_HUGE_PAGES));
        }
        ck_assert_uint_eq(hak_resize_in_place(mine[99], sizes[1], sizes[1]), 0);
        hak_stats_t after = statistics();
        ck_assert_uint_eq(after.retained_bytes, before.retained_bytes);
        ck_assert_uint_eq(after.cached_bytes, before.cached_bytes);
        ck_assert_uint_eq(after.footprint_bytes, before.footprint_bytes);
        ck_assert_uint_eq(after.purges, before.purges);
        ck_assert_int_eq(
            hak_limit_set(limited == 0 ? HAK_LIMIT_SOFT : HAK_LIMIT_HARD, 64 * MIB), 0);
    }
    hak_free(mine[99]);
}
END_TEST

static void *reserve;
static int asked;
static size_t asked_for;

static bool give_reserve_up(size_t size)
{
    asked++;
    asked_for = size;
    if (hak_malloc(100 * MIB) != NULL) /* fails without another call */
        return false;
    if (reserve == NULL)
        return false;
    hak_free(reserve);
    reserve = NULL;
    return true;
}

START_TEST(a_handler_can_help)
{
    ck_assert_ptr_null(hak_oom_handler_set(give_reserve_up));
    ck_assert_int_eq(hak_limit_set(HAK_LIMIT_HARD, 32 * MIB), 0);
    refuses(SIZE_MAX, 0, ENOMEM);
    ck_assert_int_eq(asked, 0);
    reserve = hak_malloc(20 * MIB);
    void *block = hak_malloc(15 * MIB);
    ck_assert_ptr_nonnull(block);
    ck_assert_int_eq(asked, 1);
    ck_assert_uint_eq(asked_for, 15 * MIB);
    hak_free(block);
    reserve = hak_malloc(20 * MIB);
    block = hak_calloc(15, MIB);
    ck_assert_ptr_nonnull(block);
    ck_assert_ptr_null(hak_aligned_alloc(4096, 25 * MIB));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_int_eq(asked, 3);
    hak_free(block);
    ck_assert(hak_oom_handler_set(NULL) == give_reserve_up);
    ck_assert_ptr_null(hak_malloc(40 * MIB));
    ck_assert_int_eq(asked, 3);
}
END_TEST

static void tell(const char *message)
{
    if (strstr(message, "double free") != NULL && message[strlen(message) - 1] == '\n')
        _exit(42);
}

START_TEST(misuse_is_told)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        fclose(stderr);
        close(2);
        hak_error_handler_set(tell);
        void *block = hak_malloc(10);
        hak_free(block);
        hak_free(block);
        _exit(1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    ck_assert(hak_error_handler_set(tell) == NULL);
    ck_assert(hak_error_handler_set(NULL) == tell);
}
END_TEST

/* ---- statistics ------------------------------------------------------------ */

/* Bytes of the pages on which a fresh block lies. */
static size_t pages_of(void *block)
{
    uintptr_t start = (uintptr_t)block, page = hak__os_page_size();
    return hak__align_up(start + hak_usable_size(block) + HAK_TRAILER, page) - hak__align_down(start, page);
}

/* What a small block takes of its slab; one of no bytes has none in the hardened variant. */
static size_t small_size(void *block, size_t size)
{
    if (HAK_HARDENED)
        return size != 0 ? hak__class_size(hak__class_of(hak__harden_padded(size))) : 0;
    return hak_usable_size(block);
}

START_TEST(statistics_add_up)
{
    enum { BLOCKS = 1000 };
    void *block[BLOCKS];
    uint64_t small = 0, large = 0, live = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        block[i] = hak_malloc(i * 100);
        if (hak__harden_padded(i * 100) <= HAK_SMALL_MAX)
            small += small_size(block[i], i * 100);
        else
            large += pages_of(block[i]);
    }
    hak_free(hak_malloc(20));
    hak_stats_t stats = statistics();
    ck_assert_uint_eq(stats.small_bytes, small);
    ck_assert_uint_eq(stats.large_bytes, large);
    ck_assert_uint_eq(stats.allocated_bytes, small + large);
    ck_assert_uint_ge(stats.live_bytes, stats.allocated_bytes + stats.cached_bytes);
    ck_assert_uint_eq(stats.footprint_bytes,
                      stats.live_bytes + stats.retained_bytes + stats.metadata_bytes);
    hak_class_stats_t class = {.struct_size = sizeof class};
    unsigned i = 0;
    for (uint64_t size = 0; hak_class_stats_get(i, &class) == 0; i++, size = class.block_size) {
        ck_assert_uint_gt(class.block_size, size);
        ck_assert_uint_ge(class.capacity_blocks,
                          class.free_blocks + class.cached_blocks + class.live_blocks);
        live += class.live_blocks * class.block_size;
    }
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_uint_gt(i, 20);
    ck_assert_uint_eq(live, small);
    hak_free_batch(block, BLOCKS);
    ck_assert_uint_eq(statistics().allocated_bytes, 0);
}
END_TEST

START_TEST(structs_may_grow)
{
    struct {
        hak_stats_t known;
        uint64_t unknown[4];
    } later = {.known = {.struct_size = sizeof later}, .unknown = {1, 1, 1, 1}};
    ck_assert_int_eq(hak_stats_get(&later.known), 0);
    ck_assert_uint_eq(later.known.struct_size, sizeof later);
    ck_assert_uint_gt(later.known.metadata_bytes, 0);
    ck_assert_uint_eq(later.unknown[0] | later.unknown[3], 0);
    hak_stats_t none = {.struct_size = 0};
    ck_assert_int_eq(hak_stats_get(&none), -1);
    ck_assert_int_eq(errno, EINVAL);
    hak_class_stats_t class = {.struct_size = 8};
    ck_assert_int_eq(hak_class_stats_get(0, &class), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, options_are_listed);
    tcase_add_test(tests, what_is_unused_goes_back);
    tcase_add_test(tests, a_bound_on_time_changes_nothing_else);
    tcase_add_test(tests, other_threads_hand_back_when_they_go_on);
    tcase_add_test(tests, a_hard_limit_is_one);
    tcase_add_test(tests, a_soft_limit_returns_what_is_unused);
    tcase_add_test(tests, a_hard_limit_holds_for_any_number_of_threads);
    tcase_add_test(tests, what_nobody_can_have_changes_nothing);
    tcase_add_test(tests, a_handler_can_help);
    tcase_add_test(tests, misuse_is_told);
    tcase_add_test(tests, statistics_add_up);
    tcase_add_test(tests, structs_may_grow);
}

int main(void)
{
    return unit_run("control", add);
}

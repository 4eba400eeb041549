/* SPDX-License-Identifier: MIT */
/* Guarded blocks: where they lie, what is accessible, and that they are blocks like others. A process a test. */
#define _GNU_SOURCE
#include "profile.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/params.h"
#include "core/options.h"
#include "os/os.h"
#include "page/guarded.h"
#include "page/pagemap.h"
#include "page/retain.h"
#include "profile/sampler.h"

enum { MIB = 1 << 20, SLOTS = 64, LIVE_MOST = SLOTS - SLOTS / 4 };

static void guard_each(uint64_t bytes)
{
    hak_free(hak_malloc(1)); /* options are read now, and not later */
#if HAK_HARDENED
    hak__harden.zero_size = 0; /* or blocks of no bytes are none that could be guarded */
#endif
    hak_store_relaxed(&hak__guard_interval, bytes);
}

static const struct hak_guard *guard_of(const void *block)
{
    const struct hak_guard *guard = hak__guard_near((uintptr_t)block);
    bool is = guard != NULL && hak__guard_block(guard) == (uintptr_t)block && hak__guard_state(guard) == HAK_GUARD_LIVE;
    return is ? guard : NULL;
}

/* A guarded block of a size: each block is guarded, but now and then a distance is longer than the block. */
static char *guarded(size_t size, size_t alignment)
{
    for (int i = 0; i < 100; i++) {
        hak_free(hak_malloc(64));
        char *block = alignment <= 16 ? hak_malloc(size) : hak_aligned_alloc(alignment, size);
        if (guard_of(block) != NULL)
            return block;
        hak_free(block);
    }
    ck_abort_msg("no guarded block of %zu bytes", size);
}

static bool is_accessible(const char *address)
{
    return hak__os_can_read(address);
}

static bool is_at_end(const char *block)
{
    return block >= (char *)hak__guards->start + (guard_of(block) - hak__guards->slots) * (MIB + HAK_GRANULE) + HAK_GRANULE;
}

/* ---- where they lie ---------------------------------------------------- */

static void check_ends(char *block, size_t size)
{
    size_t page = hak__os_page_size();
    uintptr_t start = (uintptr_t)block & ~(page - 1), end = ((uintptr_t)block + size + page - 1) & ~(page - 1);
    for (size_t i = 0; i < size; i += 1000)
        ck_assert_int_eq(block[i], 0);
    if (size != 0)
        memset(block, 0x5a, size);
    ck_assert(!is_accessible((char *)start - 1) && !is_accessible((char *)end));
    ck_assert(!is_accessible((char *)start - HAK_GRANULE / 2) && !is_accessible((char *)end + HAK_GRANULE / 2));
    ck_assert_uint_eq(hak_usable_size(block), size);
    ck_assert(hak_owns(block));
}

static void check_freed(char *block, size_t size)
{
    hak_free(block);
    ck_assert(!hak_owns(block));
    for (size_t i = 0; i < size; i += 4096)
        ck_assert(!is_accessible(block + i));
    ck_assert(size == 0 || !is_accessible(block + size - 1));
}

static const size_t sizes[] = {0, 1, 15, 16, 17, 100, 4095, 4096, 4097, 65536, 65537, 300000, MIB - 1, MIB};
enum { SIZES = sizeof sizes / sizeof *sizes };

START_TEST(blocks_lie_at_either_end_between_pages_that_are_not_accessible)
{
    guard_each(1);
    size_t size = sizes[_i];
    int at_end = 0, rounds = 60;
    for (int i = 0; i < rounds; i++) {
        char *block = guarded(size, 1);
        ck_assert_uint_eq((uintptr_t)block % 16, 0);
        if (is_at_end(block) || size > MIB - HAK_GRANULE) {
            size_t page = hak__os_page_size(), slack = -((uintptr_t)block + size) % page;
            ck_assert(slack < 16 || size > MIB - HAK_GRANULE);
            at_end++;
        } else {
            ck_assert_uint_eq((uintptr_t)block % HAK_GRANULE, 0);
        }
        check_ends(block, size);
        check_freed(block, size);
    }
    if (size <= MIB - HAK_GRANULE)
        ck_assert(at_end > rounds / 5 && at_end < rounds * 4 / 5);
    check_heap();
}
END_TEST

START_TEST(alignments_are_kept)
{
    guard_each(1);
    for (size_t alignment = 32; alignment <= HAK_SMALL_MAX; alignment *= 2)
        for (size_t size = 1; size <= MIB / 2; size = size * 7 + 1)
            for (int i = 0; i < 4; i++) {
                char *block = guarded(size, alignment);
                ck_assert_uint_eq((uintptr_t)block % alignment, 0);
                check_ends(block, size);
                check_freed(block, size);
            }
}
END_TEST

START_TEST(larger_blocks_are_not_guarded)
{
    guard_each(1);
    for (int i = 0; i < 20; i++) {
        char *block = hak_malloc(MIB + 1), *aligned = hak_aligned_alloc(4 * MIB, 100);
        ck_assert_ptr_null(guard_of(block));
        ck_assert_ptr_null(guard_of(aligned));
        hak_free(block);
        hak_free(aligned);
    }
}
END_TEST

/* ---- blocks like others ------------------------------------------------ */

START_TEST(the_interface_takes_them_for_blocks)
{
    guard_each(1);
    char *block = guarded(1000, 1);
    hak_block_info_t info = {.struct_size = sizeof info};
    ck_assert_int_eq(hak_block_info(block + 999, &info), 0);
    ck_assert_ptr_eq(info.start, block);
    ck_assert_uint_eq(info.usable_size, 1000);
    ck_assert_int_eq(info.kind, HAK_BLOCK_HUGE);
    ck_assert_int_eq(info.state, HAK_BLOCK_LIVE);
    ck_assert_uint_eq(hak_resize_in_place(block, 900, 900), 1000);
    ck_assert_uint_eq(hak_resize_in_place(block, 1001, 2000), 0);
    hak_free_sized(block, 1000);
    ck_assert_int_eq(hak_block_info(block, &info), -1);
    char *zeroed = NULL;
    for (int i = 0; i < 10; i++) {
        zeroed = hak_calloc(10, 100);
        for (int j = 0; j < 1000; j++)
            ck_assert_int_eq(zeroed[j], 0);
        memset(zeroed, 1, 1000);
        hak_free(zeroed);
    }
}
END_TEST

START_TEST(realloc_moves_them)
{
    guard_each(1);
    for (size_t size = 10; size <= MIB; size = size * 3 + 1) {
        char *block = guarded(size, 1);
        memset(block, 0x77, size);
        ck_assert_ptr_eq(hak_realloc(block, size), block);
        char *smaller = hak_realloc(block, size - 1);
        ck_assert_ptr_ne(smaller, block);
        ck_assert(!is_accessible(block));
        char *larger = hak_realloc(smaller, size * 2);
        for (size_t i = 0; i + 1 < size; i++)
            ck_assert_int_eq(larger[i], 0x77);
        hak_free(larger);
    }
    char *empty = guarded(0, 1);
    empty = hak_realloc(empty, 10);
    memset(empty, 1, 10);
    hak_free(empty);
    check_heap();
}
END_TEST

START_TEST(batches_have_them)
{
    enum { MANY = 200 };
    guard_each(500);
    void *block[MANY];
    int found = 0;
    ck_assert_uint_eq(hak_alloc_batch(100, MANY, block), MANY);
    for (int i = 0; i < MANY; i++) {
        found += guard_of(block[i]) != NULL;
        memset(block[i], 1, 100);
    }
    ck_assert_int_ge(found, 10);
    hak_free_batch(block, MANY);
    for (int i = 0; i < MANY; i++)
        ck_assert_ptr_null(guard_of(block[i]));
    check_heap();
}
END_TEST

static bool count_block(const hak_block_info_t *info, void *context)
{
    size_t *found = context;
    if (guard_of(info->start) != NULL) {
        found[0]++;
        found[1] += info->usable_size;
    }
    return true;
}

START_TEST(statistics_and_the_walk_have_them)
{
    guard_each(1);
    hak_stats_t before = {.struct_size = sizeof before}, during = before, after = before;
    char *block[10];
    hak_free(guarded(1, 1));
    hak_stats_get(&before);
    for (int i = 0; i < 10; i++)
        block[i] = guarded(5000, 1);
    hak_stats_get(&during);
    ck_assert_uint_eq(during.huge_blocks, before.huge_blocks + 10);
    ck_assert_uint_eq(during.huge_bytes, before.huge_bytes + 10 * 2 * 4096);
    size_t found[2] = {0, 0};
    int walked = hak_heap_walk(count_block, found);
    ck_assert(walked == 0 || errno == ENOTSUP);
    if (walked == 0) {
        ck_assert_uint_ge(found[0], 10);
        ck_assert_uint_ge(found[1], 50000);
    }
    check_heap();
    for (int i = 0; i < 10; i++)
        hak_free(block[i]);
    hak_stats_get(&after);
    ck_assert_uint_eq(after.huge_blocks, before.huge_blocks);
    ck_assert_uint_eq(after.huge_bytes, before.huge_bytes);
    check_heap();
}
END_TEST

/* ---- slots ------------------------------------------------------------- */

static const struct hak_guard *take_and_free(void)
{
    char *block = guarded(40, 1);
    const struct hak_guard *guard = guard_of(block);
    hak_free(block);
    return guard;
}

START_TEST(the_slot_that_was_freed_first_serves_first)
{
    guard_each(1);
    const struct hak_guard *order[2 * SLOTS];
    for (int i = 0; i < 2 * SLOTS; i++) {
        struct hak_guard *guard = hak__guard_take(40, 16, true);
        hak__guard_show(guard);
        order[i] = guard;
        hak_free((void *)hak__guard_block(guard));
    }
    for (int i = 0; i < SLOTS; i++) {
        ck_assert_ptr_eq(order[i], order[i + SLOTS]);
        for (int j = 0; j < i; j++)
            ck_assert_ptr_ne(order[i], order[j]);
    }
    ck_assert_ptr_nonnull(take_and_free());
}
END_TEST

START_TEST(some_slots_are_always_free)
{
    guard_each(1);
    static void *block[4 * SLOTS];
    int found = 0;
    for (int i = 0; i < 4 * SLOTS; i++) {
        block[i] = hak_malloc(100);
        found += guard_of(block[i]) != NULL;
    }
    ck_assert_int_eq(found, LIVE_MOST);
    for (int i = 0; i < 4 * SLOTS; i++)
        hak_free(block[i]);
    ck_assert_ptr_nonnull(take_and_free());
    check_heap();
}
END_TEST

START_TEST(a_limit_refuses_them_and_no_more)
{
    guard_each(1);
    hak_free(guarded(16, 1));
    size_t footprint = hak_load_relaxed(&hak__taken_bytes);
    ck_assert_int_eq(hak_option_set("limit_hard", "1"), 0);
    ck_assert_ptr_null(hak__guard_take(100000, 16, true));
    ck_assert_uint_eq(hak_load_relaxed(&hak__taken_bytes), footprint);
    ck_assert_int_eq(hak_option_set("limit_hard", "0"), 0);
    check_heap();
    hak_free(guarded(100000, 1));
}
END_TEST

/* As of a system that cannot guard pages, or from some moment on may not. */
START_TEST(without_marks_protections_do)
{
    guard_each(1);
    if (_i == 0)
        hak__os_sandboxed();
    char *block = guarded(5000, 1), *other = guarded(300000, 1);
    hak__os_sandboxed();
    check_ends(block, 5000);
    check_ends(other, 300000);
    check_freed(block, 5000);
    check_freed(other, 300000);
    for (int i = 0; i < 3 * SLOTS; i++) {
        size_t size = sizes[i % SIZES];
        block = guarded(size, 1);
        check_ends(block, size);
        check_freed(block, size);
    }
    check_heap();
}
END_TEST

/* ---- by chance --------------------------------------------------------- */

/* Of so many blocks of a size how many are guarded. */
static int guarded_of(int count, size_t size)
{
    int found = 0;
    for (int i = 0; i < count; i++) {
        void *block = hak_malloc(size);
        found += guard_of(block) != NULL;
        hak_free(block);
    }
    return found;
}

/* Both means hold, whichever of the two is on, and the smaller one: six standard errors. */
START_TEST(both_means_hold)
{
    static const int means[][2] = {{4096, 0}, {4096, 65536}, {65536, 4096}, {16384, 16384}, {0, 4096}};
    int mean = means[_i][0], interval = means[_i][1], count = 40000;
    double bytes = (double)count * 1000;
    guard_each((uint64_t)mean);
    if (interval != 0)
        ck_assert_int_eq(hak_profile_start((size_t)interval), 0);
    double found = guarded_of(count, 1000);
    double p = mean != 0 ? -expm1(-1000. / mean) : 0;
    if (mean == 0)
        ck_assert_double_eq(found, 0);
    else
        ck_assert_double_eq_tol(found / (count * p), 1, 6 / sqrt(count * p) + 0.01);
    double allocated = (double)hak__profile.allocated.bytes;
    if (interval == 0)
        ck_assert_double_eq(allocated, 0);
    else
        ck_assert_double_eq_tol(allocated / bytes, 1, 6 / sqrt(bytes / interval) + 0.01);
    check_heap();
}
END_TEST

START_TEST(empty_blocks_are_guarded_too)
{
    int found = 0;
    guard_each(2000);
    for (int i = 0; i < 20000; i++) {
        void *block = hak_malloc(i % 2 * 100);
        found += i % 2 == 0 && guard_of(block) != NULL;
        hak_free(block);
    }
    ck_assert_int_ge(found, 200);
}
END_TEST

START_TEST(a_block_may_be_guarded_and_sampled)
{
    guard_each(1);
    start_all();
    char *block = guarded(5000, 1);
    check_in_use(5000, 1);
    hak_free(block);
    check_in_use(0, 0);
}
END_TEST

/* ---- processes and threads --------------------------------------------- */

START_TEST(a_child_has_them)
{
    guard_each(1);
    char *block = guarded(1000, 1), *other = guarded(0, 1);
    memset(block, 3, 1000);
    pid_t child = fork();
    if (child == 0) {
        bool right = block[999] == 3 && guard_of(block) != NULL && !is_accessible(block + 4096);
        hak_free(block);
        hak_free(other);
        right = right && !is_accessible(block);
        for (int i = 0; i < 3 * SLOTS; i++)
            hak_free(guarded(sizes[i % SIZES], 1));
        _exit(right && hak_check(NULL) == NULL ? 0 : 1);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(block[999], 3);
    hak_free(block);
    hak_free(other);
    check_heap();
}
END_TEST

enum { THREADS = 4, PLACES = 64 };
static _Atomic(char *) shared[PLACES];

/* Each block says how long it is; whoever takes it out checks and frees it. */
static void *exchange(void *seed)
{
    uint32_t number = (uint32_t)(uintptr_t)seed;
    for (int i = 0; i < (UNIT_SANITIZED ? 2000 : 20000); i++) {
        number = number * 1664525 + 1013904223;
        uint32_t size = 8 + (number >> 8) % (number >> 28 == 0 ? 200000 : 2000);
        char *block = hak_malloc(size);
        memset(block, (int)(size & 0x7f), size);
        memcpy(block, &size, sizeof size);
        block = hak_swap_acq_rel(&shared[number >> 20 & (PLACES - 1)], block);
        if (block == NULL)
            continue;
        memcpy(&size, block, sizeof size);
        ck_assert_int_eq(block[size - 1], (char)(size & 0x7f));
        hak_free(block);
    }
    return NULL;
}

START_TEST(threads_free_them_for_each_other)
{
    pthread_t thread[THREADS];
    guard_each(10000);
    for (uintptr_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, exchange, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < PLACES; i++)
        hak_free(shared[i]);
    for (uint32_t i = 0; i < hak__guards->count; i++)
        ck_assert_int_ne(hak__guard_state(&hak__guards->slots[i]), HAK_GUARD_LIVE);
    ck_assert_uint_ne(hak__guard_state(&hak__guards->slots[SLOTS - 1]), HAK_GUARD_UNUSED);
    check_heap();
}
END_TEST

/* ---- what is remembered ------------------------------------------------ */

START_TEST(stacks_are_those_of_the_thread_that_called)
{
    guard_each(1);
    char *block = guarded(100, 1);
    const struct hak_guard *guard = guard_of(block);
    ck_assert_uint_eq(guard->allocated.thread, (uint32_t)gettid());
    ck_assert_uint_ge(guard->allocated.depth, 2);
    ck_assert_uint_eq(guard->freed.depth, 0);
    hak_free(block);
    ck_assert_uint_eq(guard->freed.thread, (uint32_t)gettid());
    ck_assert_uint_ge(guard->freed.depth, 2);
    ck_assert_int_eq(hak__guard_distance(guard, (uintptr_t)block - 3), -3);
    ck_assert_int_eq(hak__guard_distance(guard, (uintptr_t)block + 99), 0);
    ck_assert_int_eq(hak__guard_distance(guard, (uintptr_t)block + 100), 1);
    ck_assert_ptr_eq(hak__guard_near((uintptr_t)block + 100 + HAK_GRANULE / 2), guard);
    ck_assert_ptr_eq(hak__guard_near((uintptr_t)block - HAK_GRANULE / 2), guard);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_loop_test(tests, blocks_lie_at_either_end_between_pages_that_are_not_accessible, 0, SIZES);
    tcase_add_test(tests, alignments_are_kept);
    tcase_add_test(tests, larger_blocks_are_not_guarded);
    tcase_add_test(tests, the_interface_takes_them_for_blocks);
    tcase_add_test(tests, realloc_moves_them);
    tcase_add_test(tests, batches_have_them);
    tcase_add_test(tests, statistics_and_the_walk_have_them);
    tcase_add_test(tests, the_slot_that_was_freed_first_serves_first);
    tcase_add_test(tests, some_slots_are_always_free);
    tcase_add_test(tests, a_limit_refuses_them_and_no_more);
    tcase_add_loop_test(tests, without_marks_protections_do, 0, 2);
    tcase_add_loop_test(tests, both_means_hold, 0, 5);
    tcase_add_test(tests, empty_blocks_are_guarded_too);
    tcase_add_test(tests, a_block_may_be_guarded_and_sampled);
    tcase_add_test(tests, a_child_has_them);
    tcase_add_test(tests, threads_free_them_for_each_other);
    tcase_add_test(tests, stacks_are_those_of_the_thread_that_called);
}

int main(void)
{
    return unit_run("guard", add);
}

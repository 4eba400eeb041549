/* SPDX-License-Identifier: MIT */
/*
 * The walk from outside, on this process: it gives the blocks that hak_heap_walk gives, says of free
 * ones what the statistics say, and ends whatever it reads.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <hakmem/hakmem.h>

#include "api/own_snapshot.h"
#include "api/snapshot.h"
#include "page/huge.h"
#include "reader/walk.h"
#include "deceiver.h"
#include "unit.h"

enum { BLOCKS = 4000, FOUND_MOST = 100000, ROUNDS = UNIT_SANITIZED ? 40 : 200, READS = 20000, READS_DECEIVED = 3000 };

static void *block[BLOCKS];
static pthread_barrier_t done;

/* ---- what is found ----------------------------------------------------- */

static struct found {
    uintptr_t address;
    uint64_t size;
    int class_idx; /* -1: of a large block */
} inside[FOUND_MOST], outside[FOUND_MOST];
static size_t inside_count, outside_count;
static struct reader_block freed[FOUND_MOST];
static size_t freed_count, huge_count;
static uint64_t in_state[READER_STATES][HAK_CLASS_COUNT];

static bool see_inside(const hak_block_info_t *info, void *context)
{
    (void)context;
    ck_assert_uint_lt(inside_count, FOUND_MOST);
    inside[inside_count++] = (struct found){(uintptr_t)info->start, info->usable_size, info->class_index};
    return true;
}

static bool see_outside(const struct reader_block *found, void *context)
{
    (void)context;
    huge_count += found->kind == READER_HUGE;
    if (found->kind == READER_SMALL)
        in_state[found->state][found->class_idx]++;
    if (found->state != READER_LIVE) {
        freed[freed_count++ % FOUND_MOST] = *found;
        return true;
    }
    int class_idx = found->kind == READER_SMALL ? (int)found->class_idx : -1;
    ck_assert_uint_lt(outside_count, FOUND_MOST);
    outside[outside_count++] = (struct found){found->address, found->size, class_idx};
    return true;
}

static struct reader_summary walk_this_process(void)
{
    pid_t pid = getpid();
    struct remote_memory memory = remote_memory_of(&pid);
    struct reader_summary summary;
    inside_count = outside_count = freed_count = huge_count = 0;
    memset(in_state, 0, sizeof in_state);
    ck_assert_int_eq(hak_heap_walk(see_inside, NULL), 0);
    enum reader_result result =
        reader_walk(&memory, &hak__stats_block, READS, see_outside, NULL, &summary);
    ck_assert_msg(result == READER_DONE, "it %s", reader_failure(result));
    return summary;
}

/* ---- a heap with all kinds of blocks ----------------------------------- */

static void *use(void *none)
{
    for (size_t i = 1; i < BLOCKS; i += 2) {
        hak_free(block[i]);
        block[i] = hak_malloc(i % 900);
    }
    for (size_t i = 0; i < BLOCKS; i += 6) {
        hak_free(block[i]);
        block[i] = NULL;
    }
    pthread_barrier_wait(&done);
    pthread_barrier_wait(&done);
    return none;
}

static pthread_t fill(void)
{
    pthread_t thread;
    for (size_t i = 0; i < BLOCKS; i++) {
        block[i] = hak_malloc(i * 17 % 20000 + (i % 501 == 1 ? 40000000 : i % 100 == 0 ? 100000 : 0));
        ck_assert_ptr_nonnull(block[i]);
    }
    for (size_t i = 0; i < BLOCKS; i += 5) {
        hak_free(block[i]);
        block[i] = NULL;
    }
    pthread_barrier_init(&done, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, use, NULL), 0);
    pthread_barrier_wait(&done);
    return thread;
}

static void empty(pthread_t thread)
{
    pthread_barrier_wait(&done);
    pthread_join(thread, NULL);
    for (size_t i = 0; i < BLOCKS; i++) {
        hak_free(block[i]);
        block[i] = NULL;
    }
}

/* ---- tests ------------------------------------------------------------- */

static void compare(void)
{
    struct hak_snapshot snapshot;
    struct reader_summary summary = walk_this_process();
    ck_assert_uint_eq(summary.passed_over, 0);
    ck_assert_uint_eq(outside_count, inside_count);
    ck_assert_uint_eq(huge_count, hak_load_relaxed(&hak__huge_blocks));
    for (size_t i = 0; i < inside_count; i++) {
        ck_assert_uint_eq(outside[i].address, inside[i].address);
        /* what a block has room for; in the hardened variant the library tells what was asked for */
        if (HAK_HARDENED)
            ck_assert_uint_ge(outside[i].size, inside[i].size);
        else
            ck_assert_uint_eq(outside[i].size, inside[i].size);
        ck_assert_int_eq(outside[i].class_idx, inside[i].class_idx);
    }
    hak__snapshot(&snapshot);
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        ck_assert_uint_eq(in_state[READER_LIVE][i], hak__class_live(&snapshot.class[i]));
        ck_assert_uint_eq(in_state[READER_MOVING][i], 0);
    }
}

START_TEST(it_finds_what_a_walk_inside_finds)
{
    if (!hak__stats_block.checks)
        return;
    pthread_t thread = fill();
    compare();
    ck_assert_uint_gt(inside_count, BLOCKS / 2);
    ck_assert_uint_gt(huge_count, 0);
    uint64_t mailed = 0, cached = 0;
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        mailed += in_state[READER_MAILED][i] + in_state[READER_CHAINED][i];
        cached += in_state[READER_CACHED][i];
    }
    ck_assert_uint_gt(cached, 0);
    ck_assert_uint_gt(mailed, 0);
    for (size_t i = 0; i < freed_count; i++)
        if (freed[i].state == READER_CACHED || freed[i].state == READER_MAILED)
            ck_assert_uint_ge(freed[i].heap, HAK_HEAP_FIRST);
    hak_purge(HAK_PURGE_PROCESS, 0);
    compare();
    empty(thread);
    compare();
}
END_TEST

/* Holes, and what a block begins with. */
START_TEST(it_knows_what_blocks_begin_with)
{
    if (!hak__stats_block.checks)
        return;
    static uint64_t *many[20000];
    size_t seen = 0;
    unit_end_starter();
    for (size_t i = 0; i < 20000; i++) {
        many[i] = hak_malloc(48);
        many[i][0] = 0x123456789abcdef0 + i;
    }
    for (size_t i = 0; i < 20000; i++)
        if (i % 1000 != 0)
            hak_free(many[i]);
    hak_thread_flush();
    hak_purge(HAK_PURGE_PROCESS, 0);
    compare();
    uint64_t holes = 0;
    for (size_t i = 0; i < freed_count; i++)
        holes += freed[i].state == READER_HOLE;
    ck_assert_uint_gt(holes, 0);
    for (size_t i = 0; i < outside_count; i++)
        for (size_t k = 0; k < 20000; k += 1000)
            if (outside[i].address == (uintptr_t)many[k])
                seen++;
    ck_assert_uint_eq(seen, 20);
    for (size_t i = 0; i < 20000; i += 1000)
        hak_free(many[i]);
}
END_TEST

/* ---- memory that deceives ---------------------------------------------- */

static bool peek_falsely(const void *context, const void *from, void *to, size_t size)
{
    struct deceiver *deceiver = (struct deceiver *)context;
    for (unsigned n = deceiver_read(deceiver, from, to, size, 4); n > 0; n--) {
        static const uint64_t values[] = {0, 1, UINT64_MAX, 0x7fffffff, 0x10000, 0x0101010101010101};
        uint64_t value = next_random(deceiver) % 2 ? values[next_random(deceiver) % 6] : next_random(deceiver);
        size_t length = 1 + next_random(deceiver) % 8, at = next_random(deceiver) % size;
        memcpy((char *)to + at, &value, length < size - at ? length : size - at);
    }
    return true;
}

static bool see_anything(const struct reader_block *found, void *context)
{
    ck_assert_uint_lt(found->state, READER_STATES);
    ck_assert(found->kind != READER_SMALL || found->class_idx < HAK_CLASS_COUNT);
    ck_assert_uint_ge(found->address, *(uintptr_t *)context);
    *(uintptr_t *)context = found->address;
    return true;
}

START_TEST(it_ends_whatever_it_reads)
{
    pthread_t thread = fill();
    size_t good = 0;
    for (unsigned round = 1; round <= ROUNDS; round++) {
        struct deceiver deceiver = deceiver_of_round(round);
        struct remote_memory memory = {.read = peek_falsely, .context = &deceiver};
        struct reader_summary summary;
        uintptr_t last = 0;
        good += reader_walk(&memory, &hak__stats_block, READS_DECEIVED, see_anything, &last, &summary) == READER_DONE;
        ck_assert_uint_le(deceiver.reads, 40 * READS_DECEIVED); /* a slab of large blocks is one */
    }
    ck_assert_uint_gt(good, 0);
    ck_assert_uint_lt(good, ROUNDS);
    empty(thread);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, it_finds_what_a_walk_inside_finds);
    tcase_add_test(tests, it_knows_what_blocks_begin_with);
    tcase_add_test(tests, it_ends_whatever_it_reads);
}

int main(void)
{
    return unit_run("reader", add);
}

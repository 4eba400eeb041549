/* SPDX-License-Identifier: MIT */
/* What threads keep is taken from them meanwhile: whatever they do, and how little stays if they sleep. */
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "cache/enter.h"
#include "cache/heap_check.h"
#include "cache/idle.h"
#include "cache/purger.h"
#include "cache/reclaim.h"
#include "os/deadline.h"
#include "os/os.h"
#include "statistics.h"

enum { WORKERS = 4, ROUNDS = 150000, BLOCKS = 300, BATCH = 16 };

static _Atomic unsigned working;
static pthread_barrier_t asleep, awake;

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    return *state ^= *state << 5;
}

static bool has_barriers(void)
{
    return hak__os_barrier_prepare();
}

static void ck_heap(void)
{
    struct hak_heap_check check;
    hak__heap_check(&check);
    ck_assert_msg(check.wrong == NULL, "%s", check.wrong);
}

/* ---- meanwhile ----------------------------------------------------------- */

struct kept {
    unsigned char *block;
    size_t size;
    unsigned char mark;
};

static void put(struct kept *kept, uint32_t *state)
{
    static const size_t most[] = {64, 64, 300, 1000, 5000, 100000, 1000000};
    kept->size = next_random(state) % most[next_random(state) % HAK_COUNT_OF(most)] + 1;
    kept->mark = (unsigned char)next_random(state);
    kept->block = hak_malloc(kept->size);
    ck_assert_ptr_nonnull(kept->block);
    kept->block[0] = kept->block[kept->size - 1] = kept->mark;
}

static void drop(struct kept *kept)
{
    ck_assert_uint_eq(kept->block[0], kept->mark);
    ck_assert_uint_eq(kept->block[kept->size - 1], kept->mark);
    hak_free(kept->block);
    kept->block = NULL;
}

static void exchange_batch(uint32_t *state)
{
    void *batch[BATCH];
    size_t size = next_random(state) % 500 + 1;
    size_t got = hak_alloc_batch(size, BATCH, batch);
    for (size_t i = 0; i < got; i++)
        memset(batch[i], (int)i, size);
    for (size_t i = 0; i < got; i++)
        ck_assert_uint_eq(((unsigned char *)batch[i])[size - 1], i);
    hak_free_batch(batch, got);
}

static void *work(void *number)
{
    uint32_t state = (uint32_t)(uintptr_t)number * 7919 + 1;
    struct kept kept[BLOCKS];
    memset(kept, 0, sizeof kept);
    for (int i = 0; i < ROUNDS; i++) {
        struct kept *one = &kept[next_random(&state) % BLOCKS];
        if (one->block == NULL)
            put(one, &state);
        else
            drop(one);
        if (i % 64 == 0)
            exchange_batch(&state);
    }
    for (int i = 0; i < BLOCKS; i++)
        if (kept[i].block != NULL)
            drop(&kept[i]);
    hak_sub_relaxed(&working, 1);
    return NULL;
}

/* Without regard to what is idle: most looks come in the middle of something. */
START_TEST(nothing_is_lost_or_handed_out_twice)
{
    pthread_t thread[WORKERS];
    if (!has_barriers())
        return;
    hak_store_relaxed(&working, WORKERS);
    for (uintptr_t i = 0; i < WORKERS; i++)
        pthread_create(&thread[i], NULL, work, (void *)i);
    uint64_t before = statistics().idle_blocks;
    for (int i = 0; hak_load_relaxed(&working) != 0; i++) {
        hak__idle_scan(0);
        hak__os_sleep_us(20);
        if (i % 16 == 0) /* so that large blocks need fresh memory */
            hak__reclaim(SIZE_MAX, HAK_NEVER, true);
    }
    ck_assert_uint_gt(statistics().idle_blocks, before + 1000);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(thread[i], NULL);
    ck_heap();
    hak_thread_flush();
    ck_heap();
}
END_TEST

/* ---- asleep ---------------------------------------------------------------- */

static void use_all_sizes(void)
{
    static void *block[100];
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    for (size_t size = 16; size <= 200000; size += size / 4 + 16) {
        for (int i = 0; i < 100; i++)
            memset(block[i] = hak_malloc(size), 1, size);
        for (int i = 0; i < 100; i++)
            hak_free(block[i]);
    }
    pthread_mutex_unlock(&lock);
}

static void *use_and_sleep(void *unused)
{
    use_all_sizes();
    pthread_barrier_wait(&asleep);
    pthread_barrier_wait(&awake);
    use_all_sizes();
    return unused;
}

START_TEST(a_sleeping_thread_keeps_a_block_of_each_size)
{
    enum { LOOKS = 3 };
    pthread_t thread[WORKERS];
    if (!has_barriers())
        return;
    pthread_barrier_init(&asleep, NULL, WORKERS + 1);
    pthread_barrier_init(&awake, NULL, WORKERS + 1);
    for (int i = 0; i < WORKERS; i++)
        pthread_create(&thread[i], NULL, use_and_sleep, NULL);
    pthread_barrier_wait(&asleep);
    uint64_t before = statistics().cached_bytes;
    for (int i = 0; i < LOOKS; i++) {
        ck_assert_uint_eq(statistics().cached_bytes, before); /* not yet */
        hak__idle_scan(LOOKS);
    }
    size_t each = 0;
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++)
        each += hak__class_size(i);
    ck_assert_uint_gt(before, 2 * WORKERS * each);
    ck_assert_uint_le(statistics().cached_bytes, WORKERS * each);
    ck_heap();
    pthread_barrier_wait(&awake);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(thread[i], NULL);
    ck_heap();
}
END_TEST

/* What is used between two looks is not idle, whatever else the thread keeps. */
START_TEST(what_is_used_stays)
{
    enum { LOOKS = 2, SMALL = 100, LARGE = 3000 };
    void *block[2] = {hak_malloc(SMALL), hak_malloc(LARGE)};
    if (!has_barriers())
        return;
    hak_free(block[0]);
    hak_free(block[1]);
    struct hak_heap *heap = hak__heap;
    unsigned used = hak__class_of(SMALL), unused = hak__class_of(LARGE);
    for (int i = 0; i <= LOOKS; i++) {
        hak__idle_scan(LOOKS);
        if (i < LOOKS)
            block[i] = hak_malloc(SMALL);
    }
    ck_assert_int_gt(heap->top[used] - heap->base[used], 1);
    ck_assert_int_eq(heap->top[unused] - heap->base[unused], 1);
    hak_free(block[0]);
    hak_free(block[1]);
}
END_TEST

/* ---- the thread that looks ----------------------------------------------------- */

static void wait_for(uint32_t state)
{
    for (int i = 0; i < 500 && hak_load_relaxed(&hak__purger) != state; i++)
        hak__os_sleep_us(10000);
    ck_assert_uint_eq(hak_load_relaxed(&hak__purger), state);
}

START_TEST(a_thread_comes_and_goes)
{
    pthread_t thread[WORKERS];
    uint64_t starts = statistics().purger_starts;
    ck_assert_int_eq(hak_option_set("background", "1"), 0);
    ck_assert_int_eq(hak_option_set("decay_ms", "100"), 0);
    for (int round = 0; round < 3; round++) {
        pthread_barrier_init(&asleep, NULL, WORKERS + 1);
        pthread_barrier_init(&awake, NULL, WORKERS + 1);
        for (int i = 0; i < WORKERS; i++)
            pthread_create(&thread[i], NULL, use_and_sleep, NULL);
        pthread_barrier_wait(&asleep);
        hak_free(hak_malloc(300000));
        wait_for(HAK_PURGER_NONE); /* unless it has never come */
        ck_assert_uint_lt(statistics().retained_bytes, MIB);
        ck_heap();
        pthread_barrier_wait(&awake);
        for (int i = 0; i < WORKERS; i++)
            pthread_join(thread[i], NULL);
        ck_heap();
    }
    ck_assert_uint_gt(statistics().purger_starts, starts);
    ck_assert_uint_gt(statistics().purger_bytes, MIB);
    ck_assert_int_eq(hak_option_set("background", "0"), 0);
    wait_for(HAK_PURGER_NONE);
}
END_TEST

/* ---- forks ----------------------------------------------------------------- */

static void *look_all_the_time(void *unused)
{
    while (hak_load_relaxed(&working) != 0) {
        hak__idle_scan(0);
        hak__os_sleep_us(20);
    }
    return unused;
}

START_TEST(a_child_of_a_fork_finds_its_heap_in_order)
{
    pthread_t thread;
    if (!has_barriers())
        return;
    hak_store_relaxed(&working, 1);
    pthread_create(&thread, NULL, look_all_the_time, NULL);
    for (int i = 0; i < 30; i++) {
        use_all_sizes();
        pid_t child = fork();
        if (child == 0) {
            use_all_sizes();
            struct hak_heap_check check;
            hak__heap_check(&check);
            _exit(check.wrong != NULL);
        }
        int status = -1;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
    }
    hak_store_relaxed(&working, 0);
    pthread_join(thread, NULL);
    ck_heap();
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_checked_fixture(tests, unit_end_starter, NULL);
    tcase_add_test(tests, nothing_is_lost_or_handed_out_twice);
    tcase_add_test(tests, a_sleeping_thread_keeps_a_block_of_each_size);
    tcase_add_test(tests, what_is_used_stays);
    tcase_add_test(tests, a_thread_comes_and_goes);
    tcase_add_test(tests, a_child_of_a_fork_finds_its_heap_in_order);
}

int main(void)
{
    return unit_run("idle", add);
}

/* SPDX-License-Identifier: MIT */
/*
 * stress [SEED [ROUNDS [THREADS [SCENARIO]]]]: threads hand blocks to each other in
 * all the ways that move slabs between them; every block's contents are verified
 * where it is freed; after each scenario every slab and byte is accounted for.
 *
 *     ring         each thread allocates, passes on, and frees what has gone round
 *     pool         blocks are exchanged at random places of one array
 *     stream       half of the threads allocate, the other half free
 *     generations  threads come and go, and leave their blocks to others
 *     sleepers     owners sleep while others free their blocks and go on
 *     forks        children are forked in between, work on and must end well
 *     purges       threads purge at the same time what others are about to use
 *
 * Without arguments: three seeds, 1, 2, 4, 8 and 16 threads, all scenarios; in
 * debug builds the seed also makes threads pause at the race points.
 */
#include <hakmem/hakmem.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/heap.h"
#include "cache/heap_check.h"
#include "cache/heap_list.h"
#include "core/race.h"
#include "core/stats.h"
#include "front/locks.h"

enum { THREADS_MAX = 16, PLACES = 1024, OWN = 2048 };

struct block {
    uint32_t size, fill; /* size of the whole block, and what its words hold */
    uint32_t words[];
};

static uint32_t seed;
static const char *scenario = "";
static int threads;
static long rounds;

static _Atomic(struct block *) place[PLACES];
static atomic_int working; /* threads that still put blocks into places */

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "stress: %s (seed %u, %ld rounds, %d threads, scenario %s)\n", what, seed, rounds,
            threads, scenario);
    abort();
}

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* Mostly small, at times up to the largest class, so that slabs of all orders live and die. */
static size_t pick_size(uint32_t *state)
{
    uint32_t kind = next_random(state) % 64;
    uint32_t most = kind == 0 ? 65536 : kind < 6 ? 8192 : kind < 24 ? 1024 : 160;
    return sizeof(struct block) + 16 + next_random(state) % (most - 32);
}

static struct block *create(uint32_t *state)
{
    size_t size = pick_size(state);
    struct block *block = hak_malloc(size);
    if (block == NULL)
        fail("out of memory");
    block->size = (uint32_t)size;
    block->fill = next_random(state);
    size_t count = (size - sizeof *block) / 4;
    size_t step = count > 64 ? count / 32 : 1; /* of large blocks a few words */
    for (size_t i = 0; i < count; i += step)
        block->words[i] = block->fill + (uint32_t)i;
    return block;
}

static void destroy(struct block *block)
{
    if (block == NULL)
        return;
    size_t count = (block->size - sizeof *block) / 4;
    size_t step = count > 64 ? count / 32 : 1;
    for (size_t i = 0; i < count; i += step)
        if (block->words[i] != block->fill + (uint32_t)i)
            fail("a block lost its contents");
    hak_free(block);
}

static struct block *swap(size_t at, struct block *block)
{
    return atomic_exchange_explicit(&place[at % PLACES], block, memory_order_acq_rel);
}

/* Puts a block where another thread finds it; what was there is the caller's. */
static bool put(size_t at, struct block *block)
{
    struct block *none = NULL;
    return atomic_compare_exchange_strong_explicit(&place[at % PLACES], &none, block,
                                                   memory_order_release, memory_order_relaxed);
}

static uint32_t state_of(size_t number)
{
    uint32_t state = seed * 2654435761u + (uint32_t)number * 40503u + 1;
    return state != 0 ? state : 1;
}

/* ---- scenarios --------------------------------------------------------- */

static void *ring(void *number)
{
    size_t me = (size_t)number, next = (me + 1) % (size_t)threads;
    uint32_t state = state_of(me);
    size_t share = PLACES / (size_t)threads;
    for (long i = 0; i < rounds; i++) {
        uint32_t at = next_random(&state) % (uint32_t)share;
        struct block *block = swap(me * share + at, NULL);
        if (block == NULL || next_random(&state) % 4 == 0) {
            destroy(block);
            block = create(&state);
        }
        destroy(swap(next * share + next_random(&state) % (uint32_t)share, block));
    }
    return NULL;
}

static void *pool(void *number)
{
    uint32_t state = state_of((size_t)number);
    struct block *own[OWN] = {NULL};
    for (long i = 0; i < rounds; i++) {
        struct block **slot = &own[next_random(&state) % OWN];
        if (next_random(&state) % 2 == 0) {
            *slot = swap(next_random(&state), *slot);
        } else {
            destroy(*slot);
            *slot = next_random(&state) % 3 != 0 ? create(&state) : NULL;
        }
    }
    for (int i = 0; i < OWN; i++)
        destroy(own[i]);
    return NULL;
}

/* Half make, half free; a single thread does both. */
static void *stream(void *number)
{
    size_t me = (size_t)number;
    uint32_t state = state_of(me);
    if (threads > 1 && me % 2 == 1) {
        while (atomic_load_explicit(&working, memory_order_acquire) > 0)
            for (size_t at = 0; at < PLACES; at++)
                destroy(swap(at, NULL));
        return NULL;
    }
    for (long i = 0; i < rounds; i++) {
        struct block *block = create(&state);
        if (!put(next_random(&state), block) && !put(next_random(&state), block))
            destroy(block);
    }
    atomic_fetch_sub_explicit(&working, 1, memory_order_release);
    return NULL;
}

static void *short_life(void *number)
{
    uint32_t state = state_of((size_t)number);
    for (long i = 0; i < 300; i++)
        destroy(swap(next_random(&state), next_random(&state) % 4 != 0 ? create(&state) : NULL));
    return NULL;
}

static void *generations(void *number)
{
    uint32_t state = state_of((size_t)number);
    for (long i = 0; i < rounds / 300 + 1; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, short_life, (void *)(uintptr_t)next_random(&state)) != 0)
            fail("cannot start a thread");
        for (int k = 0; k < 20; k++)
            destroy(swap(next_random(&state), create(&state)));
        pthread_join(thread, NULL);
    }
    return NULL;
}

/* Thread 0 and every fourth fill slabs, sleep while the others free them, and begin again. */
static void *sleepers(void *number)
{
    size_t me = (size_t)number;
    uint32_t state = state_of(me);
    for (long i = 0; i < rounds; i++) {
        if (me % 4 == 0) {
            for (size_t at = 0; at < PLACES; at++)
                destroy(swap(at, create(&state)));
            usleep(next_random(&state) % 2000);
            i += PLACES - 1;
        } else {
            destroy(swap(next_random(&state), NULL));
            destroy(create(&state));
        }
    }
    return NULL;
}

/* The child has no other threads and no places of its own to give back to them. */
static void child(void)
{
    /* the thread sanitizer ends a child that starts a thread, as the library may */
    if (HAK_THREAD_SANITIZER && hak_option_set("background", "0") != 0)
        _exit(1);
    alarm(120);
    if (hak__heap_count() != 1)
        _exit(3); /* the heaps of threads that are not here were not adopted */
    pool((void *)(size_t)99);
    for (size_t at = 0; at < PLACES; at++)
        destroy(swap(at, NULL));
    _exit(0);
}

static void *forks(void *number)
{
    if ((size_t)number != 0)
        return pool(number);
    for (int i = 0; i < 6; i++) {
        uint32_t state = state_of((size_t)i);
        for (int k = 0; k < 500; k++)
            destroy(swap(next_random(&state), create(&state)));
        pid_t pid = fork();
        if (pid < 0)
            fail("cannot fork");
        if (pid == 0)
            child();
        int status = 0;
        if (waitpid(pid, &status, 0) != pid || status != 0) {
            fprintf(stderr, "stress: wait status of the child: %#x\n", (unsigned)status);
            fail("a forked child ended badly");
        }
    }
    return NULL;
}

/* So many blocks that slabs become empty, and several purges find the same ones. */
static void *purges(void *number)
{
    enum { BURST = 300 };
    static struct block *own[THREADS_MAX][BURST];
    struct block **mine = own[(size_t)number];
    uint32_t state = state_of((size_t)number);
    for (long i = 0; i < rounds; i += 2 * BURST) {
        for (size_t k = 0; k < BURST; k++) {
            mine[k] = create(&state);
            destroy(swap(next_random(&state), create(&state)));
        }
        for (size_t k = 0; k < BURST; k++)
            destroy(mine[k]);
        hak_purge(next_random(&state) % 4 == 0 ? HAK_PURGE_THREAD : HAK_PURGE_PROCESS, 0);
    }
    return NULL;
}

static const struct {
    const char *name;
    void *(*function)(void *number);
} scenarios[] = {{"ring", ring},         {"pool", pool},           {"stream", stream},
                 {"generations", generations}, {"sleepers", sleepers}, {"forks", forks},
                 {"purges", purges}};

/* ---- running and accounting -------------------------------------------- */

/* The statistics, which are read in another way, say the same as the account. */
static const char *compare_statistics(const struct hak_heap_check *check)
{
    hak_stats_t stats = {.struct_size = sizeof stats};
    hak_class_stats_t class = {.struct_size = sizeof class};
    size_t slabs = 0, carved_at_most = 0, free_blocks = 0, cached = 0, live = 0;
    if (hak_stats_get(&stats) != 0)
        fail("no statistics");
    for (unsigned i = 0; hak_class_stats_get(i, &class) == 0; i++) {
        slabs += class.slabs;
        carved_at_most += class.capacity_blocks;
        free_blocks += class.free_blocks;
        cached += class.cached_blocks;
        live += class.live_blocks;
    }
    if (slabs != check->slabs || free_blocks != check->free || live != check->live ||
        cached != check->cached + check->batched || carved_at_most < check->carved)
        return "the statistics of the classes are not the account's";
    if (stats.superslabs != check->superslabs || stats.large_bytes != check->large_bytes ||
        stats.allocated_bytes != stats.small_bytes + stats.large_bytes || stats.small_bytes != 0)
        return "the statistics are not the account's";
    return NULL;
}

static void check_heap(struct hak_heap_check *check)
{
    hak__heap_check(check);
    if (check->wrong != NULL) {
        fprintf(stderr, "stress: at %p: ", check->where);
        fail(check->wrong);
    }
    if (check->live != 0 || check->large_bytes != 0)
        fail("blocks are left over although all were freed");
}

/* The library's own thread may move something between the two: then they are compared once more. */
static void check(void)
{
    enum { TRIES = 50, PAUSE_US = 20000 };
    const char *wrong = NULL;
    for (int i = 0; i < TRIES; i++) {
        struct hak_heap_check check;
        check_heap(&check);
        hak__lock_acquire(&hak__heap_check_lock); /* or it may be at work while they are read */
        wrong = compare_statistics(&check);
        hak__lock_release(&hak__heap_check_lock);
        if (wrong == NULL)
            return;
        usleep(PAUSE_US);
    }
    fail(wrong);
}

static void run(void *(*function)(void *number))
{
    pthread_t thread[THREADS_MAX];
    atomic_store(&working, (threads + 1) / 2);
    for (size_t i = 0; i < (size_t)threads; i++)
        if (pthread_create(&thread[i], NULL, function, (void *)i) != 0)
            fail("cannot start a thread");
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    for (size_t at = 0; at < PLACES; at++)
        destroy(swap(at, NULL));
    check();
}

static void run_all(const char *only)
{
    char text[16];
    snprintf(text, sizeof text, "%u", seed);
    if (hak_option_set("race_seed", text) != 0)
        fail("the seed is no number for race_seed");
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        scenario = scenarios[i].name;
        if (only == NULL || strcmp(only, scenario) == 0)
            run(scenarios[i].function);
    }
}

static void print_counters(void)
{
    hak_stats_t stats = {.struct_size = sizeof stats};
    if (hak_stats_get(&stats) != 0)
        fail("no statistics");
    const struct {
        const char *name;
        uint64_t value;
    } shown[] = {{"STAGE0_L0", stats.stage0_l0},
                 {"STAGE0.5_EMPTY", stats.stage0_5_empty},
                 {"STAGE1_LOCKFREE", stats.stage1_lockfree},
                 {"STAGE2_LOCKFREE", stats.stage2_lockfree},
                 {"STAGE3", stats.stage3},
                 {"slab releases", stats.slab_releases},
                 {"claims that came late", stats.failed_claims},
                 {"failed CASes", stats.failed_cas}};
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        printf("%s %llu\n", shown[i].name, (unsigned long long)shown[i].value);
        if (i < 5 && shown[i].value == 0)
            fail("a stage was never taken");
    }
    for (int i = 0; i < HAK_LOCK_COUNT; i++)
        printf("lock %s: %llu acquisitions, %llu waits\n", hak__locks[i].name,
               (unsigned long long)hak_load_relaxed(&hak__locks[i].lock->acquisitions),
               (unsigned long long)hak_load_relaxed(&hak__locks[i].lock->waits));
    printf("pauses at race points: %llu\n", (unsigned long long)hak__race_pauses());
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        puts("usage: stress [SEED [ROUNDS [THREADS [SCENARIO]]]]");
        return 0;
    }
    static const int counts[] = {1, 2, 4, 8, 16};
    uint32_t first = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
    uint32_t last = argc > 1 ? first : 3;
    rounds = argc > 2 ? atol(argv[2]) : 60000;
    for (seed = first; seed <= last; seed++) {
        if (argc > 3) {
            threads = atoi(argv[3]) > THREADS_MAX ? THREADS_MAX : atoi(argv[3]);
            run_all(argc > 4 ? argv[4] : NULL);
            continue;
        }
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            threads = counts[i];
            run_all(NULL);
        }
    }
    if (argc <= 3)
        print_counters();
    return 0;
}

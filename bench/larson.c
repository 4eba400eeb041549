/* SPDX-License-Identifier: MIT */
/*
 * larson: a server whose threads replace blocks at random and hand their work
 * to a successor, after Larson and Krishnan, "Memory allocation for long-running
 * server applications" (1998).
 *
 * Long form: every thread owns an array of blocks and replaces randomly chosen
 * ones; after ROUNDS * BLOCKS replacements it starts a thread that inherits the
 * array, and ends. This goes on until the time is over. A maximum below the
 * minimum is read as in the original: the range is taken modulo its magnitude.
 *
 * Short form: fixed work, ITERATIONS replacements a thread of blocks of SIZE bytes.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "bench.h"

enum { SHORT_BLOCKS = 1000 };

static struct {
    size_t smallest, range; /* sizes are smallest … smallest + range - 1 */
    uint64_t blocks, replacements;
} work;

static atomic_bool stop;

/* What one generation hands to the next. */
struct lineage {
    pthread_mutex_t lock;
    pthread_cond_t ended_changed;
    bool ended;
    bool endless; /* start a successor as long as there is time */
    char **block;
    uint64_t operations;
    uint32_t state;
};

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void replace(struct lineage *lineage, char **slot)
{
    free(*slot);
    size_t size = work.smallest + next_random(&lineage->state) % work.range;
    char *block = malloc(size);
    if (block == NULL)
        bench_fail("out of memory");
    block[0] = 1;
    block[size - 1] = 2;
    *slot = block;
}

static void *generation(void *argument)
{
    struct lineage *lineage = argument;
    uint64_t done = 0;
    while (done < work.replacements && !atomic_load_explicit(&stop, memory_order_relaxed)) {
        replace(lineage, &lineage->block[next_random(&lineage->state) % work.blocks]);
        done++;
    }
    lineage->operations += done * 2;
    pthread_t successor;
    if (lineage->endless && !atomic_load_explicit(&stop, memory_order_relaxed)) {
        if (pthread_create(&successor, NULL, generation, lineage) != 0)
            bench_fail("cannot start a thread");
        pthread_detach(successor);
        return NULL;
    }
    pthread_mutex_lock(&lineage->lock);
    lineage->ended = true;
    pthread_cond_signal(&lineage->ended_changed);
    pthread_mutex_unlock(&lineage->lock);
    return NULL;
}

static struct lineage *prepare(uint64_t threads, uint32_t seed, bool endless)
{
    struct lineage *all = calloc((size_t)threads, sizeof *all);
    if (all == NULL)
        bench_fail("out of memory");
    for (uint64_t i = 0; i < threads; i++) {
        struct lineage *lineage = &all[i];
        pthread_mutex_init(&lineage->lock, NULL);
        pthread_cond_init(&lineage->ended_changed, NULL);
        lineage->endless = endless;
        lineage->state = seed + (uint32_t)i * 7919u;
        lineage->block = calloc((size_t)work.blocks, sizeof *lineage->block);
        if (lineage->block == NULL)
            bench_fail("out of memory");
        for (uint64_t j = 0; j < work.blocks; j++)
            replace(lineage, &lineage->block[j]);
    }
    return all;
}

static void start(struct lineage *all, uint64_t threads)
{
    /* one thread without successors needs no second one, which not every build allows */
    if (threads == 1 && !all[0].endless) {
        generation(&all[0]);
        return;
    }
    for (uint64_t i = 0; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, generation, &all[i]) != 0)
            bench_fail("cannot start a thread");
        pthread_detach(thread);
    }
}

/* Waits for the last generations; the number of operations of all. */
static double finish(struct lineage *all, uint64_t threads)
{
    double operations = 0;
    for (uint64_t i = 0; i < threads; i++) {
        pthread_mutex_lock(&all[i].lock);
        while (!all[i].ended)
            pthread_cond_wait(&all[i].ended_changed, &all[i].lock);
        pthread_mutex_unlock(&all[i].lock);
        operations += (double)all[i].operations;
    }
    return operations;
}

static void clean_up(struct lineage *all, uint64_t threads)
{
    for (uint64_t i = 0; i < threads; i++) {
        for (uint64_t j = 0; j < work.blocks; j++)
            free(all[i].block[j]);
        free(all[i].block);
    }
    free(all);
}

static void run(uint64_t threads, uint64_t seconds, uint32_t seed)
{
    struct lineage *all = prepare(threads, seed, seconds > 0);
    double begin = bench_now();
    start(all, threads);
    if (seconds > 0) {
        struct timespec time = {.tv_sec = (time_t)seconds};
        while (nanosleep(&time, &time) != 0)
            continue;
        atomic_store_explicit(&stop, true, memory_order_relaxed);
    }
    double operations = finish(all, threads);
    bench_report(operations, bench_now() - begin);
    clean_up(all, threads);
}

int main(int argc, char **argv)
{
    static const char usage[] =
        "usage: larson SECONDS MIN MAX BLOCKS ROUNDS SEED THREADS\n"
        "       larson THREADS ITERATIONS SIZE\n"
        "e.g.   larson 1 5 1 1000 100 10000 42     larson 8 100000 256\n";
    bench_help(argc, argv, usage, 3, 7);
    if (argc - 1 == 3) {
        uint64_t threads = bench_number(argv[1], 1, 10000, "THREADS");
        work.replacements = bench_number(argv[2], 1, INT64_MAX, "ITERATIONS");
        work.smallest = (size_t)bench_number(argv[3], 1, 1 << 30, "SIZE");
        work.range = 1;
        work.blocks = SHORT_BLOCKS;
        run(threads, 0, 1);
        return 0;
    }
    bench_help(argc, argv, usage, 7, 7);
    uint64_t seconds = bench_number(argv[1], 1, 86400, "SECONDS");
    uint64_t least = bench_number(argv[2], 1, 1 << 30, "MIN");
    uint64_t most = bench_number(argv[3], 1, 1 << 30, "MAX");
    work.smallest = (size_t)least;
    work.range = (size_t)(most > least ? most - least : most < least ? least - most : 1);
    work.blocks = bench_number(argv[4], 1, 1 << 30, "BLOCKS");
    work.replacements = work.blocks * bench_number(argv[5], 1, 1 << 30, "ROUNDS");
    uint32_t seed = (uint32_t)bench_number(argv[6], 0, UINT32_MAX, "SEED");
    run(bench_number(argv[7], 1, 10000, "THREADS"), seconds, seed);
    return 0;
}

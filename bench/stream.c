/* SPDX-License-Identifier: MIT */
/*
 * stream PAIRS BLOCKS SIZE [LARGEST]: producers allocate, consumers free.
 *
 * Each producer passes BLOCKS blocks of SIZE bytes to its consumer through a ring of batches;
 * with LARGEST each block has a random size between the two. A malloc is an operation, and a
 * free.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "bench.h"

enum { BATCH = 64, BATCHES = 64 };

struct pair {
    _Alignas(64) _Atomic uint64_t made; /* batches; written by the producer */
    _Alignas(64) _Atomic uint64_t done; /* written by the consumer */
    char *block[BATCHES][BATCH];
};

static uint64_t batches;
static size_t size;
static uint32_t range; /* sizes are size … size + range - 1 */

static void *produce(void *argument)
{
    struct pair *pair = argument;
    uint32_t state = bench_seed(42, 0);
    for (uint64_t n = 0; n < batches; n++) {
        while (n - atomic_load_explicit(&pair->done, memory_order_acquire) == BATCHES)
            sched_yield();
        for (int i = 0; i < BATCH; i++) {
            char *block = bench_malloc(size + bench_below(&state, range));
            block[0] = 1;
            pair->block[n % BATCHES][i] = block;
        }
        atomic_store_explicit(&pair->made, n + 1, memory_order_release);
    }
    return NULL;
}

static void *consume(void *argument)
{
    struct pair *pair = argument;
    for (uint64_t n = 0; n < batches; n++) {
        while (atomic_load_explicit(&pair->made, memory_order_acquire) == n)
            sched_yield();
        for (int i = 0; i < BATCH; i++)
            free(pair->block[n % BATCHES][i]);
        atomic_store_explicit(&pair->done, n + 1, memory_order_release);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: stream PAIRS BLOCKS SIZE [LARGEST]\n"
                                "e.g.   stream 2 5000000 64\n";
    bench_help(argc, argv, usage, 3, 4);
    size_t pairs = (size_t)bench_number(argv[1], 1, BENCH_THREADS, "PAIRS");
    batches = bench_number(argv[2], BATCH, INT64_MAX, "BLOCKS") / BATCH;
    size = (size_t)bench_number(argv[3], 1, 1 << 30, "SIZE");
    size_t largest = argc > 4 ? (size_t)bench_number(argv[4], size, 1 << 30, "LARGEST") : size;
    range = (uint32_t)(largest - size) + 1;
    struct pair *pair = aligned_alloc(64, pairs * sizeof *pair);
    pthread_t producer[BENCH_THREADS], consumer[BENCH_THREADS];
    if (pair == NULL)
        bench_fail("out of memory");
    double start = bench_now();
    for (size_t i = 0; i < pairs; i++) {
        atomic_init(&pair[i].made, 0);
        atomic_init(&pair[i].done, 0);
        if (pthread_create(&producer[i], NULL, produce, &pair[i]) != 0 ||
            pthread_create(&consumer[i], NULL, consume, &pair[i]) != 0)
            bench_fail("cannot start a thread");
    }
    for (size_t i = 0; i < pairs; i++) {
        pthread_join(producer[i], NULL);
        pthread_join(consumer[i], NULL);
    }
    bench_report((double)(batches * BATCH * 2) * (double)pairs, bench_now() - start);
    free(pair);
    return 0;
}

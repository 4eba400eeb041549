/* SPDX-License-Identifier: MIT */
/*
 * waves THREADS WAVES BLOCKS SEED: waves of threads that allocate, pass on part of their
 * blocks and end, as the parts of a job that is done in parallel, step by step.
 *
 * THREADS  of a wave, all at the same time; the next wave starts when all have ended
 * WAVES    one after another
 * BLOCKS   that each thread allocates, of 16 bytes to 32 KiB, small ones far more often.
 *          It keeps 500 at a time. A quarter goes into places that all threads share, in
 *          exchange for what lies there, which is freed: mostly a block of another thread,
 *          often of one that has ended. A malloc is an operation, and a free.
 */
#include <stdatomic.h>

#include "bench.h"

enum { KEPT = 500, PLACES = 2000, SHARED = 4, SMALLEST = 16, OCTAVES = 11 };

static _Atomic(char *) place[PLACES];
static size_t threads, blocks;
static uint32_t state[BENCH_THREADS];

/* Of two random sizes the smaller: each octave is less likely than the one below. */
static char *made(uint32_t *random)
{
    size_t one = bench_octaves(random, SMALLEST, OCTAVES);
    size_t other = bench_octaves(random, SMALLEST, OCTAVES);
    size_t size = one < other ? one : other;
    char *block = bench_malloc(size);
    block[0] = block[size - 1] = 1;
    return block;
}

static void *live(void *number)
{
    uint32_t *random = &state[(size_t)number];
    char *kept[KEPT] = {NULL};
    for (size_t i = 0; i < blocks; i++) {
        char *block = made(random), **slot = &kept[i % KEPT];
        if (bench_below(random, SHARED) == 0) {
            free(atomic_exchange_explicit(&place[bench_below(random, PLACES)], block,
                                          memory_order_acq_rel));
        } else {
            free(*slot);
            *slot = block;
        }
    }
    for (size_t i = 0; i < KEPT; i++)
        free(kept[i]);
    return NULL;
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: waves THREADS WAVES BLOCKS SEED\n"
                                "e.g.   waves 8 100 5000 42\n";
    bench_help(argc, argv, usage, 4, 4);
    threads = (size_t)bench_number(argv[1], 1, BENCH_THREADS, "THREADS");
    uint64_t waves = bench_number(argv[2], 1, 1 << 30, "WAVES");
    blocks = (size_t)bench_number(argv[3], 1, 1 << 30, "BLOCKS");
    uint32_t seed = (uint32_t)bench_number(argv[4], 0, UINT32_MAX, "SEED");
    for (size_t i = 0; i < threads; i++)
        state[i] = bench_seed(seed, i);
    double start = bench_now();
    for (uint64_t i = 0; i < waves; i++)
        bench_run(threads, live);
    for (size_t i = 0; i < PLACES; i++)
        free(atomic_load_explicit(&place[i], memory_order_relaxed));
    bench_report((double)waves * (double)threads * (double)blocks * 2, bench_now() - start);
    return 0;
}

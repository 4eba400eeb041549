/* SPDX-License-Identifier: MIT */
/*
 * brief THREADS LIVES BLOCKS SEED: threads that live for a moment, one for each request or
 * task. What counts is how cheaply a thread gets its first blocks, and goes.
 *
 * THREADS  lines side by side, each of one thread at a time
 * LIVES    threads of each line, one after another
 * BLOCKS   of 16 to 511 bytes that each allocates, all at once, and frees. A malloc is an
 *          operation, and a free.
 */
#include "bench.h"

enum { SMALLEST = 16, OCTAVES = 5, MOST = 10000 };

static uint64_t lives;
static size_t blocks;
static uint32_t seed;

static void *live(void *argument)
{
    uint32_t *state = argument;
    char *block[MOST];
    for (size_t i = 0; i < blocks; i++) {
        block[i] = bench_malloc(bench_octaves(state, SMALLEST, OCTAVES));
        block[i][0] = (char)i;
        bench_use(block[i]);
    }
    for (size_t i = 0; i < blocks; i++)
        free(block[i]);
    return NULL;
}

static void *follow(void *number)
{
    uint32_t state = bench_seed(seed, (size_t)number);
    for (uint64_t i = 0; i < lives; i++)
        pthread_join(bench_thread(live, &state), NULL);
    return NULL;
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: brief THREADS LIVES BLOCKS SEED\n"
                                "e.g.   brief 2 8000 100 42\n";
    bench_help(argc, argv, usage, 4, 4);
    size_t threads = (size_t)bench_number(argv[1], 1, BENCH_THREADS, "THREADS");
    lives = bench_number(argv[2], 1, 1 << 30, "LIVES");
    blocks = (size_t)bench_number(argv[3], 1, MOST, "BLOCKS");
    seed = (uint32_t)bench_number(argv[4], 0, UINT32_MAX, "SEED");
    double start = bench_now();
    bench_run(threads, follow);
    bench_report((double)threads * (double)lives * (double)blocks * 2, bench_now() - start);
    return 0;
}

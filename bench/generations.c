/* SPDX-License-Identifier: MIT */
/*
 * generations THREADS GENERATIONS BLOCKS SEED: threads that end and leave their blocks to a
 * successor, as in pools of threads that shrink and grow, and in servers with a thread a
 * connection and state that outlives it.
 *
 * THREADS      lines side by side, each of one thread at a time
 * GENERATIONS  of each line
 * BLOCKS       a thread inherits; it replaces about half of them, at random, by new ones of
 *              16 to 511 bytes. A malloc is an operation, and a free.
 */
#include "bench.h"

enum { SMALLEST = 16, OCTAVES = 5 };

struct line {
    char **block;
    uint64_t operations;
    uint32_t state;
};

static struct line line[BENCH_THREADS];
static uint64_t generations;
static size_t blocks;
static uint32_t seed;

static void *live(void *argument)
{
    struct line *mine = argument;
    for (size_t i = 0; i < blocks; i++) {
        if (mine->block[i] != NULL && bench_below(&mine->state, 2) == 0)
            continue;
        free(mine->block[i]);
        mine->block[i] = bench_malloc(bench_octaves(&mine->state, SMALLEST, OCTAVES));
        mine->block[i][0] = (char)i;
        mine->operations += 2;
    }
    return NULL;
}

static void *follow(void *number)
{
    struct line *mine = &line[(size_t)number];
    mine->state = bench_seed(seed, (size_t)number);
    mine->block = bench_table(blocks, sizeof *mine->block);
    for (uint64_t i = 0; i < generations; i++)
        pthread_join(bench_thread(live, mine), NULL);
    for (size_t i = 0; i < blocks; i++)
        free(mine->block[i]);
    free(mine->block);
    return NULL;
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: generations THREADS GENERATIONS BLOCKS SEED\n"
                                "e.g.   generations 2 300 10000 42\n";
    bench_help(argc, argv, usage, 4, 4);
    size_t threads = (size_t)bench_number(argv[1], 1, BENCH_THREADS, "THREADS");
    generations = bench_number(argv[2], 1, 1 << 30, "GENERATIONS");
    blocks = (size_t)bench_number(argv[3], 1, 1 << 30, "BLOCKS");
    seed = (uint32_t)bench_number(argv[4], 0, UINT32_MAX, "SEED");
    double start = bench_now(), operations = 0;
    bench_run(threads, follow);
    for (size_t i = 0; i < threads; i++)
        operations += (double)line[i].operations;
    bench_report(operations, bench_now() - start);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * batch ORDER SIZE COUNT ROUNDS: so many blocks out, then so many back: a request, a
 * frame, a pass of a compiler, at whose end everything goes.
 *
 * ORDER   lifo: the last block is freed first, as on a stack; fifo: the first one
 * SIZE    of the blocks in bytes; the first byte of each is written
 * COUNT   of blocks in a batch
 * ROUNDS  batches; each is COUNT mallocs and COUNT frees, all of them operations
 */
#include "bench.h"

static char **block;
static size_t size, count;

static void take(void)
{
    for (size_t i = 0; i < count; i++) {
        block[i] = bench_malloc(size);
        block[i][0] = (char)i;
        bench_use(block[i]);
    }
}

static void give_last_first(void)
{
    for (size_t i = count; i-- > 0;)
        free(block[i]);
}

static void give_first_first(void)
{
    for (size_t i = 0; i < count; i++)
        free(block[i]);
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: batch lifo|fifo SIZE COUNT ROUNDS\n"
                                "e.g.   batch lifo 64 100 200000\n";
    bench_help(argc, argv, usage, 4, 4);
    bool lifo = bench_choice(argv[1], "lifo", "fifo", "ORDER");
    size = (size_t)bench_number(argv[2], 1, 1 << 30, "SIZE");
    count = (size_t)bench_number(argv[3], 1, 1 << 30, "COUNT");
    uint64_t rounds = bench_number(argv[4], 1, INT64_MAX, "ROUNDS");
    block = bench_table(count, sizeof *block);
    double start = bench_now();
    for (uint64_t i = 0; i < rounds; i++) {
        take();
        if (lifo)
            give_last_first();
        else
            give_first_first();
    }
    bench_report((double)rounds * (double)count * 2, bench_now() - start);
    free(block);
    return 0;
}

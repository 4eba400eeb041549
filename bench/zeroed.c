/* SPDX-License-Identifier: MIT */
/*
 * zeroed SIZE COUNT: blocks from calloc, as tables and records that start empty. Large ones
 * are cheap where the allocator knows that the pages are fresh from the system; where it
 * does not, they must be cleared.
 *
 * SIZE   of the blocks in bytes. The first byte, the last one and one of each 4096 are
 *        checked to be zero and then written.
 * COUNT  of blocks; 8 are alive at a time, from 1 MiB on 2. A calloc is an operation, and
 *        a free.
 */
#include "bench.h"

enum { LIVE = 8, LIVE_LARGE = 2, LARGE = 1 << 20, STEP = 4096 };

static char *fresh(size_t size)
{
    char *block = bench_table(size, 1);
    bench_use(block); /* or the compiler takes the zeros for granted */
    char found = block[size - 1];
    block[size - 1] = 1;
    for (size_t at = 0; at < size - 1; at += STEP) {
        found |= block[at];
        block[at] = 1;
    }
    bench_use(block);
    if (found != 0)
        bench_fail("calloc gave a block that is not zero");
    return block;
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: zeroed SIZE COUNT\ne.g.   zeroed 192 10000000\n";
    bench_help(argc, argv, usage, 2, 2);
    size_t size = (size_t)bench_number(argv[1], 1, 1 << 30, "SIZE");
    uint64_t count = bench_number(argv[2], 1, INT64_MAX, "COUNT");
    char *ring[LIVE] = {NULL};
    size_t live = size >= LARGE ? LIVE_LARGE : LIVE;
    double start = bench_now();
    for (uint64_t i = 0; i < count; i++) {
        char **slot = &ring[i & (live - 1)];
        free(*slot);
        *slot = fresh(size);
    }
    for (size_t i = 0; i < LIVE; i++)
        free(ring[i]);
    bench_report((double)count * 2, bench_now() - start);
    return 0;
}

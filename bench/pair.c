/* SPDX-License-Identifier: MIT */
/*
 * pair SIZE PAIRS: a malloc and its free in turn, the shortest life a block can have:
 * the scratch buffer of a function. What it costs is the fast paths and nothing else.
 *
 * SIZE   of the block in bytes; its first byte is written
 * PAIRS  of a malloc and a free, two operations each
 */
#include "bench.h"

int main(int argc, char **argv)
{
    static const char usage[] = "usage: pair SIZE PAIRS\ne.g.   pair 64 20000000\n";
    bench_help(argc, argv, usage, 2, 2);
    size_t size = (size_t)bench_number(argv[1], 1, 1 << 30, "SIZE");
    uint64_t pairs = bench_number(argv[2], 1, INT64_MAX, "PAIRS");
    double start = bench_now();
    for (uint64_t i = 0; i < pairs; i++) {
        char *block = bench_malloc(size);
        block[0] = (char)i;
        bench_use(block);
        free(block);
    }
    bench_report((double)pairs * 2, bench_now() - start);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * refused COUNT SEED: a program that asks for far too much now and then and goes on, as one
 * that believes a length in a broken file. What counts is that the requests in between are
 * as fast as ever.
 *
 * COUNT  of replacements of a random one of 10000 blocks of 16 to 1023 bytes, a free and a
 *        malloc each. Once in 64 of them a request for half of all addresses fails, which is no operation.
 */
#include "bench.h"

enum { LIVE = 10000, BETWEEN = 64, SMALLEST = 16, OCTAVES = 6 };

int main(int argc, char **argv)
{
    static const char usage[] = "usage: refused COUNT SEED\ne.g.   refused 10000000 42\n";
    bench_help(argc, argv, usage, 2, 2);
    uint64_t count = bench_number(argv[1], 1, INT64_MAX, "COUNT");
    uint32_t state = bench_seed((uint32_t)bench_number(argv[2], 0, UINT32_MAX, "SEED"), 0);
    char **block = bench_table(LIVE, sizeof *block);
    double start = bench_now();
    for (uint64_t i = 0; i < count; i++) {
        char **slot = &block[bench_below(&state, LIVE)];
        free(*slot);
        *slot = bench_malloc(bench_octaves(&state, SMALLEST, OCTAVES));
        (*slot)[0] = (char)i;
        if (i % BETWEEN == 0) {
            void *impossible = malloc(PTRDIFF_MAX);
            bench_use(impossible);
            if (impossible != NULL)
                bench_fail("malloc gave half of all addresses");
        }
    }
    for (size_t i = 0; i < LIVE; i++)
        free(block[i]);
    bench_report((double)count * 2, bench_now() - start);
    free(block);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * churn SMALLEST LARGEST LIVE OPERATIONS SEED TOUCH: buffers of medium and large sizes
 * that come and go, as for files, pictures, messages and matrices. With "first" it is the
 * allocator's own work that counts, with "all" also what it does to the pages: whether it
 * keeps them or gives them back, only to have them zeroed by the system again.
 *
 * SMALLEST, LARGEST  of the sizes in bytes, all between them alike
 * LIVE               blocks alive at a time
 * OPERATIONS         replacements of a random block, a free and a malloc each
 * TOUCH              first: the first byte of a block is written;
 *                    all: a byte of each 4096
 */
#include "bench.h"

enum { STEP = 4096 };

int main(int argc, char **argv)
{
    static const char usage[] = "usage: churn SMALLEST LARGEST LIVE OPERATIONS SEED first|all\n"
                                "e.g.   churn 65536 4194304 40 200000 42 first\n";
    bench_help(argc, argv, usage, 6, 6);
    uint32_t smallest = (uint32_t)bench_number(argv[1], 1, 1 << 30, "SMALLEST");
    uint32_t range = (uint32_t)bench_number(argv[2], smallest, 1 << 30, "LARGEST") - smallest + 1;
    uint32_t live = (uint32_t)bench_number(argv[3], 1, 1 << 20, "LIVE");
    uint64_t operations = bench_number(argv[4], 1, INT64_MAX, "OPERATIONS");
    uint32_t state = bench_seed((uint32_t)bench_number(argv[5], 0, UINT32_MAX, "SEED"), 0);
    bool first = bench_choice(argv[6], "first", "all", "TOUCH");
    char **block = bench_table(live, sizeof *block);
    double start = bench_now();
    for (uint64_t i = 0; i < operations; i++) {
        char **slot = &block[bench_below(&state, live)];
        size_t size = smallest + bench_below(&state, range);
        free(*slot);
        *slot = bench_malloc(size);
        for (size_t at = 0; at < (first ? 1 : size); at += STEP)
            (*slot)[at] = (char)i;
        bench_use(*slot);
    }
    for (size_t i = 0; i < live; i++)
        free(block[i]);
    bench_report((double)operations * 2, bench_now() - start);
    free(block);
    return 0;
}

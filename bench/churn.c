/* SPDX-License-Identifier: MIT */
/*
 * churn SMALLEST LARGEST LIVE OPERATIONS SEED TOUCH [THREADS]: buffers of medium and large
 * sizes that come and go, as for files, pictures, messages and matrices. With "first" it is the
 * allocator's own work that counts, with "all" also what it does to the pages: whether it
 * keeps them or gives them back, only to have them zeroed by the system again.
 *
 * SMALLEST, LARGEST  of the sizes in bytes, all between them alike
 * LIVE               blocks of each thread that are alive at a time
 * OPERATIONS         of each thread: replacements of a random block, a free and a malloc each
 * TOUCH              first: the first byte of a block is written;
 *                    all: a byte of each 4096
 */
#include "bench.h"

enum { STEP = 4096 };

static uint32_t smallest, range, live, seed;
static uint64_t operations;
static bool first;

static void *churn(void *number)
{
    uint32_t state = bench_seed(seed, (size_t)number);
    char **block = bench_table(live, sizeof *block);
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
    free(block);
    return NULL;
}

int main(int argc, char **argv)
{
    static const char usage[] =
        "usage: churn SMALLEST LARGEST LIVE OPERATIONS SEED first|all [THREADS]\n"
        "e.g.   churn 65536 4194304 40 200000 42 first\n";
    bench_help(argc, argv, usage, 6, 7);
    smallest = (uint32_t)bench_number(argv[1], 1, 1 << 30, "SMALLEST");
    range = (uint32_t)bench_number(argv[2], smallest, 1 << 30, "LARGEST") - smallest + 1;
    live = (uint32_t)bench_number(argv[3], 1, 1 << 20, "LIVE");
    operations = bench_number(argv[4], 1, INT64_MAX, "OPERATIONS");
    seed = (uint32_t)bench_number(argv[5], 0, UINT32_MAX, "SEED");
    first = bench_choice(argv[6], "first", "all", "TOUCH");
    size_t threads = argc > 7 ? (size_t)bench_number(argv[7], 1, BENCH_THREADS, "THREADS") : 1;
    double start = bench_now();
    bench_run(threads, churn);
    bench_report((double)operations * (double)threads * 2, bench_now() - start);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * random-mixed CYCLES WORKING_SET SEED [THREADS]: blocks of mixed small sizes.
 *
 * In each cycle xorshift32 picks a slot of the working set: a full one is freed,
 * an empty one gets a block of 16 to 1039 bytes whose first byte is written.
 * Every thread has a working set of its own and runs all cycles.
 */
#include "bench.h"

enum { SMALLEST = 16, SIZES = 1024 };

static uint64_t cycles;
static uint32_t slots, seed;

static void *mix(void *number)
{
    uint32_t state = seed + (uint32_t)(size_t)number * 7919u;
    char **block = calloc(slots, sizeof *block);
    if (block == NULL)
        bench_fail("out of memory");
    for (uint64_t i = 0; i < cycles; i++) {
        uint32_t random = bench_random(&state);
        uint32_t slot = random % slots;
        if (block[slot] != NULL) {
            free(block[slot]);
            block[slot] = NULL;
        } else {
            block[slot] = malloc(SMALLEST + (random >> 8) % SIZES);
            if (block[slot] == NULL)
                bench_fail("out of memory");
            block[slot][0] = (char)random;
        }
    }
    for (uint32_t i = 0; i < slots; i++)
        free(block[i]);
    free(block);
    return NULL;
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: random-mixed CYCLES WORKING_SET SEED [THREADS]\n"
                                "e.g.   random-mixed 10000000 256 42\n";
    bench_help(argc, argv, usage, 3, 4);
    cycles = bench_number(argv[1], 1, INT64_MAX, "CYCLES");
    slots = (uint32_t)bench_number(argv[2], 1, 1 << 30, "WORKING_SET");
    seed = (uint32_t)bench_number(argv[3], 1, UINT32_MAX, "SEED");
    size_t threads = argc > 4 ? (size_t)bench_number(argv[4], 1, BENCH_THREADS, "THREADS") : 1;
    double start = bench_now();
    bench_run(threads, mix);
    bench_report((double)cycles * (double)threads, bench_now() - start);
    return 0;
}

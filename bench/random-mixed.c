/* SPDX-License-Identifier: MIT */
/*
 * random-mixed CYCLES WORKING_SET SEED: one thread, blocks of mixed small sizes.
 *
 * In each cycle xorshift32 picks a slot of the working set: a full one is freed,
 * an empty one gets a block of 16 to 1039 bytes whose first byte is written.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

enum { SMALLEST = 16, SIZES = 1024 };

static uint32_t xorshift32(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: random-mixed CYCLES WORKING_SET SEED\n"
                                "e.g.   random-mixed 10000000 256 42\n";
    bench_help(argc, argv, usage, 3, 3);
    uint64_t cycles = bench_number(argv[1], 1, INT64_MAX, "CYCLES");
    uint32_t slots = (uint32_t)bench_number(argv[2], 1, 1 << 30, "WORKING_SET");
    uint32_t state = (uint32_t)bench_number(argv[3], 1, UINT32_MAX, "SEED");
    char **block = calloc(slots, sizeof *block);
    if (block == NULL)
        bench_fail("out of memory");
    double start = bench_now();
    for (uint64_t i = 0; i < cycles; i++) {
        uint32_t random = xorshift32(&state);
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
    bench_report((double)cycles, bench_now() - start);
    for (uint32_t i = 0; i < slots; i++)
        free(block[i]);
    free(block);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * aligned ALIGNMENT SIZE COUNT: blocks from aligned_alloc: records of whole cache lines,
 * vectors of numbers, buffers for direct input and output.
 *
 * ALIGNMENT  in bytes, a power of two; each block's is checked
 * SIZE       of the blocks in bytes, which since C17 need be no multiple of the alignment;
 *            the first byte and the last are written
 * COUNT      of blocks; 16 are alive at a time. An aligned_alloc is an operation, and a
 *            free.
 */
#include "bench.h"

enum { LIVE = 16 };

static char *fresh(size_t alignment, size_t size)
{
    char *block = aligned_alloc(alignment, size);
    if (block == NULL)
        bench_fail("out of memory");
    uintptr_t address = (uintptr_t)block;
    __asm__("" : "+r"(address)); /* or the compiler takes the alignment for granted */
    if ((address & (alignment - 1)) != 0)
        bench_fail("aligned_alloc gave a block that is not aligned");
    block[0] = 1;
    block[size - 1] = 2;
    bench_use(block);
    return block;
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: aligned ALIGNMENT SIZE COUNT\n"
                                "e.g.   aligned 64 200 10000000\n";
    bench_help(argc, argv, usage, 3, 3);
    size_t alignment = (size_t)bench_number(argv[1], sizeof(void *), 1 << 30, "ALIGNMENT");
    if ((alignment & (alignment - 1)) != 0)
        bench_fail("ALIGNMENT: not a power of two");
    size_t size = (size_t)bench_number(argv[2], 1, 1 << 30, "SIZE");
    uint64_t count = bench_number(argv[3], 1, INT64_MAX, "COUNT");
    char *ring[LIVE] = {NULL};
    double start = bench_now();
    for (uint64_t i = 0; i < count; i++) {
        char **slot = &ring[i % LIVE];
        free(*slot);
        *slot = fresh(alignment, size);
    }
    for (size_t i = 0; i < LIVE; i++)
        free(ring[i]);
    bench_report((double)count * 2, bench_now() - start);
    return 0;
}

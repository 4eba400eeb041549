/* SPDX-License-Identifier: MIT */
/*
 * grow COUNT LARGEST STEP OTHERS: a block that grows by small steps, as a line, a message or
 * a file that is read piece by piece into a buffer without reserve. What counts is whether
 * the block grows where it is.
 *
 * COUNT    blocks, one after another
 * LARGEST  size in bytes that each reaches by realloc, from nothing
 * STEP     in bytes; the new bytes are written
 * OTHERS   alone: nothing else is allocated meanwhile; beside: a block of 64 bytes after
 *          each step, which stays until the end. A malloc, a realloc or a free is an
 *          operation.
 */
#include "bench.h"

enum { OTHER = 64 };

struct other {
    struct other *next;
};

static struct other *others;
static uint64_t operations;

static void allocate_other(void)
{
    struct other *other = bench_malloc(OTHER);
    other->next = others;
    others = other;
    operations++;
}

static void free_others(void)
{
    while (others != NULL) {
        struct other *next = others->next;
        free(others);
        others = next;
        operations++;
    }
}

static void grow(size_t largest, size_t step, bool alone)
{
    char *block = NULL;
    for (size_t size = 0; size < largest; operations++) {
        size_t wanted = largest - size > step ? size + step : largest;
        block = realloc(block, wanted);
        if (block == NULL)
            bench_fail("out of memory");
        memset(block + size, (int)(wanted & 127), wanted - size);
        size = wanted;
        if (!alone)
            allocate_other();
    }
    if (block[largest - 1] != (char)(largest & 127))
        bench_fail("a block is not what was written");
    free(block);
    operations++;
    free_others();
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: grow COUNT LARGEST STEP alone|beside\n"
                                "e.g.   grow 1000 200000 50 alone\n";
    bench_help(argc, argv, usage, 4, 4);
    uint64_t count = bench_number(argv[1], 1, 1 << 30, "COUNT");
    size_t largest = (size_t)bench_number(argv[2], 1, UINT64_C(1) << 40, "LARGEST");
    size_t step = (size_t)bench_number(argv[3], 1, 1 << 30, "STEP");
    bool alone = bench_choice(argv[4], "alone", "beside", "OTHERS");
    double start = bench_now();
    for (uint64_t i = 0; i < count; i++)
        grow(largest, step, alone);
    bench_report((double)operations, bench_now() - start);
    return 0;
}

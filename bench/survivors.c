/* SPDX-License-Identifier: MIT */
/*
 * survivors BYTES SEED: a program that has built much, drops most of it here and there, and
 * goes on with blocks of other sizes, as after a phase of a compiler or the reload of a
 * table. It is the peak of memory that counts: whether the new blocks find room among the
 * survivors.
 *
 * BYTES  of blocks of 16 to 2048 bytes, of which nine in ten are freed at random; then half as
 *        many bytes in blocks of 2100 to 6000 bytes. All bytes are written. The least that
 *        this can take is printed as "Ideal". A malloc is an operation, and a free.
 */
#include "bench.h"

enum { SURVIVE = 10, SMALLEST = 16, LARGEST = 2048, SMALLEST_NEW = 2100, LARGEST_NEW = 6000 };

/* Blocks are in lists, so that no table of them adds to the memory. */
struct block {
    struct block *next;
};

static uint32_t state;
static uint64_t blocks;

static struct block *fill(uint64_t bytes, uint32_t smallest, uint32_t largest)
{
    struct block *first = NULL;
    for (uint64_t made = 0; made < bytes; blocks++) {
        size_t size = smallest + bench_below(&state, largest - smallest + 1);
        struct block *block = bench_malloc(size);
        memset(block, 1, size);
        block->next = first;
        first = block;
        made += size;
    }
    return first;
}

/* Frees all blocks of a list but one in so many, at random. */
static struct block *thin(struct block *block, uint32_t survive)
{
    struct block *first = NULL;
    while (block != NULL) {
        struct block *next = block->next;
        if (survive > 0 && bench_below(&state, survive) == 0) {
            block->next = first;
            first = block;
        } else {
            free(block);
        }
        block = next;
    }
    return first;
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: survivors BYTES SEED\ne.g.   survivors 400000000 42\n";
    bench_help(argc, argv, usage, 2, 2);
    uint64_t bytes = bench_number(argv[1], 1, INT64_MAX, "BYTES");
    state = bench_seed((uint32_t)bench_number(argv[2], 0, UINT32_MAX, "SEED"), 0);
    double start = bench_now();
    struct block *old = thin(fill(bytes, SMALLEST, LARGEST), SURVIVE);
    struct block *new = fill(bytes / 2, SMALLEST_NEW, LARGEST_NEW);
    thin(new, 0);
    thin(old, 0);
    bench_report((double)blocks * 2, bench_now() - start);
    printf("Ideal = %.0f KiB\n", (double)bytes / 1024);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * walk SIZE BLOCKS ROUNDS: reads the first words of many blocks of one size again and again,
 * as the headers of pages, frames or buffers in a pool. Where the allocator lets all blocks
 * start at the same offset from a page, their first words fall into few sets of the cache.
 *
 * SIZE    of the blocks in bytes
 * BLOCKS  that are alive, in a list
 * ROUNDS  walks through the list. Each block that is read is an operation.
 */
#include "bench.h"

struct block {
    struct block *next;
    uint64_t reads;
};

int main(int argc, char **argv)
{
    static const char usage[] = "usage: walk SIZE BLOCKS ROUNDS\ne.g.   walk 5000 1000 50000\n";
    bench_help(argc, argv, usage, 3, 3);
    size_t size = (size_t)bench_number(argv[1], sizeof(struct block), 1 << 30, "SIZE");
    size_t blocks = (size_t)bench_number(argv[2], 1, 1 << 30, "BLOCKS");
    uint64_t rounds = bench_number(argv[3], 1, INT64_MAX, "ROUNDS");
    struct block *first = NULL;
    for (size_t i = 0; i < blocks; i++) {
        struct block *block = bench_malloc(size);
        *block = (struct block){.next = first};
        first = block;
    }
    double start = bench_now();
    for (uint64_t i = 0; i < rounds; i++)
        for (struct block *block = first; block != NULL; block = block->next)
            block->reads++;
    double seconds = bench_now() - start;
    while (first != NULL) {
        struct block *next = first->next;
        if (first->reads != rounds)
            bench_fail("a block was not read in each round");
        free(first);
        first = next;
    }
    bench_report((double)rounds * (double)blocks, seconds);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * burst BURSTS BYTES SEED: work that comes in bursts with nothing in between, as of batch
 * jobs, caches that are flushed and windows that are closed. An allocator that keeps the
 * memory is fast in the next burst, one that gives it back is small meanwhile.
 *
 * BURSTS  each allocates blocks, frees all of them and sleeps for 20 ms, which the time
 *         does not count
 * BYTES   of each burst, in blocks of 16 to 1023 bytes. They are in 64 chains at random,
 *         which are freed one after the other. A malloc is an operation, and a free.
 */
#include "bench.h"

enum { CHAINS = 64, SMALLEST = 16, OCTAVES = 6 };

struct block {
    struct block *next;
};

static struct block *chain[CHAINS];
static uint32_t state;

static uint64_t fill(uint64_t bytes)
{
    uint64_t blocks = 0;
    for (uint64_t taken = 0; taken < bytes; blocks++) {
        size_t size = bench_octaves(&state, SMALLEST, OCTAVES);
        struct block **first = &chain[bench_below(&state, CHAINS)];
        struct block *block = bench_malloc(size);
        ((char *)block)[size - 1] = 1;
        block->next = *first;
        *first = block;
        taken += size;
    }
    return blocks;
}

static void empty(struct block **first)
{
    for (struct block *block = *first; block != NULL;) {
        struct block *next = block->next;
        free(block);
        block = next;
    }
    *first = NULL;
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: burst BURSTS BYTES SEED\ne.g.   burst 10 100000000 42\n";
    bench_help(argc, argv, usage, 3, 3);
    uint64_t bursts = bench_number(argv[1], 1, 1 << 30, "BURSTS");
    uint64_t bytes = bench_number(argv[2], 1, INT64_MAX, "BYTES");
    state = bench_seed((uint32_t)bench_number(argv[3], 0, UINT32_MAX, "SEED"), 0);
    double operations = 0, seconds = 0;
    for (uint64_t i = 0; i < bursts; i++) {
        double start = bench_now();
        operations += (double)fill(bytes) * 2;
        for (size_t j = 0; j < CHAINS; j++)
            empty(&chain[j]);
        seconds += bench_now() - start;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    bench_report(operations, seconds);
    return 0;
}

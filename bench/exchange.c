/* SPDX-License-Identifier: MIT */
/*
 * exchange THREADS OPERATIONS SEED: blocks that one thread allocates and any other frees,
 * as messages and tasks that travel between the threads of a program.
 *
 * Each thread puts a new block of 16 bytes to 16 KiB, each power of two as likely as
 * another, into a random place of an array that all share, and frees the one it finds
 * there, which carries a tag.
 *
 * OPERATIONS  exchanges by each thread, a malloc and a free each
 */
#include <stdatomic.h>

#include "bench.h"

enum { PLACES = 4096, SMALLEST = 16, OCTAVES = 10 };

struct block {
    size_t size;
    uint64_t tag; /* of its address and size */
};

static _Atomic(struct block *) place[PLACES];
static uint64_t operations;
static uint32_t seed;

static uint64_t tag_of(const struct block *block)
{
    return (uintptr_t)block ^ (uint64_t)block->size << 48;
}

static struct block *made(size_t size)
{
    struct block *block = bench_malloc(size);
    block->size = size;
    ((char *)block)[size - 1] = 1;
    block->tag = tag_of(block);
    return block;
}

static void finish(struct block *block)
{
    if (block == NULL)
        return;
    if (block->tag != tag_of(block))
        bench_fail("a block is not what was put there");
    block->tag = 0; /* for whoever frees it again */
    bench_use(block);
    free(block);
}

static void *exchange(void *number)
{
    uint32_t state = bench_seed(seed, (size_t)number);
    for (uint64_t i = 0; i < operations; i++) {
        struct block *block = made(bench_octaves(&state, SMALLEST, OCTAVES));
        finish(atomic_exchange_explicit(&place[bench_below(&state, PLACES)], block,
                                        memory_order_acq_rel));
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: exchange THREADS OPERATIONS SEED\n"
                                "e.g.   exchange 2 3000000 42\n";
    bench_help(argc, argv, usage, 3, 3);
    size_t threads = (size_t)bench_number(argv[1], 1, BENCH_THREADS, "THREADS");
    operations = bench_number(argv[2], 1, INT64_MAX, "OPERATIONS");
    seed = (uint32_t)bench_number(argv[3], 0, UINT32_MAX, "SEED");
    double start = bench_now();
    bench_run(threads, exchange);
    for (size_t i = 0; i < PLACES; i++)
        finish(atomic_load_explicit(&place[i], memory_order_relaxed));
    bench_report((double)operations * (double)threads * 2, bench_now() - start);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * sharing WHO THREADS ROUNDS SIZE WRITES: counters, locks and states of threads that write
 * them often, each its own. Where an allocator gives two threads parts of one cache line
 * they wait for each other at every write; after the cache-thrash and cache-scratch of
 * Hoard (Berger and others, 2000).
 *
 * WHO     active: each thread allocates its own blocks; passive: the first block of each
 *         comes from the main thread, one right after the other, and the thread frees it
 *         and then goes on with blocks of its own
 * ROUNDS  blocks of each thread, one after another, a malloc and a free each
 * SIZE    of the blocks in bytes
 * WRITES  to each block, by turns to each of its first bytes, up to 8
 */
#include "bench.h"

static unsigned char *handed[BENCH_THREADS]; /* or NULL */
static uint64_t rounds, writes;
static size_t size;

static void *write_and_free(void *number)
{
    size_t bytes = size < 8 ? 1 : 8;
    unsigned char *block = handed[(size_t)number];
    for (uint64_t i = 0; i < rounds; i++) {
        if (block == NULL)
            block = bench_malloc(size);
        for (uint64_t j = 0; j < writes; j++) {
            block[j & (bytes - 1)]++;
            bench_use(block);
        }
        free(block);
        block = NULL;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: sharing active|passive THREADS ROUNDS SIZE WRITES\n"
                                "e.g.   sharing passive 2 20000 8 1000\n";
    bench_help(argc, argv, usage, 5, 5);
    bool active = bench_choice(argv[1], "active", "passive", "WHO");
    size_t threads = (size_t)bench_number(argv[2], 1, BENCH_THREADS, "THREADS");
    rounds = bench_number(argv[3], 1, INT64_MAX, "ROUNDS");
    size = (size_t)bench_number(argv[4], 1, 1 << 30, "SIZE");
    writes = bench_number(argv[5], 1, INT64_MAX, "WRITES");
    for (size_t i = 0; i < threads && !active; i++) {
        handed[i] = bench_malloc(size);
        memset(handed[i], 0, size);
    }
    double start = bench_now();
    bench_run(threads, write_and_free);
    bench_report((double)rounds * (double)threads * 2, bench_now() - start);
    return 0;
}

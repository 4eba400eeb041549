/* SPDX-License-Identifier: MIT */
/*
 * limits: a program that may take 64 MiB and wants more.
 *
 *     cc limits.c $(pkg-config --cflags --libs hakmem)
 *
 * Above the hard limit allocations fail, as they do on a machine that has no more memory. What is
 * freed serves again, so the program goes on with less.
 */
#include <errno.h>
#include <hakmem/hakmem.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 100, MIB = 1 << 20 };

/* Allocates blocks of 1 MiB until there are no more; returns how many it got. */
static int allocate(void *blocks[BLOCKS])
{
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(MIB);
        if (blocks[i] == NULL)
            return i;
    }
    return BLOCKS;
}

int main(void)
{
    void *blocks[BLOCKS];
    hak_stats_t stats;

    if (hak_limit_set(HAK_LIMIT_HARD, (size_t)64 * MIB) != 0) {
        perror("hak_limit_set");
        return EXIT_FAILURE;
    }
    int count = allocate(blocks);
    printf("%d blocks of 1 MiB, then: %s\n", count, count < BLOCKS ? strerror(errno) : "no limit");

    stats.struct_size = sizeof stats;
    if (hak_stats_get(&stats) != 0) {
        perror("hak_stats_get");
        return EXIT_FAILURE;
    }
    printf("%" PRIu64 " of %zu bytes taken, refused %" PRIu64 " times\n", stats.footprint_bytes,
           hak_limit_get(HAK_LIMIT_HARD), stats.refusals);

    hak_free_batch(blocks, (size_t)count);
    void *large = malloc((size_t)32 * MIB);
    printf("a block of 32 MiB after all were freed: %s\n", large != NULL ? "served" : "refused");
    free(large);
    return count < BLOCKS && large != NULL ? EXIT_SUCCESS : EXIT_FAILURE;
}

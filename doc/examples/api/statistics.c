/* SPDX-License-Identifier: MIT */
/*
 * statistics: what a program has in memory, by numbers and as JSON in a file.
 *
 *     cc statistics.c $(pkg-config --cflags --libs hakmem)
 *     ./a.out statistics.json
 */
#include <fcntl.h>
#include <hakmem/hakmem.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void print_totals(const hak_stats_t *stats)
{
    printf("%" PRIu64 " bytes allocated, %" PRIu64 " cached\n", stats->allocated_bytes,
           stats->cached_bytes);
    printf("%" PRIu64 " bytes taken from the system, %" PRIu64 " of them unused\n",
           stats->footprint_bytes, stats->retained_bytes);
}

/* One line for each size of small blocks in use, until there is no further class. */
static void print_classes(void)
{
    hak_class_stats_t row;
    row.struct_size = sizeof row;
    for (unsigned i = 0; hak_class_stats_get(i, &row) == 0; i++)
        if (row.live_blocks > 0)
            printf("%6" PRIu64 " bytes: %" PRIu64 " live, %" PRIu64 " cached, room for %" PRIu64
                   "\n",
                   row.block_size, row.live_blocks, row.cached_blocks, row.capacity_blocks);
}

static int write_json(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd == -1)
        return -1;
    int result = hak_stats_print(fd, HAK_STATS_JSON);
    return close(fd) == 0 ? result : -1;
}

int main(int argc, char **argv)
{
    void *blocks[1000];
    size_t count = hak_alloc_batch(200, 1000, blocks);
    hak_stats_t stats;

    stats.struct_size = sizeof stats;
    if (count < 1000 || hak_stats_get(&stats) != 0 || (argc > 1 && write_json(argv[1]) != 0)) {
        perror("statistics");
        return EXIT_FAILURE;
    }
    print_totals(&stats);
    print_classes();
    hak_free_batch(blocks, count);
    return EXIT_SUCCESS;
}

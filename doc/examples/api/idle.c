/* SPDX-License-Identifier: MIT */
/*
 * idle: a service between two bursts of work gives memory back, so that others have it meanwhile.
 *
 *     cc idle.c -pthread $(pkg-config --cflags --libs hakmem)
 */
#include <hakmem/hakmem.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCKS = 100000, MOST_MS = 100 };

static pthread_barrier_t worked, over;

static size_t footprint(void)
{
    hak_stats_t stats = {.struct_size = sizeof stats};
    return hak_stats_get(&stats) == 0 ? stats.footprint_bytes : 0;
}

static void *work(void *table)
{
    void **block = table;
    for (size_t i = 0; i < BLOCKS; i++)
        block[i] = hak_malloc(100 + i % 400);
    for (size_t i = 0; i < BLOCKS; i++)
        hak_free(block[i]);
    hak_thread_flush(); /* what this thread keeps for itself would stay with it while it waits */
    pthread_barrier_wait(&worked);
    pthread_barrier_wait(&over);
    return NULL;
}

int main(void)
{
    pthread_t worker;
    void **table = hak_calloc(BLOCKS, sizeof *table);
    if (table == NULL || pthread_barrier_init(&worked, NULL, 2) != 0 ||
        pthread_barrier_init(&over, NULL, 2) != 0 ||
        pthread_create(&worker, NULL, work, table) != 0) {
        fprintf(stderr, "idle: no memory or no thread\n");
        return EXIT_FAILURE;
    }
    pthread_barrier_wait(&worked);
    size_t before = footprint();
    size_t returned = hak_purge(HAK_PURGE_PROCESS, MOST_MS);
    printf("%zu bytes in use after the burst, %zu returned, %zu left\n", before, returned,
           footprint());
    const char *wrong = hak_check(NULL);
    printf("the heap: %s\n", wrong == NULL ? "all records agree" : wrong);
    pthread_barrier_wait(&over);
    pthread_join(worker, NULL);
    hak_free(table);
    return wrong == NULL ? EXIT_SUCCESS : EXIT_FAILURE;
}

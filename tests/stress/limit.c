/* SPDX-License-Identifier: MIT */
/*
 * Threads allocate against a hard limit for some seconds, blocks of all kinds: the limit is never
 * passed by more than is stated, whatever fails does so with ENOMEM, and afterwards all is usable.
 * limit [SECONDS [THREADS]]
 */
#include <errno.h>
#include <hakmem/hakmem.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define LIMIT (256 * MIB)
#define BEYOND MIB /* what hakmem.h grants */
enum { PLACES = 4000, THREADS_MAX = 64 };

static atomic_bool ended;
static atomic_ulong served, refused;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "limit: %s\n", what);
    abort();
}

static hak_stats_t statistics(void)
{
    hak_stats_t stats = {.struct_size = sizeof stats};
    if (hak_stats_get(&stats) != 0)
        fail("no statistics");
    return stats;
}

/* Resident bytes of the process. */
static size_t resident(void)
{
    size_t space = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%zu %zu", &space, &pages) != 2)
        fail("cannot read /proc/self/statm");
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static uint32_t next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    return *state ^= *state << 5;
}

/* Small ones most often, a few large, seldom one with a mapping of its own. */
static size_t some_size(uint32_t *state)
{
    uint32_t kind = next(state) % 1000;
    if (kind < 900)
        return next(state) % 4096;
    if (kind < 995)
        return next(state) % 200000;
    return kind < 999 ? next(state) % (4 * MIB) : 36 * MIB;
}

static void *allocate(void *seed)
{
    uint32_t state = (uint32_t)(uintptr_t)seed * 2654435761u + 1;
    char **block = calloc(PLACES, sizeof *block);
    if (block == NULL)
        fail("no memory for the test itself");
    while (!atomic_load(&ended)) {
        size_t place = next(&state) % PLACES, size = some_size(&state);
        /* more is allocated than freed, until nothing is left */
        if (block[place] != NULL && next(&state) % 4 == 0) {
            hak_free(block[place]);
            block[place] = NULL;
        } else {
            errno = 0;
            char *fresh = hak_realloc(block[place], size + 1);
            if (fresh == NULL && errno != ENOMEM)
                fail("an allocation failed without ENOMEM");
            atomic_fetch_add_explicit(fresh != NULL ? &served : &refused, 1, memory_order_relaxed);
            if (fresh != NULL) {
                memset(fresh, (int)size, size < 65536 ? size : 65536);
                fresh[size] = 1;
                block[place] = fresh;
            } else if (next(&state) % 50 == 0) {
                hak_free_batch((void **)block, PLACES);
                memset(block, 0, PLACES * sizeof *block);
            }
        }
    }
    hak_free_batch((void **)block, PLACES);
    free(block);
    return NULL;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    int seconds = argc > 1 ? atoi(argv[1]) : 10, threads = argc > 2 ? atoi(argv[2]) : 8;
    pthread_t thread[THREADS_MAX];
    if (threads > THREADS_MAX || hak_limit_set(HAK_LIMIT_HARD, LIMIT) != 0)
        fail("cannot begin");
    size_t before = resident(), most = 0, most_resident = 0, looks = 0;
    for (int i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, allocate, (void *)(uintptr_t)(i + 1)) != 0)
            fail("cannot start a thread");
    for (time_t end = time(NULL) + seconds; time(NULL) < end; looks++) {
        size_t footprint = statistics().footprint_bytes, now = resident();
        most = footprint > most ? footprint : most;
        most_resident = now > most_resident ? now : most_resident;
    }
    atomic_store(&ended, true);
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    printf("limit %zu, footprint at most %zu, resident at most %zu, at %zu looks; %lu served, "
           "%lu refused\n",
           LIMIT, most, most_resident - before, looks, atomic_load(&served), atomic_load(&refused));
    if (most > LIMIT + BEYOND)
        fail("the limit was passed");
    if (atomic_load(&refused) == 0 || most < LIMIT / 10 * 9)
        fail("the limit was never reached");
    const char *wrong = hak_check(NULL);
    if (wrong != NULL)
        fail(wrong);
    if (statistics().allocated_bytes != 0)
        fail("blocks are left over although all were freed");
    void *all = hak_malloc(LIMIT / 10 * 9);
    if (all == NULL)
        fail("what was freed is not usable");
    hak_free(all);
    return 0;
}

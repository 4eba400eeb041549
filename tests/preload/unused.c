/* SPDX-License-Identifier: MIT */
/*
 * Each way on which memory becomes unused ends within the bound on what is retained, without
 * another call of anybody: each in a process of its own, that looks at what is resident then.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

enum { KIB = 1024, MIB = 1024 * 1024 };
/* What may be retained, with something for records, stacks and what threads keep. */
enum { ALLOWANCE_KIB = (12 + 12) * KIB };

static pthread_barrier_t barrier;
static char **block;
static size_t count;

static void *filled(size_t size)
{
    char *bytes = opaque(malloc(size));
    REQUIRE(bytes != NULL);
    memset(bytes, 1, size);
    return bytes;
}

/* Blocks of 100 to 300 bytes, or if size is not 0 of that size, of so many bytes together. */
static void fill(size_t size, size_t total)
{
    block = opaque(calloc(total / (size != 0 ? size : 200), sizeof *block));
    REQUIRE(block != NULL);
    count = total / (size != 0 ? size : 200);
    for (size_t i = 0; i < count; i++)
        block[i] = filled(size != 0 ? size : 100 + i * 7 % 200);
}

static void free_all(void)
{
    for (size_t i = 0; i < count; i++)
        free(block[i]);
}

/* ---- ways -------------------------------------------------------------- */

static void *use_many_sizes(void *unused)
{
    enum { SIZES = 40 };
    void *mine[SIZES];
    for (size_t i = 0; i < SIZES; i++)
        mine[i] = filled(16 + i * i * 24);
    for (size_t i = 0; i < SIZES; i++)
        free(mine[i]);
    pthread_barrier_wait(&barrier);
    return unused;
}

static void threads_end(void)
{
    enum { THREADS = 150 };
    static pthread_t thread[THREADS];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 128 * KIB);
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&thread[i], &small, use_many_sizes, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

static void *fill_and_sleep(void *unused)
{
    fill(0, 100 * MIB);
    pthread_barrier_wait(&barrier);
    pause();
    return unused;
}

static void owner_sleeps(void)
{
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    REQUIRE(pthread_create(&thread, NULL, fill_and_sleep, NULL) == 0);
    pthread_barrier_wait(&barrier);
    free_all();
}

static void free_in_destructor(void *unused)
{
    (void)unused;
    free_all();
}

static pthread_key_t key;

static void *end_with_value(void *unused)
{
    pthread_setspecific(key, &key);
    return unused;
}

/* Its only calls come when it ends. */
static void thread_frees_when_it_ends(void)
{
    pthread_t thread;
    fill(0, 100 * MIB);
    REQUIRE(pthread_key_create(&key, free_in_destructor) == 0);
    REQUIRE(pthread_create(&thread, NULL, end_with_value, NULL) == 0);
    pthread_join(thread, NULL);
}

static void shrink(size_t from, size_t to)
{
    fill(from, 120 * MIB);
    for (size_t i = 0; i < count; i++)
        block[i] = opaque(realloc(block[i], to));
}

static void spans_shrink(void)
{
    shrink(6000000, 100000);
}

static void mappings_shrink(void)
{
    shrink(40 * MIB, 4 * MIB);
}

static void mappings_become_small(void)
{
    shrink(40 * MIB, 4000);
}

static void small_blocks_shrink(void)
{
    shrink(30000, 30);
}

static void *free_share(void *first)
{
    for (size_t i = (size_t)(uintptr_t)first; i < count; i += 8)
        free(block[i]);
    pthread_barrier_wait(&barrier);
    pause();
    return NULL;
}

/*
 * Eight at once, of which none purges for the last one if that does not itself. Each keeps a few blocks of
 * many slabs, which are partly used by that: these go when nobody has used them for decay_ms.
 */
static void many_free_and_sleep(void)
{
    fill(0, 200 * MIB);
    pthread_barrier_init(&barrier, NULL, 9);
    for (uintptr_t i = 0; i < 8; i++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, free_share, (void *)i) == 0);
    }
    pthread_barrier_wait(&barrier);
}

/* ------------------------------------------------------------------------ */

static const struct way {
    const char *name;
    void (*go)(void);
    long live_kib; /* what is in use afterwards; a quarter more may be kept */
    int seconds;   /* within which who returns it, maybe another thread, is done */
} ways[] = {
    {"threads end", threads_end, 0, 1},
    {"another thread frees, the owner sleeps", owner_sleeps, 0, 1},
    {"a thread's only calls come when it ends", thread_frees_when_it_ends, 0, 1},
    {"spans shrink", spans_shrink, 20 * 128, 1},
    {"mappings shrink", mappings_shrink, 3 * 4 * KIB, 1},
    {"mappings become small blocks", mappings_become_small, 0, 1},
    {"small blocks shrink", small_blocks_shrink, 256, 1},
    {"eight threads free at once", many_free_and_sleep, 0, 25},
};

static long stays(long before, long most, int seconds)
{
    enum { LOOKS = 100, LOOK_US = 1000000 / LOOKS };
    long left = 0;
    for (int look = 0; look < seconds * LOOKS; look++) {
        left = status_field("VmRSS:") - before;
        if (left <= most)
            break;
        usleep(LOOK_US);
    }
    return left;
}

int main(void)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            long before = status_field("VmRSS:");
            ways[i].go();
            long most = ALLOWANCE_KIB + ways[i].live_kib * 5 / 4;
            long left = stays(before, most, ways[i].seconds), peak = status_field("VmHWM:") - before;
            int wrong = left > most;
            fprintf(stderr, "%s: %ld of %ld KiB stay\n", ways[i].name, left, peak);
            _exit(wrong || peak < 40 * KIB);
        }
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        failed |= status;
    }
    return failed != 0;
}

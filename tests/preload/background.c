/* SPDX-License-Identifier: MIT */
/*
 * Memory comes back in a process that makes no calls any more, in whatever way it has become unused; and
 * the thread that returns it comes and goes, and is in nobody's way. Each case in a process of its own.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "test.h"

enum { KIB = 1024, MIB = 1024 * 1024, WORKERS = 4, TOTAL = 96 * MIB, BLOCKS_MAX = 1 << 20, DECAY_MS = 300,
       PERIODS_MAX = 60 /* two are enough, if nothing else runs and no thread has come in vain before */ };

static pthread_barrier_t done, over;
static char **block; /* mapped: nothing but the blocks is allocated */
static size_t blocks;

static void sleep_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&time, &time) != 0) {}
}

static int threads(void)
{
    return (int)status_field("Threads:");
}

static void begin(void)
{
    block = mmap(NULL, BLOCKS_MAX * sizeof *block, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(block != MAP_FAILED);
    memset(block, 0, BLOCKS_MAX * sizeof *block);
    pthread_barrier_init(&done, NULL, 2);
    pthread_barrier_init(&over, NULL, WORKERS + 2); /* for ever */
}

/* A size of 0: all sizes. */
static void fill(size_t size)
{
    uint32_t state = 12345;
    for (size_t total = 0; total < TOTAL;) {
        state = state * 1664525 + 1013904223;
        size_t next = size != 0 ? size : (size_t)16 << (state >> 16) % 16;
        char *at = opaque(malloc(next));
        REQUIRE(at != NULL && blocks < BLOCKS_MAX);
        memset(at, 1, next);
        block[blocks++] = at;
        total += next;
    }
}

static void empty(void)
{
    while (blocks > 0)
        free(block[--blocks]);
}

/* ---- ways in which memory becomes unused ------------------------------------- */

static void by_owner(size_t size)
{
    fill(size);
    empty();
}

static void *fill_and_wait(void *size)
{
    fill((size_t)(uintptr_t)size);
    pthread_barrier_wait(&done);
    pthread_barrier_wait(&over);
    return NULL;
}

static void by_another_thread(size_t size)
{
    pthread_t thread;
    pthread_create(&thread, NULL, fill_and_wait, (void *)size);
    pthread_barrier_wait(&done);
    empty();
}

static void *empty_and_wait(void *unused)
{
    empty();
    pthread_barrier_wait(&done);
    pthread_barrier_wait(&over);
    return unused;
}

static void by_one_that_only_frees(size_t size)
{
    pthread_t thread;
    fill(size);
    pthread_create(&thread, NULL, empty_and_wait, NULL);
    pthread_barrier_wait(&done);
}

static void *own_and_wait(void *size)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    by_owner((size_t)(uintptr_t)size);
    pthread_mutex_unlock(&lock);
    pthread_barrier_wait(&done);
    pthread_barrier_wait(&over);
    return NULL;
}

static void by_threads_that_sleep(size_t size)
{
    pthread_t thread;
    pthread_barrier_init(&done, NULL, WORKERS + 1);
    for (int i = 0; i < WORKERS; i++)
        pthread_create(&thread, NULL, own_and_wait, (void *)size);
    pthread_barrier_wait(&done);
}

static void *own_and_end(void *size)
{
    by_owner((size_t)(uintptr_t)size);
    return NULL;
}

static void by_threads_that_end(size_t size)
{
    pthread_t thread;
    for (int i = 0; i < WORKERS; i++) {
        pthread_create(&thread, NULL, own_and_end, (void *)size);
        pthread_join(thread, NULL);
    }
}

static void by_shrinking(size_t size)
{
    fill(size);
    for (size_t i = 0; i < blocks; i++)
        block[i] = opaque(realloc(block[i], size / 64));
}

static void *wait_only(void *unused)
{
    free(opaque(malloc(100))); /* so that it has a heap */
    pthread_barrier_wait(&done);
    pthread_barrier_wait(&over);
    return unused;
}

static void another_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, wait_only, NULL);
    pthread_barrier_wait(&done);
}

static const struct way {
    const char *name;
    void (*use)(size_t size);
    size_t size;
    long stays; /* KiB that are live in the end */
} ways[] = {
    {"small blocks, freed by their owner", by_owner, 200, 0},
    {"larger ones", by_owner, 9000, 0},
    {"large ones", by_owner, 200 * KIB, 0},
    {"huge ones", by_owner, 6 * MIB, 0},
    {"all sizes", by_owner, 0, 0},
    {"small blocks, freed by another thread", by_another_thread, 300, 0},
    {"large blocks, freed by a thread that does nothing else", by_one_that_only_frees, 200 * KIB, 0},
    {"huge ones", by_one_that_only_frees, 6 * MIB, 0},
    {"all sizes, freed by another thread", by_another_thread, 0, 0},
    {"all sizes, by threads that sleep", by_threads_that_sleep, 0, 0},
    {"all sizes, by threads that end", by_threads_that_end, 0, 0},
    {"large blocks that shrink", by_shrinking, 1 * MIB, TOTAL / 64 / KIB},
};

static void use(const char *number, const char *bound, bool threaded)
{
    const struct way *way = &ways[atoi(number)];
    begin();
    if (threaded)
        another_thread();
    long before = status_field("VmRSS:");
    way->use(way->size);
    long left = LONG_MAX;
    for (int i = 0; i < PERIODS_MAX && left > atol(bound); i++) {
        sleep_ms(DECAY_MS);
        left = status_field("VmRSS:") - before - way->stays;
    }
    if (left > atol(bound)) {
        fprintf(stderr, "%s%s: %ld KiB stay\n", way->name, threaded ? ", of several threads" : "", left);
        exit(1);
    }
}

/* ---- the thread ----------------------------------------------------------------- */

static int handled_by;

static void handle(int signal)
{
    (void)signal;
    handled_by = gettid();
}

static void comes_and_goes(void)
{
    begin();
    another_thread();
    REQUIRE(threads() == 2);
    by_owner(100);
    REQUIRE(threads() == 3);
    /* signals are the program's, and what the C library asks of all threads is done */
    signal(SIGUSR1, handle);
    for (int i = 0; i < 20; i++) {
        handled_by = 0;
        kill(getpid(), SIGUSR1);
        while (handled_by == 0)
            sleep_ms(1);
        REQUIRE(handled_by == getpid());
    }
    REQUIRE(setegid(getegid()) == 0);
    /* a child has none, and may have its own */
    pid_t child = fork();
    if (child == 0) {
        REQUIRE(threads() == 1);
        by_owner(100);
        REQUIRE(threads() == 1);
        another_thread();
        by_owner(100);
        _exit(threads() != 3);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child && status == 0);
    for (int i = 0; i < 100 && threads() > 2; i++)
        sleep_ms(DECAY_MS / 10);
    REQUIRE(threads() == 2);
    by_owner(100);
    REQUIRE(threads() == 3);
}

/* A process of one thread has none of its own accord, nor one that is small. */
static void does_not_come(void)
{
    begin();
    by_owner(100);
    REQUIRE(threads() == 1);
}

static void is_not_allowed(void)
{
    begin();
    another_thread();
    by_owner(100);
    REQUIRE(threads() == 2);
}

/* The process ends with its last thread, not with ours; decay_ms is a minute. */
static void *end_last(void *unused)
{
    sleep_ms(50);
    by_owner(100);
    return unused;
}

static void does_not_keep_the_process(void)
{
    pthread_t thread;
    begin();
    alarm(20);
    pthread_create(&thread, NULL, end_last, NULL);
    pthread_exit(NULL);
}

/* ---- all ------------------------------------------------------------------------ */

static void run(const char *options, const char *what, const char *number, const char *bound)
{
    char conf[128];
    snprintf(conf, sizeof conf, "decay_ms=%d,%s", DECAY_MS, options);
    pid_t child = fork();
    if (child == 0) {
        setenv("HAKMEM_CONF", conf, 1);
        execl("/proc/self/exe", "background", what, number, bound, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
    if (status != 0) {
        fprintf(stderr, "%s %s (%s): status %#x\n", what, number, options, (unsigned)status);
        exit(1);
    }
}

static void run_all(void)
{
    char number[16];
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        snprintf(number, sizeof number, "%zu", i);
        run("background=auto", "threads", number, "16384");
        run("background=1", "alone", number, "4096");
    }
    run("background=auto", "comes-and-goes", "", "");
    run("background=auto", "does-not-come", "", "");
    run("background=0", "is-not-allowed", "", "");
    run("decay_ms=60000", "does-not-keep-the-process", "", "");
}

int main(int argc, char **argv)
{
    if (argc < 4)
        run_all();
    else if (strcmp(argv[1], "threads") == 0 || strcmp(argv[1], "alone") == 0)
        use(argv[2], argv[3], argv[1][0] == 't');
    else if (strcmp(argv[1], "comes-and-goes") == 0)
        comes_and_goes();
    else if (strcmp(argv[1], "does-not-come") == 0)
        does_not_come();
    else if (strcmp(argv[1], "is-not-allowed") == 0)
        is_not_allowed();
    else if (strcmp(argv[1], "does-not-keep-the-process") == 0)
        does_not_keep_the_process();
    return 0;
}

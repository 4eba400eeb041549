/* SPDX-License-Identifier: MIT */
/*
 * What the benchmark programs share: arguments, random numbers, blocks, threads, time,
 * the result lines.
 *
 * An operation is a call that allocates, resizes or frees a block: a block that comes
 * and goes makes two. Programs that replace blocks at random are given the number of
 * replacements. SEED is that of the random numbers: with the same one come the same blocks.
 */
#ifndef HAK_BENCH_H
#define HAK_BENCH_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BENCH_THREADS = 1024 }; /* that a benchmark may start */

static inline _Noreturn void bench_fail(const char *message)
{
    fprintf(stderr, "%s\n", message);
    exit(1);
}

/* Prints the usage when it is asked for or when the number of arguments is wrong. */
static inline void bench_help(int argc, char **argv, const char *usage, int least, int most)
{
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(usage, stdout);
        exit(0);
    }
    if (argc - 1 < least || argc - 1 > most) {
        fputs(usage, stderr);
        exit(2);
    }
}

static inline uint64_t bench_number(const char *text, uint64_t least, uint64_t most,
                                    const char *name)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || value < least ||
        value > most) {
        fprintf(stderr, "%s: '%s' is not a number from %llu to %llu\n", name, text,
                (unsigned long long)least, (unsigned long long)most);
        exit(2);
    }
    return value;
}

/* Whether an argument is the first of two words. */
static inline bool bench_choice(const char *text, const char *first, const char *second,
                                const char *name)
{
    if (strcmp(text, first) != 0 && strcmp(text, second) != 0) {
        fprintf(stderr, "%s: '%s' is neither %s nor %s\n", name, text, first, second);
        exit(2);
    }
    return strcmp(text, first) == 0;
}

/* xorshift32 of Marsaglia; the state is never 0. */
static inline uint32_t bench_random(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

/* The state that one of several threads starts from. */
static inline uint32_t bench_seed(uint32_t seed, size_t number)
{
    uint32_t state = (seed + (uint32_t)number * 7919u) * 2654435761u;
    return state != 0 ? state : 1;
}

/* A random number below a bound, without a division. */
static inline uint32_t bench_below(uint32_t *state, uint32_t bound)
{
    return (uint32_t)((uint64_t)bench_random(state) * bound >> 32);
}

/* A random size from smallest to smallest * 2^octaves - 1, each octave as likely as another. */
static inline size_t bench_octaves(uint32_t *state, uint32_t smallest, uint32_t octaves)
{
    uint32_t octave = smallest << bench_below(state, octaves);
    return octave + bench_below(state, octave);
}

/* What was written to the block might be read, and the block be kept, by somebody unknown. */
static inline void bench_use(void *block)
{
    __asm__ volatile("" : : "r"(block) : "memory");
}

static inline void *bench_malloc(size_t size)
{
    void *block = malloc(size);
    if (block == NULL)
        bench_fail("out of memory");
    return block;
}

/* A table, zeroed. */
static inline void *bench_table(size_t count, size_t size)
{
    void *table = calloc(count, size);
    if (table == NULL)
        bench_fail("out of memory");
    return table;
}

static inline pthread_t bench_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, argument) != 0)
        bench_fail("cannot start a thread");
    return thread;
}

/*
 * Runs body with the numbers from 0 in threads, and waits for them. The calling thread is
 * the first of them, so that one thread needs no second.
 */
static inline void bench_run(size_t threads, void *(*body)(void *))
{
    pthread_t thread[BENCH_THREADS];
    for (size_t i = 1; i < threads; i++)
        thread[i] = bench_thread(body, (void *)i);
    body(NULL);
    for (size_t i = 1; i < threads; i++)
        pthread_join(thread[i], NULL);
}

static inline double bench_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline void bench_report(double operations, double seconds)
{
    printf("Operations = %.0f\n", operations);
    printf("Throughput = %.0f operations per second\n", operations / (seconds > 0 ? seconds : 1e-9));
}

#endif

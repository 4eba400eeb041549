/* SPDX-License-Identifier: MIT */
/*
 * Each stage of the shared pool serves at least a tenth of the acquisitions of
 * some workload of several threads.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

enum { STAGES = 5, THREADS = 2, BLOCKS = 60000, ROUNDS = 12 };

static const char *const names[STAGES] = {"stage0_l0", "stage0_5_empty", "stage1_lockfree",
                                          "stage2_lockfree", "stage3"};

static void read_counters(long counter[STAGES])
{
    int (*print)(int, int) = (int (*)(int, int))dlsym(RTLD_DEFAULT, "hak_stats_print");
    REQUIRE(print != NULL);
    char text[32768];
    FILE *file = tmpfile();
    REQUIRE(file != NULL && print(fileno(file), 1) == 0);
    ssize_t length = pread(fileno(file), text, sizeof text - 1, 0);
    REQUIRE(length > 0);
    text[length] = '\0';
    fclose(file);
    for (int i = 0; i < STAGES; i++) {
        char field[64];
        snprintf(field, sizeof field, "\"%s\":", names[i]);
        const char *found = strstr(text, field);
        REQUIRE(found != NULL);
        counter[i] = atol(found + strlen(field));
    }
}

static void *filled(size_t size)
{
    char *block = opaque(malloc(size));
    REQUIRE(block != NULL);
    block[0] = 1;
    return block;
}

/* Grows only: slots of SuperSlabs, and new SuperSlabs for the slabs of half a MiB. */
static void *grow(void *size)
{
    void **block = malloc(BLOCKS * sizeof *block);
    size_t count = (size_t)size > 10000 ? 300 : BLOCKS;
    for (size_t i = 0; i < count; i++)
        block[i] = filled((size_t)size);
    return block;
}

/* Fills a few slabs, empties them, fills them again. */
static void *empty_again(void *unused)
{
    enum { FEW = 400 };
    void *block[FEW];
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < FEW; i++)
            block[i] = filled(1000);
        for (int i = 0; i < FEW; i++)
            free(block[i]);
    }
    return unused;
}

/* Frees every second block of its few own slabs, more than its bin takes, then needs blocks again. */
static void *own_partial(void *unused)
{
    enum { SOME = 40, SIZE = 32000 };
    static __thread void *block[SOME];
    for (int i = 0; i < SOME; i++)
        block[i] = filled(SIZE);
    for (int round = 0; round < 500; round++) {
        for (int i = round % 2; i < SOME; i += 2)
            free(block[i]);
        for (int i = round % 2; i < SOME; i += 2)
            block[i] = filled(SIZE);
    }
    return unused;
}

/* Half of the blocks of threads that have ended: their slabs are adopted. */
static void *inherit(void *handed)
{
    void **block = handed;
    for (int i = 0; i < BLOCKS; i += 2) {
        free(block[i]);
        block[i] = NULL;
    }
    for (int i = 0; i < BLOCKS; i += 2)
        block[i] = filled(100);
    return block;
}

static void run(void *(*function)(void *), void *argument[THREADS], void *result[THREADS])
{
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&thread[i], NULL, function, argument[i]) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], &result[i]);
}

/* Runs a workload in rounds and keeps the best share of each stage. */
static void measure(const char *name, void *(*function)(void *), void *argument[THREADS],
                    int rounds, double best[STAGES])
{
    long before[STAGES], after[STAGES], total = 0;
    read_counters(before);
    for (int round = 0; round < rounds; round++)
        run(function, argument, argument);
    read_counters(after);
    for (int i = 0; i < STAGES; i++)
        total += after[i] - before[i];
    printf("%-12s %6ld acquisitions:", name, total);
    for (int i = 0; i < STAGES; i++) {
        double share = total > 0 ? (double)(after[i] - before[i]) / (double)total : 0;
        printf(" %s %.2f", names[i], share);
        if (share > best[i])
            best[i] = share;
    }
    printf("\n");
}

int main(void)
{
    double best[STAGES] = {0};
    void *wide[THREADS] = {(void *)60000, (void *)60000};
    void *blocks[THREADS] = {(void *)100, (void *)100};
    void *none[THREADS] = {NULL, NULL};

    measure("wide slabs", grow, wide, 1, best);
    measure("growth", grow, blocks, 1, best);
    measure("inheritance", inherit, blocks, ROUNDS, best);
    measure("own partial", own_partial, none, 1, best);
    measure("empty again", empty_again, none, 1, best);
    for (int i = 0; i < STAGES; i++)
        REQUIRE(best[i] >= 0.1);
    return 0;
}

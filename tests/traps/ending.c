/* SPDX-License-Identifier: MIT */
/* Threads that come and go: memory stays bounded however many, and whoever frees. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "cases.h"

enum { THREADS_LEAST = 2000, THREADS_MOST = 200000, SECONDS = 8, MIB = 1024 };

static void bounded(long before, long most)
{
    long now = status_field("VmRSS:");
    printf("%ld KiB more\n", now - before);
    if (now - before > most) {
        fprintf(stderr, "grew from %ld to %ld KiB\n", before, now);
        exit(1);
    }
}

static void *leave_blocks(void *handed)
{
    free(handed);
    for (size_t i = 0; i < 20; i++)
        free(filled(16 + i * 60));
    return filled(2000);
}

static void *never_allocates(void *unused)
{
    return unused;
}

/* Each frees what the one before allocated; every second one allocates nothing. */
static void case_many(void)
{
    void *handed = NULL;
    time_t began = time(NULL);
    long before = 0;
    int count = 0;
    for (; count < THREADS_LEAST || (count < THREADS_MOST && time(NULL) - began < SECONDS); count++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, count % 2 == 0 ? leave_blocks : never_allocates,
                               handed) == 0);
        pthread_join(thread, &handed);
        if (count == 200)
            before = status_field("VmRSS:");
    }
    free(handed);
    printf("%d threads, ", count);
    bounded(before, 2 * MIB);
}

static sem_t ended;

static void *detached(void *handed)
{
    leave_blocks(handed);
    sem_post(&ended);
    return NULL;
}

/* Nobody joins them, and what they got last is freed by the destructors that run at their end. */
static void case_detached(void)
{
    pthread_attr_t attributes;
    pthread_key_t key;
    REQUIRE(sem_init(&ended, 0, 0) == 0 && pthread_key_create(&key, free) == 0);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < 2000; i++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, &attributes, detached, filled(100)) == 0);
        sem_wait(&ended);
    }
    pthread_attr_destroy(&attributes);
}

/* ---- one thread allocates, another frees ---------------------------------------- */

enum { RING = 4096, EXCHANGED = 640000 };
static void *ring[RING];
static sem_t room, there;

static void *consume(void *unused)
{
    (void)unused;
    for (int i = 0; i < EXCHANGED; i++) {
        if (i % 64 == 0)
            for (int j = 0; j < 64; j++)
                sem_wait(&there);
        free(ring[i % RING]);
        sem_post(&room);
    }
    return NULL;
}

static void case_consumer(void)
{
    pthread_t consumer;
    REQUIRE(sem_init(&room, 0, RING) == 0 && sem_init(&there, 0, 0) == 0);
    long before = status_field("VmRSS:");
    REQUIRE(pthread_create(&consumer, NULL, consume, NULL) == 0);
    for (int i = 0; i < EXCHANGED / 64 * 64; i++) {
        sem_wait(&room);
        ring[i % RING] = filled(16 + (size_t)i * 7 % 600);
        sem_post(&there);
    }
    pthread_join(consumer, NULL);
    bounded(before, 24 * MIB);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"many", case_many},
        {"detached", case_detached},
        {"consumer", case_consumer},
    };
    return RUN_CASE(cases, argc > 1 ? argv[1] : NULL);
}

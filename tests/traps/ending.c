/* SPDX-License-Identifier: MIT */
/* Threads that come and go: memory stays bounded however many, however they end, and whoever frees. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <threads.h>
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

static void leave_twenty(void *handed)
{
    free(leave_blocks(handed));
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

/* ---- ways to end, and first calls that come late ---------------------------------- */

/* One thread at a time, with a block of its own. */
static void end_many(void *(*function)(void *), void (*interrupt)(pthread_t))
{
    enum { WARM_UP = 100, COUNT = 1500 };
    long before = 0;
    for (int i = 0; i < WARM_UP + COUNT; i++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, function, filled(100 + (size_t)i % 9 * 90)) == 0);
        if (interrupt != NULL)
            interrupt(thread);
        REQUIRE(pthread_join(thread, NULL) == 0);
        if (i == WARM_UP)
            before = status_field("VmRSS:");
    }
    bounded(before, 2 * MIB);
}

static pthread_key_t late_key;
static int late_round, forks_late; /* in which round of destructors the first call comes */
static _Thread_local int round_now;

static void call_late(void *block)
{
    if (round_now++ < late_round) {
        pthread_setspecific(late_key, block);
        return;
    }
    if (late_round > 0)
        leave_twenty(NULL);
    if (forks_late) {
        int status = 0;
        pid_t child = fork();
        if (child == 0) {
            leave_twenty(block);
            _exit(0);
        }
        REQUIRE(waitpid(child, &status, 0) == child && status == 0);
    }
    free(filled(300000));
    free(block);
}

static void *only_free_late(void *block)
{
    pthread_setspecific(late_key, block);
    return NULL;
}

static void case_late_free(void)
{
    REQUIRE(pthread_key_create(&late_key, free) == 0);
    end_many(only_free_late, NULL);
}

static void case_late(void)
{
    REQUIRE(pthread_key_create(&late_key, call_late) == 0);
    for (late_round = 0; late_round < 4; late_round++)
        end_many(only_free_late, NULL);
}

static void case_late_fork(void)
{
    REQUIRE(pthread_key_create(&late_key, call_late) == 0);
    forks_late = late_round = 1;
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, only_free_late, filled(100)) == 0);
        REQUIRE(pthread_join(thread, NULL) == 0);
    }
}

/* Without the C library's knowledge: no destructor runs. */
static void *exit_unseen(void *block)
{
    leave_twenty(block);
    syscall(SYS_exit, 0);
    return NULL;
}

static void case_exit_unseen(void)
{
    end_many(exit_unseen, NULL);
}

static void *exit_as_in_c11(void *block)
{
    leave_twenty(block);
    thrd_exit(0);
}

static void case_thrd_exit(void)
{
    end_many(exit_as_in_c11, NULL);
}

static void *allocate_and_wait(void *block)
{
    leave_twenty(block);
    sem_post(&ended);
    for (;;)
        pause();
    return NULL;
}

static void cancel(pthread_t thread)
{
    sem_wait(&ended);
    pthread_cancel(thread);
}

static void case_cancelled(void)
{
    REQUIRE(sem_init(&ended, 0, 0) == 0);
    end_many(allocate_and_wait, cancel);
}

static void end_here(int signal_number)
{
    (void)signal_number;
    pthread_exit(NULL);
}

static void send_end(pthread_t thread)
{
    sem_wait(&ended);
    pthread_kill(thread, SIGUSR1);
}

static void case_signalled(void)
{
    REQUIRE(sem_init(&ended, 0, 0) == 0 && signal(SIGUSR1, end_here) != SIG_ERR);
    end_many(allocate_and_wait, send_end);
}

static void *outlive(void *main_thread)
{
    REQUIRE(pthread_join(*(pthread_t *)main_thread, NULL) == 0);
    for (int i = 0; i < 100; i++)
        free(leave_blocks(NULL));
    exit(0);
}

static void case_main_ends(void)
{
    static pthread_t self, other;
    self = pthread_self();
    free(leave_blocks(NULL));
    REQUIRE(pthread_create(&other, NULL, outlive, &self) == 0);
    pthread_exit(NULL);
}

/* Before any library's constructor: no key is left for them. */
static void take_keys(int argc, char **argv)
{
    pthread_key_t key;
    if (argc > 1 && strcmp(argv[1], "keyless") == 0)
        while (pthread_key_create(&key, NULL) == 0)
            continue;
}
static void (*const early)(int, char **) __attribute__((section(".preinit_array"), used)) = take_keys;

static void *end_without_key(void *block)
{
    leave_twenty(block);
    return NULL;
}

static void case_keyless(void)
{
    pthread_key_t key;
    REQUIRE(pthread_key_create(&key, NULL) != 0);
    end_many(end_without_key, NULL);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"many", case_many},
        {"detached", case_detached},
        {"consumer", case_consumer},
        {"late_free", case_late_free},
        {"late", case_late},
        {"late_fork", case_late_fork},
        {"exit_unseen", case_exit_unseen},
        {"thrd_exit", case_thrd_exit},
        {"cancelled", case_cancelled},
        {"signalled", case_signalled},
        {"main_ends", case_main_ends},
        {"keyless", case_keyless},
    };
    return RUN_CASE(cases, argc > 1 ? argv[1] : NULL);
}

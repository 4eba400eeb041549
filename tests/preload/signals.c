/* SPDX-License-Identifier: MIT */
/*
 * Signal handlers that do what signal-safety(7) forbids and programs do all the same: they
 * allocate and fork, up to a thousand times a second, whatever they interrupt. The process may find
 * that a thread waits for itself and end with a message; it must not hang.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

enum { MILLISECONDS = 1500, PATIENCE = 30, THREADS = 3 };

static size_t smallest, largest;
static __thread void *handlers_block;
static __thread unsigned handlers_seed;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static size_t any_size(unsigned *seed)
{
    return smallest + (size_t)rand_r(seed) % (largest - smallest + 1);
}

/* The next signal comes some time after the handler, however long that takes. */
static void wind_up(void)
{
    struct itimerval timer = {{0, 0}, {0, 1000}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* Keeps a block from one signal to the next. */
static void allocate(int number)
{
    (void)number;
    int saved = errno;
    free(handlers_block);
    handlers_block = opaque(malloc(any_size(&handlers_seed)));
    wind_up();
    errno = saved;
}

static void fork_and_allocate(int number)
{
    (void)number;
    int saved = errno;
    pid_t child = fork();
    if (child == 0) {
        free(opaque(malloc(largest)));
        _exit(0);
    }
    if (child > 0)
        waitpid(child, NULL, 0);
    wind_up();
    errno = saved;
}

static void churn(double until)
{
    enum { BLOCKS = 64 };
    void *block[BLOCKS] = {NULL};
    unsigned seed = 1;
    while (seconds() < until)
        for (int i = 0; i < 200; i++) {
            void **at = &block[rand_r(&seed) % BLOCKS];
            free(*at);
            *at = opaque(malloc(any_size(&seed)));
        }
    for (int i = 0; i < BLOCKS; i++)
        free(block[i]);
}

static void *churn_thread(void *until)
{
    churn(*(double *)until);
    return NULL;
}

/* In a process of its own; the timer's signals go to any thread. */
static void interrupted(void (*handler)(int))
{
    pthread_t thread[THREADS];
    double until = seconds() + MILLISECONDS / 1e3;
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    REQUIRE(sigaction(SIGALRM, &action, NULL) == 0);
    wind_up();
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&thread[i], NULL, churn_thread, &until) == 0);
    churn(until);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    signal(SIGALRM, SIG_IGN);
}

static bool ends(pid_t child, int *status)
{
    for (int i = 0; i < PATIENCE * 100; i++) {
        if (waitpid(child, status, WNOHANG) == child)
            return true;
        usleep(10000);
    }
    kill(child, SIGKILL);
    waitpid(child, status, 0);
    return false;
}

/* How it ended, having ended. */
static int run(const char *name, void (*handler)(int), size_t from, size_t to)
{
    int status = 0;
    smallest = from;
    largest = to;
    fflush(stdout);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        interrupted(handler);
        _exit(0);
    }
    bool ended = ends(child, &status);
    printf("%s, %zu to %zu bytes: %s %d\n", name, from, to,
           !ended ? "HANGS" : WIFEXITED(status) ? "exit" : "signal",
           WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    REQUIRE(ended);
    return status;
}

int main(void)
{
    run("allocating", allocate, 16, 1000);
    run("allocating", allocate, 8 << 10, 64 << 10);
    run("allocating", allocate, 100 << 10, 8 << 20);
    REQUIRE(run("forking", fork_and_allocate, 16, 1000) == 0);
    REQUIRE(run("forking", fork_and_allocate, 100 << 10, 8 << 20) == 0);
    return 0;
}

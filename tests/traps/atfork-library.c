/* SPDX-License-Identifier: MIT */
/*
 * A library with handlers of fork that wait for threads which allocate, as numeric libraries and
 * those with a mutex of their own do. It has no other constructor, so that nothing has allocated
 * before it registers them.
 */
#include "atfork-library.h"

#include <stdbool.h>
#include <stdlib.h>

void *(*library_malloc)(size_t size) = malloc;
void (*library_free)(void *block) = free;
pthread_mutex_t library_mutex = PTHREAD_MUTEX_INITIALIZER;
const char *library_case = "";
int library_handled;

static pthread_mutex_t state = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_t worker;
static bool running, stop;

void library_churn(void)
{
    enum { BLOCKS = 40 };
    static const size_t sizes[] = {24, 700, 9000, 100000, 3 << 20};
    char *block[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t size = sizes[i % 5];
        block[i] = library_malloc(size);
        if (block[i] == NULL)
            abort();
        block[i][0] = block[i][size - 1] = 1;
    }
    for (size_t i = 0; i < BLOCKS; i++)
        library_free(block[i]);
}

static void *work(void *unused)
{
    library_churn();
    pthread_mutex_lock(&state);
    while (!stop)
        pthread_cond_wait(&changed, &state);
    pthread_mutex_unlock(&state);
    library_churn();
    return unused;
}

void library_use_worker(void)
{
    pthread_mutex_lock(&state);
    if (!running) {
        stop = false;
        running = pthread_create(&worker, NULL, work, NULL) == 0;
    }
    pthread_mutex_unlock(&state);
}

static void join_worker(void)
{
    pthread_mutex_lock(&state);
    bool was_running = running;
    stop = true;
    running = false;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&state);
    if (was_running)
        pthread_join(worker, NULL);
}

static void *churn_once(void *unused)
{
    library_churn();
    return unused;
}

/* A thread of the handler's own, which it waits for. */
static void run_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, churn_once, NULL) != 0)
        abort();
    pthread_join(thread, NULL);
}

static bool in_case(const char *name)
{
    return strcmp(library_case, name) == 0;
}

static void prepare(void)
{
    library_handled++;
    if (in_case("mutex"))
        pthread_mutex_lock(&library_mutex);
    if (in_case("join"))
        join_worker();
    if (in_case("threads"))
        run_thread();
    library_churn();
}

static void after(void)
{
    library_handled++;
    library_churn();
    if (in_case("mutex"))
        pthread_mutex_unlock(&library_mutex);
    if (in_case("threads"))
        run_thread();
}

static __attribute__((constructor)) void begin(void)
{
    pthread_atfork(prepare, after, after);
}

/* SPDX-License-Identifier: MIT */
/*
 * Forks while a library's handlers wait for threads that allocate: `atfork CASE [LIBRARY]`. With
 * LIBRARY that one is opened late, and its hak_malloc is what allocates.
 */
#include <dlfcn.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../preload/test.h"
#include "atfork-library.h"

enum { FORKS = 60, THREADS = 2 };

static atomic_bool stop, holding, forking;

/* Holds the mutex until a fork begins, and leaves it to the handler until that is over. */
static void *allocate_under_mutex(void *unused)
{
    while (!atomic_load(&stop)) {
        pthread_mutex_lock(&library_mutex);
        atomic_store(&holding, true);
        do
            library_churn();
        while (!atomic_load(&forking) && !atomic_load(&stop));
        atomic_store(&holding, false);
        pthread_mutex_unlock(&library_mutex);
        while (atomic_load(&forking))
            sched_yield();
    }
    return unused;
}

static void *allocate(void *unused)
{
    while (!atomic_load(&stop))
        library_churn();
    return unused;
}

static void fork_once(void)
{
    int before = library_handled, status = 0;
    pid_t child = fork();
    if (child == 0) {
        library_churn();
        _exit(library_handled == before + 2 ? 0 : 1);
    }
    REQUIRE(child > 0);
    REQUIRE(library_handled == before + 2);
    REQUIRE(waitpid(child, &status, 0) == child && status == 0);
}

static void open_late(const char *path)
{
    void *library = dlopen(path, RTLD_NOW);
    if (library == NULL)
        fprintf(stderr, "%s\n", dlerror());
    REQUIRE(library != NULL);
    library_malloc = (void *(*)(size_t))dlsym(library, "hak_malloc");
    library_free = (void (*)(void *))dlsym(library, "hak_free");
    REQUIRE(library_malloc != NULL && library_free != NULL);
}

int main(int count, char **arguments)
{
    pthread_t thread[THREADS];
    REQUIRE(count >= 2);
    if (count > 2)
        open_late(arguments[2]);
    library_case = arguments[1];
    if (strcmp(library_case, "alone") != 0)
        for (int i = 0; i < THREADS; i++)
            REQUIRE(pthread_create(&thread[i], NULL, i == 0 ? allocate_under_mutex : allocate,
                                   NULL) == 0);
    bool mutex = strcmp(library_case, "mutex") == 0;
    for (int i = 0; i < FORKS; i++) {
        if (strcmp(library_case, "join") == 0)
            library_use_worker();
        while (mutex && !atomic_load(&holding))
            sched_yield();
        atomic_store(&forking, mutex);
        fork_once();
        atomic_store(&forking, false);
    }
    atomic_store(&stop, true);
    if (strcmp(library_case, "alone") != 0)
        for (int i = 0; i < THREADS; i++)
            pthread_join(thread[i], NULL);
    return 0;
}

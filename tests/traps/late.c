/* SPDX-License-Identifier: MIT */
/* Opens the library of its argument when threads run already; each of them and later ones use it. */
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "../preload/test.h"

enum { THREADS = 4 };

static pthread_barrier_t opened;
static void *(*allocate)(size_t size);
static void (*release)(void *block);

static void *work(void *unused)
{
    for (size_t i = 1; i < 3000000; i += i / 8 + 1)
        release(memset(allocate(i), 1, i));
    return unused;
}

static void *wait_and_work(void *unused)
{
    pthread_barrier_wait(&opened);
    return work(unused);
}

int main(int count, char **arguments)
{
    pthread_t threads[2 * THREADS];
    REQUIRE(count == 2);
    pthread_barrier_init(&opened, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, wait_and_work, NULL) == 0);
    void *library = dlopen(arguments[1], RTLD_NOW);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        _Exit(1);
    }
    allocate = (void *(*)(size_t))dlsym(library, "malloc");
    release = (void (*)(void *))dlsym(library, "free");
    REQUIRE(allocate != NULL && release != NULL);
    pthread_barrier_wait(&opened);
    work(NULL);
    for (int i = THREADS; i < 2 * THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, work, NULL) == 0);
    for (int i = 0; i < 2 * THREADS; i++)
        REQUIRE(pthread_join(threads[i], NULL) == 0);
    REQUIRE(dlclose(library) == 0);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* Memory that was given back reads as zero afterwards; threads and children work. */
#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"

enum { BLOCKS = 2000, ROUNDS = 4, THREADS = 3 };

static const size_t sizes[] = {48, 700, 5000, 60000, 300000, 3000000, 50000000};

static void require_zero(size_t size)
{
    char *block = opaque(calloc(1, size));
    REQUIRE(block != NULL);
    for (size_t i = 0; i < size; i++)
        REQUIRE(block[i] == 0);
    free(block);
}

static void purge_and_look(void)
{
    static char *block[BLOCKS];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t count = ((size_t)16 << 20) / sizes[i] + 1;
        count = count < BLOCKS ? count : BLOCKS;
        for (size_t k = 0; k < count; k++)
            block[k] = filled(sizes[i]);
        for (size_t k = 0; k < count; k++)
            free(block[k]);
        malloc_trim(0);
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
            require_zero(sizes[k]);
    }
}

static void *live(void *unused)
{
    for (int i = 0; i < 2000; i++)
        free(filled((size_t)i * 7 + 1));
    return unused;
}

static void threads_and_child(void)
{
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&thread[i], NULL, live, NULL) == 0);
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        live(NULL);
        _exit(0);
    }
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_join(thread[i], NULL) == 0);
}

int main(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        purge_and_look();
        threads_and_child();
    }
    return 0;
}

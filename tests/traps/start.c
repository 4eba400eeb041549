/* SPDX-License-Identifier: MIT */
/* A little of everything that a program does in its first moments, and its last. */
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../preload/test.h"

static void *work(void *unused)
{
    void *blocks[64];
    (void)unused;
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 64; i++) {
            blocks[i] = opaque(malloc((i * i * i + 1) << (i == 63)));
            REQUIRE(blocks[i] != NULL);
            memset(blocks[i], 1, i);
        }
        for (size_t i = 0; i < 64; i++) {
            if (i % 3 == 0)
                blocks[i] = realloc(blocks[i], 3 * i * i * i + 1);
            free(blocks[i]);
        }
    }
    return opaque(malloc(100));
}

int main(void)
{
    pthread_t threads[3];
    char *aligned = aligned_alloc(4096, 40000);
    REQUIRE(aligned != NULL);
    char *huge = calloc(1, 20 << 20);
    REQUIRE(huge != NULL && huge[(20 << 20) - 1] == 0);
    free(realloc(huge, 30 << 20));
    for (int i = 0; i < 3; i++)
        REQUIRE(pthread_create(&threads[i], NULL, work, NULL) == 0);
    free(work(NULL));
    for (int i = 0; i < 3; i++) {
        void *block;
        REQUIRE(pthread_join(threads[i], &block) == 0);
        free(block);
    }
    malloc_trim(0);
    pid_t child = fork();
    if (child == 0) {
        free(work(NULL));
        exit(7);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
    free(aligned);
    return 0;
}

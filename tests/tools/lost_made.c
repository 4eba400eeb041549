/* SPDX-License-Identifier: MIT */
/* A process that is gone while it is read, or whose first thread is; see lost.sh. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCKS = 2000000, BLOCKS_OF_PROGRAM = 3000, SIZE = 500 };

static struct node {
    struct node *next;
    char rest[24];
} *list;

static uintptr_t hidden; /* the address that is told: no pointer leads there from here */

static void *volatile kept;

/* A list takes longest to be followed. */
static void fill(int blocks)
{
    for (int i = 0; i < blocks; i++) {
        struct node *node = malloc(sizeof *node);
        if (node == NULL)
            abort();
        memset(node, 1, sizeof *node);
        node->next = list;
        list = node;
        if (i == 0)
            hidden = ~(uintptr_t)node;
    }
}

static void wait_for_ever(void)
{
    printf("ready %p\n", (void *)~hidden);
    fflush(stdout);
    for (;;)
        pause();
}

static void *go_on(void *first)
{
    pthread_join(*(pthread_t *)first, NULL);
    kept = malloc(SIZE);
    hidden = ~(uintptr_t)kept;
    wait_for_ever();
    return NULL;
}

int main(int argc, char **argv)
{
    static pthread_t first;
    pthread_t other;
    first = pthread_self();
    if (argc == 2 && strcmp(argv[1], "many") == 0) {
        fill(BLOCKS);
        wait_for_ever();
    }
    if (argc == 2 && strcmp(argv[1], "first") == 0 && pthread_create(&other, NULL, go_on, &first) == 0)
        pthread_exit(NULL);
    if (argc == 2 && strcmp(argv[1], "programs") == 0) {
        fill(BLOCKS_OF_PROGRAM);
        usleep(20000);
        execv("/proc/self/exe", argv);
    }
    return 1;
}

/* SPDX-License-Identifier: MIT */
/*
 * handlers: what a program does when memory runs out, and before it is ended for a mistake.
 *
 *     cc handlers.c $(pkg-config --cflags --libs hakmem)
 */
#include <hakmem/hakmem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *reserve;

/* Gives the reserve back once; after that there is none, and allocations fail. */
static bool use_reserve(size_t size)
{
    if (reserve == NULL)
        return false;
    fprintf(stderr, "the reserve is given back for %zu bytes\n", size);
    free(reserve);
    reserve = NULL;
    return true;
}

/* Writes to a log without allocating, since the heap may be broken. */
static void tell(const char *message)
{
    static const char start[] = "log: ";
    if (write(STDOUT_FILENO, start, sizeof start - 1) < 0 ||
        write(STDOUT_FILENO, message, strlen(message)) < 0)
        return;
}

static int number;

int main(void)
{
    hak_oom_handler_set(use_reserve);
    hak_error_handler_set(tell);
    reserve = malloc((size_t)30 << 20);
    if (reserve == NULL || hak_limit_set(HAK_LIMIT_HARD, (size_t)64 << 20) != 0)
        return EXIT_FAILURE;
    void *block = malloc((size_t)50 << 20);
    printf("50 MiB under a limit of 64 MiB: %s\n", block != NULL ? "served" : "refused");
    fflush(stdout);
    free(block);

    /* a child makes the mistake, which ends it */
    pid_t child = fork();
    if (child == 0)
        hak_free(&number);
    int status = 0;
    if (child == -1 || waitpid(child, &status, 0) != child || !WIFSIGNALED(status))
        return EXIT_FAILURE;
    printf("the child was ended by: %s\n", strsignal(WTERMSIG(status)));
    return EXIT_SUCCESS;
}

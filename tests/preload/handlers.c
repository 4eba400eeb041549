/* SPDX-License-Identifier: MIT */
/*
 * A mistake that is made while another is reported, in the handler of SIGABRT or of errors, or after
 * such a handler was left: each is told once, and the process ends.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

static char static_bytes[64] __attribute__((aligned(16)));
static int *handled; /* how often a handler ran; shared with the child */

static void misuse_again(int signal_number)
{
    if (++*handled > 3)
        _exit(3);
    free(static_bytes + 16);
    signal(signal_number, SIG_DFL);
}

static void misuse_in_error_handler(const char *message)
{
    misuse_again(message != NULL ? SIGABRT : 0);
}

enum where { IN_SIGABRT, IN_SIGABRT_REENTERED, IN_ERROR_HANDLER, AFTER_LEAVING, PLACES };

static sigjmp_buf outside;

static void leave(int signal_number)
{
    (void)signal_number;
    if (++*handled > 3)
        _exit(3);
    siglongjmp(outside, 1);
}

/* A mistake, and another while the first is handled or after the handler was left. */
static void twice(enum where where)
{
    typedef void handler_fn(const char *message);
    struct sigaction action = {.sa_handler = where == AFTER_LEAVING ? leave : misuse_again};
    action.sa_flags = where == IN_SIGABRT_REENTERED ? SA_NODEFER : 0;
    handler_fn *(*set)(handler_fn *) =
        (handler_fn * (*)(handler_fn *))dlsym(RTLD_DEFAULT, "hak_error_handler_set");
    if (where == IN_ERROR_HANDLER)
        set(misuse_in_error_handler);
    else
        sigaction(SIGABRT, &action, NULL);
    sigsetjmp(outside, 1);
    free(opaque(static_bytes));
}

static size_t read_all(int fd, char *text, size_t size)
{
    size_t length = 0;
    ssize_t got = 0;
    while (length < size && (got = read(fd, text + length, size - length)) > 0)
        length += (size_t)got;
    return length;
}

/* The handler runs once, and two lines say what happened. */
static void check_twice(enum where where)
{
    int said[2], status = 0;
    char text[1000];
    *handled = 0;
    REQUIRE(pipe(said) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(said[1], 2);
        twice(where);
        _exit(0);
    }
    close(said[1]);
    text[read_all(said[0], text, sizeof text - 1)] = '\0';
    close(said[0]);
    REQUIRE(waitpid(child, &status, 0) == child);
    char expected[200];
    snprintf(expected, sizeof expected, "hakmem[%.64s:%d]: free(", program_invocation_short_name,
             (int)child);
    const char *second = strchr(text, '\n');
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || *handled != 1 || second == NULL ||
        strncmp(second + 1, expected, strlen(expected)) != 0) {
        fprintf(stderr, "place %d: %d handlers, status %d, '%s'\n", where, *handled, status, text);
        exit(1);
    }
}

int main(void)
{
    handled = mmap(NULL, sizeof *handled, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(handled != MAP_FAILED);
    for (int where = 0; where < PLACES; where++)
        check_twice((enum where)where);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * measure FILE COMMAND [ARGUMENT ...]: runs a command and writes its elapsed
 * seconds, its processor seconds and the largest resident size in KiB of it or
 * of one of its children to FILE. Exits as the command does.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        bench_fail("usage: measure FILE COMMAND [ARGUMENT ...]");
    double start = bench_now();
    pid_t child = fork();
    if (child < 0)
        bench_fail("measure: cannot start a process");
    if (child == 0) {
        /* the library under test is for the command alone */
        const char *preload = getenv("MEASURE_PRELOAD");
        if (preload != NULL && *preload != '\0')
            setenv("LD_PRELOAD", preload, 1);
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    int status = 0;
    struct rusage usage;
    if (wait4(child, &status, 0, &usage) != child)
        bench_fail("measure: lost the command");
    FILE *out = fopen(argv[1], "w");
    if (out == NULL)
        bench_fail("measure: cannot write the result");
    fprintf(out, "%.3f %.3f %ld\n", bench_now() - start,
            seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss);
    fclose(out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* SPDX-License-Identifier: MIT */
/*
 * start COUNT PROGRAM [ARGUMENT ...]: what it costs to start a program and end it, as a
 * shell script does all the time. The allocator that is preloaded into this program is
 * preloaded into those that it starts.
 *
 * COUNT  starts, one after another; each is an operation. Exits with status 77 when there
 *        is no such program.
 */
#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>

#include "bench.h"

enum { MISSING = 77 };

extern char **environ;

static void run(char **command)
{
    pid_t child;
    int status = posix_spawnp(&child, command[0], NULL, NULL, command, environ);
    if (status == ENOENT)
        exit(MISSING);
    if (status != 0 || waitpid(child, &status, 0) != child || status != 0)
        bench_fail("the program does not start, or fails");
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: start COUNT PROGRAM [ARGUMENT ...]\n"
                                "e.g.   start 1000 true\n";
    bench_help(argc, argv, usage, 2, 1000);
    uint64_t count = bench_number(argv[1], 1, 1 << 30, "COUNT");
    double start = bench_now();
    for (uint64_t i = 0; i < count; i++)
        run(argv + 2);
    bench_report((double)count, bench_now() - start);
    return 0;
}

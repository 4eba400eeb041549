/* SPDX-License-Identifier: MIT */
/* What the benchmark programs share: arguments, time, the result line. */
#ifndef HAK_BENCH_H
#define HAK_BENCH_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BENCH_THREADS = 1024 }; /* that a benchmark may start */

static inline _Noreturn void bench_fail(const char *message)
{
    fprintf(stderr, "%s\n", message);
    exit(1);
}

/* Prints the usage when it is asked for or when the number of arguments is wrong. */
static inline void bench_help(int argc, char **argv, const char *usage, int least, int most)
{
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(usage, stdout);
        exit(0);
    }
    if (argc - 1 < least || argc - 1 > most) {
        fputs(usage, stderr);
        exit(2);
    }
}

static inline uint64_t bench_number(const char *text, uint64_t least, uint64_t most,
                                    const char *name)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || value < least ||
        value > most) {
        fprintf(stderr, "%s: '%s' is not a number from %llu to %llu\n", name, text,
                (unsigned long long)least, (unsigned long long)most);
        exit(2);
    }
    return value;
}

static inline double bench_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline void bench_report(double operations, double seconds)
{
    printf("Operations = %.0f\n", operations);
    printf("Throughput = %.0f operations per second\n", operations / (seconds > 0 ? seconds : 1e-9));
}

#endif

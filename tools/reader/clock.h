/* SPDX-License-Identifier: MIT */
/* The monotonic clock, which the library reads, too. */
#ifndef HAK_TOOLS_READER_CLOCK_H
#define HAK_TOOLS_READER_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Tenths of a second, as the heap profiler has the times of samples. */
static inline uint64_t clock_tenths(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 10 + (uint64_t)now.tv_nsec / 100000000;
}

#endif

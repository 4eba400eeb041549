/* SPDX-License-Identifier: MIT */
/* A walk from within malloc, beside that of libunwind from the same place. */
#ifndef TAKE_H
#define TAKE_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FRAME __attribute__((noinline))
/* Behind a call, so that it does not take the place of a return. */
#define STAY() __asm__ volatile("" : : : "memory")

/* Switches the profiler on for every allocation. */
void take_start(void);

/* Allocates, and keeps what libunwind says of the caller's callers, if it is there. */
void take(const char *name);

/* The same in a handler of a signal for each of many places: only what differs is told. */
void take_and_compare(const char *name);

/*
 * Compares what the profiler has recorded with libunwind for all that was taken. How many differ; each
 * is told.
 */
int take_compare(void);

/* How many stacks, and frames of them, were the same. */
extern unsigned long take_stacks, take_frames;

/* Set where a debugger looks on: no single steps, and no comparison of thousands. */
bool take_is_quick(void);

#ifdef __cplusplus
}
#endif
#endif

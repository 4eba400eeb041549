/* SPDX-License-Identifier: MIT */
/* Work for a library whose system calls fail: allocations may fail, nothing else may go wrong. */
#ifndef HAK_TESTS_WORKLOAD_H
#define HAK_TESTS_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

struct workload {
    const char *name;
    void (*run)(uint32_t seed); /* has freed everything and ended all threads when it returns */
    bool steady;                /* does the same each time when nothing fails */
};

extern const struct workload workloads[], brief_workload;
extern const int workload_count;

/* Ends the process in a message. */
_Noreturn void workload_fail(const char *what);

#endif

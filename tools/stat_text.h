/* SPDX-License-Identifier: MIT */
/* What hakmem stat says to people. */
#ifndef HAK_TOOLS_STAT_TEXT_H
#define HAK_TOOLS_STAT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "process.h"

struct stat_text_options {
    bool counters, threads; /* the threads in place of size classes */
    double seconds; /* since process->before was read; 0: it was not */
};

/* One process, with its size classes. */
void stat_text_process(FILE *out, const struct process *process, const struct stat_text_options *options);

/* Several, a line each. */
void stat_text_table(FILE *out, const struct process *processes, size_t count);

#endif

/* SPDX-License-Identifier: MIT */
/* What hakmem stat is asked for, and the processes that it has read. */
#ifndef HAK_TOOLS_STAT_REQUEST_H
#define HAK_TOOLS_STAT_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "process.h"

enum stat_format { STAT_TEXT, STAT_JSON, STAT_METRICS };

struct stat_request {
    enum stat_format format;
    double seconds; /* 0: once */
    bool array;     /* JSON of other than one process */
    bool all;       /* also those that begin meanwhile */
    bool counters, threads;
    bool twice;     /* and no more; only the second time is shown */
    const char *output; /* NULL: standard output */
    struct process *processes;
    size_t count;
};

/* Adds a process ID, the processes of a name, or a snapshot's file. Returns an exit status. */
int stat_request_add(struct stat_request *request, const char *argument);
/* NULL names all processes. */
int stat_request_add_named(struct stat_request *request, const char *name);

/* Once more; forgets processes that cannot be read. False when one was left out that has not ended. */
bool stat_request_read_again(struct stat_request *request);

#endif

/* SPDX-License-Identifier: MIT */
/* The processes of this machine, looked at again and again; those that run on the library and may be read. */
#ifndef HAK_TOOLS_TOP_TABLE_H
#define HAK_TOOLS_TOP_TABLE_H

#include "process_pass.h"

/* Tells a process from one before with its PID, and its program from the one that it executed before. */
struct top_identity {
    uint64_t started, stack;
};

struct top_process {
    pid_t pid;
    struct top_identity identity;
    struct process *process; /* NULL: without the library, or it may not be read */
    double when, before;     /* it was read, and the time before that, which is 0 after the first time */
    double due;              /* not to be read before */
    unsigned fruitless;      /* looks that found nothing to read */
    bool failed;             /* the last look did: it may not be read, or is damaged */
};

struct top_table {
    struct top_process *processes; /* by PID */
    size_t count;
    pid_t detailed;            /* the process whose threads are read, too; 0: none */
    struct process_pass *pass; /* NULL: nothing is being read */
    size_t *wanted;            /* the number in the table of each process that the pass reads */
    size_t wanted_count;
};

/* Begins to read all processes; all: also those that were given up. False after a message. */
bool top_table_begin(struct top_table *table, bool all);

/* After process_pass_fd(table->pass) can be read; true when all processes were read. */
bool top_table_step(struct top_table *table);

/* The process of a PID that runs on the library, or NULL. */
const struct top_process *top_table_find(const struct top_table *table, pid_t pid);

void top_table_free(struct top_table *table);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Reads processes one after the other, in one child process for all of them. The caller can do something
 * else meanwhile. A process that lets its reader wait ends the child, and another one goes on behind it.
 */
#ifndef HAK_TOOLS_PROCESS_PASS_H
#define HAK_TOOLS_PROCESS_PASS_H

#include "process.h"

struct process_pass;

/* Of a struct process what is known before. */
struct process_wanted {
    pid_t pid;
    bool silent;
    bool threads; /* these, too */
    uintptr_t block;
};

/* Begins to read so many processes; NULL after a message. */
struct process_pass *process_pass_begin(const struct process_wanted *wanted, size_t count);

/* Can be read, without a byte, once process_pass_step has something to do. */
int process_pass_fd(const struct process_pass *pass);

/* Waits for the child, and goes on if it was ended by a process; true when all processes were read. */
bool process_pass_step(struct process_pass *pass);

/* What the process of this number came to; after the end. */
struct process_pass_item {
    enum process_result result;
    bool in_time;   /* false: it was given up, with its statistics read or after a message */
    double when;    /* its statistics were read, of CLOCK_MONOTONIC; 0: they were not */
    double seconds; /* that all took */
    struct process *process; /* if it was read; without `before` and `threads` */
    struct threads *threads; /* if it was read; NULL: not wanted */
};
const struct process_pass_item *process_pass_item(const struct process_pass *pass, size_t number);

void process_pass_end(struct process_pass *pass);

/* Gives a process what was read of it. What was there becomes `before`. */
void process_take(struct process *process, const struct process_pass_item *item);

#endif

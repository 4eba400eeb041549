/* SPDX-License-Identifier: MIT */
/* The library in another process, of which nothing is asked: its memory is read. */
#ifndef HAK_TOOLS_PROCESS_H
#define HAK_TOOLS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "api/snapshot.h"
#include "remote_block.h"

struct process {
    pid_t pid;
    bool silent;       /* no message when it is not there, or without the library */
    char name[32];     /* the kernel's, printable */
    char version[24];  /* the library's */
    struct hak_snapshot snapshot;
};

enum process_result {
    PROCESS_READ,
    PROCESS_ENDED,  /* there is no such process, or no longer */
    PROCESS_WITHOUT, /* it runs without the library */
    PROCESS_FAILED
};

/* Reads the statistics of process->pid. Anything but PROCESS_READ comes after a message. */
enum process_result process_read(struct process *process);

/*
 * The processes of that name, of the process or of its program's file; a list to be freed. Negative
 * after a message when the processes cannot be listed.
 */
int process_named(const char *name, pid_t **pids);

/* ---- other looks at a process ------------------------------------------ */

/*
 * Runs a look at the process in a child process, which an alarm ends after some seconds. What the
 * look finds it writes to *process or to memory that is shared with children.
 */
typedef enum process_result process_look(struct process *process, void *context);
enum process_result process_look_in_time(struct process *process, process_look *look,
                                         void *context);

/* In a look: how to read the process's memory, and a copy of its statistics block. */
enum process_result process_find(struct process *process, struct remote_memory *memory,
                                 struct hak_stats_block *block);

/* Writes "hakmem: process PID …" unless the process is silent, and returns the result. */
__attribute__((format(printf, 3, 4))) enum process_result
process_complain(const struct process *process, enum process_result result, const char *format, ...);
/* The same for the errno of a failed system call. */
enum process_result process_complain_of(const struct process *process, int error);

#endif

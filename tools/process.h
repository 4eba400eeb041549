/* SPDX-License-Identifier: MIT */
/* The library in another process, of which nothing is asked: its memory is read. */
#ifndef HAK_TOOLS_PROCESS_H
#define HAK_TOOLS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "api/snapshot.h"

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

#endif

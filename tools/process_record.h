/* SPDX-License-Identifier: MIT */
/* What is known of a process that has the library. */
#ifndef HAK_TOOLS_PROCESS_RECORD_H
#define HAK_TOOLS_PROCESS_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "api/snapshot.h"
#include "reader/residency.h"

struct threads;

struct process {
    pid_t pid;
    pid_t task; /* a thread that has not ended, as the first one can; by which the memory is read */
    const char *snapshot_path; /* it is in that file; NULL: it runs */
    unsigned seconds;  /* that a look may take; 0: 10 */
    bool silent;       /* no message when it is not there, or without the library */
    char name[32];     /* the kernel's, printable */
    char version[24];  /* the library's */
    uintptr_t block;   /* where its statistics block was found; 0: nowhere yet */
    struct hak_snapshot snapshot;
    struct residency residency; /* not known where it could not be read in time */
    struct threads *threads;    /* to be freed by process_forget; NULL: not asked for */
    struct {
        bool is_on;
        uint64_t allocated; /* bytes since it began, an estimate */
    } profiler; /* only of process_pass */
    struct {
        bool is_known;
        struct hak_snapshot snapshot;
        uint64_t rss;
    } before; /* what the last look has found */
};

#endif

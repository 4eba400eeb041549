/* SPDX-License-Identifier: MIT */
/* The library in another process, of which nothing is asked: its memory is read. */
#ifndef HAK_TOOLS_PROCESS_H
#define HAK_TOOLS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "process_record.h"
#include "reader/remote_block.h"
#include "threads.h"

enum process_result {
    PROCESS_READ,
    PROCESS_ENDED,  /* there is no such process, or no longer */
    PROCESS_WITHOUT, /* it runs without the library */
    PROCESS_FAILED
};

/*
 * The processes of that name, of the process or of its program's file; of any name for NULL. A list to be
 * freed. Negative after a message when the processes cannot be listed.
 */
int process_list(const char *name, pid_t **pids);
/* Only those of them that run on the library and may be read. */
int process_named(const char *name, pid_t **pids);
/* Where none does: says of each why not, unless they are too many. False when it has said nothing. */
bool process_complain_of_named(const char *name);

/* ---- other looks at a process ------------------------------------------ */

/*
 * Runs a look at the process in a child process, which an alarm ends after some seconds. What the
 * look finds it writes to *process or to memory that is shared with children.
 */
typedef enum process_result process_look(struct process *process, void *context);
enum process_result process_look_in_time(struct process *process, process_look *look,
                                         void *context);

/*
 * How long looks take at most, unless `seconds` says another time: a process can let those wait who read its
 * memory, for ever, by userfaultfd(2), or with a file of a file system of its own. Only a signal that kills
 * ends such a read, so a child does it.
 */
enum { PROCESS_SECONDS_MOST = 10 };
/* In a child that reads: an alarm ends it after so many seconds from now on. */
void process_limit_time(unsigned seconds);
/* In such a child, whose memory grows as the process wants it to: by no more than a part of the machine's. */
void process_limit_memory(void);

/* In a look: how to read the process's memory, and a copy of its statistics block. */
enum process_result process_find(struct process *process, struct remote_memory *memory,
                                 struct hak_stats_block *block);

/* The same, and what the statistics are; the threads, too, if that is not NULL but empty. */
enum process_result process_read_statistics(struct process *process, struct remote_memory *memory,
                                            struct hak_stats_block *block, struct threads *threads);

/* Frees what the process has; the rest stays. */
void process_forget(struct process *process);

/* Writes "hakmem: process PID …" unless the process is silent, and returns the result. */
__attribute__((format(printf, 3, 4))) enum process_result
process_complain(const struct process *process, enum process_result result, const char *format, ...);
/* The same when its threads could not be stopped. */
enum process_result process_complain_of_stop(const struct process *process, int error);
/* The same for the errno of a failed system call. */
enum process_result process_complain_of(const struct process *process, int error);

#endif

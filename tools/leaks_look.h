/* SPDX-License-Identifier: MIT */
/*
 * One look at the heap of a process, in a child process: it is stopped, and the records of its blocks and its roots
 * are read.
 */
#ifndef HAK_TOOLS_LEAKS_LOOK_H
#define HAK_TOOLS_LEAKS_LOOK_H

#include "core_file.h"
#include "leaks.h"
#include "process.h"
#include "reader/reach.h"
#include "reader/roots.h"
#include "reader/stop.h"

struct search {
    struct process *process;
    const struct core *core; /* that is searched in its place, or NULL */
    struct reader_ranges present; /* of the core */
    struct leaks *leaks;
    const struct leaks_request *request;
    struct remote_memory memory;
    struct hak_stats_block block;
    struct live live, before; /* of this look and of the last one */
    struct roots roots;
    struct reach *reach;
    struct reader_stop stop;
    bool is_stopped;
    bool is_small;            /* further looks keep it stopped until everything is read, too */
    bool unread;              /* no block is read while it is stopped */
    struct roots_threads threads; /* as of the last stop */
    uint64_t secret;
    uint32_t owner;                        /* the group of the direct block that is followed */
    const struct profile_mapping *object;  /* that had the last word */
};

/* Says what has failed, if anything has. */
enum process_result look_complain(struct search *search, enum reader_result result, int error);

/* Stops the process unless it shall not be stopped, or the caller has stopped it; ends the stop if there is one. */
enum process_result look_begin_stop(struct search *search);
void look_end_stop(struct search *search);

/* Decides whether it is stopped until everything is read. */
void look_decide(struct search *search);

/* Reads the records, while the process is stopped. */
enum process_result look_read_records(struct search *search);

/* Visits the roots, likewise; the context of the visit is the caller's. */
enum process_result look_read_roots(struct search *search, roots_visit *visit, void *context);

/* Forgets all of the look but for the blocks, which are those of the look before, then. */
void look_forget(struct search *search);

/* Where the heap profiler was on it knows who allocated some of the blocks: reads that. */
enum process_result look_read_stacks(struct search *search);

/* Then, the call stack of a sampled block. */
uint32_t look_entry_of(const struct profile *stacks, uint64_t address);

#endif

/* SPDX-License-Identifier: MIT */
/* Files with what the command looks at in a process, to be looked at later or elsewhere. */
#ifndef HAK_TOOLS_SNAPSHOT_H
#define HAK_TOOLS_SNAPSHOT_H

#include "process.h"
#include "profile.h"
#include "reader/snapshot_file.h"

struct snapshot_options {
    bool no_stop;
    bool contents; /* all of each block, in place of its first 16 bytes */
};

struct snapshot_report {
    uint64_t size;  /* of the file */
    double stopped; /* seconds that the process was stopped for */
};

/* Writes a snapshot of a process to a file, which is replaced as a whole; false after a message. */
bool snapshot_take(pid_t pid, const char *path, const struct snapshot_options *options,
                   struct snapshot_report *report);

/* ---- reading; false after a message ------------------------------------ */

struct snapshot_opened {
    struct snapshot_file file;
    struct remote_memory memory;
    struct hak_stats_block block; /* a copy */
};

bool snapshot_load(const char *path, struct snapshot_opened *opened);
void snapshot_unload(struct snapshot_opened *opened);

/* The name of the program, printable. */
void snapshot_name(const struct snapshot_opened *opened, char *name, size_t size);

/* What was resident then. */
void snapshot_residency(const struct snapshot_opened *opened, struct residency *residency);

/* Adds the mappings of a kind to a profile. */
bool snapshot_add_mappings(const struct snapshot_opened *opened, enum snapshot_mapping_kind kind,
                           struct profile *profile);

/* The statistics in a snapshot, and the residency; the threads if they are wanted. */
bool snapshot_read_process(const char *path, struct process *process, bool threads);

#endif

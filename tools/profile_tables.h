/* SPDX-License-Identifier: MIT */
/*
 * The profiler's tables (lib/profile/tables.h) in memory that is not ours. Nothing there is
 * believed, as in remote_block.h.
 */
#ifndef HAK_TOOLS_PROFILE_TABLES_H
#define HAK_TOOLS_PROFILE_TABLES_H

#include "profile.h"
#include "reader/remote_block.h"

enum profile_tables_result {
    PROFILE_TABLES_READ,
    PROFILE_TABLES_UNREADABLE, /* errno says why */
    PROFILE_TABLES_DAMAGED,
    PROFILE_TABLES_OTHER,      /* of another layout */
    PROFILE_TABLES_NEVER_USED, /* the profiler was never switched on */
    PROFILE_TABLES_NOT_YET,    /* it was, but the process has not allocated enough since to notice */
    PROFILE_TABLES_TOO_LARGE   /* for the memory of the profile */
};

/*
 * Reads the tables from where struct hak_profile is. now: CLOCK_MONOTONIC in tenths of a second;
 * 0: not known.
 */
enum profile_tables_result profile_tables_read(struct profile *profile,
                                               const struct remote_memory *memory,
                                               uintptr_t address, uint64_t now);

#endif

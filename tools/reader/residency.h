/* SPDX-License-Identifier: MIT */
/* What of a process's memory is resident, and how much of that is the library's. */
#ifndef HAK_TOOLS_RESIDENCY_H
#define HAK_TOOLS_RESIDENCY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "reader/remote_block.h"

/* In bytes. */
struct residency {
    bool is_known;
    uint64_t rss, peak;   /* of the whole process */
    uint64_t files;       /* of the RSS: files and shared memory */
    uint64_t swapped;     /* not in the RSS */
    /* of the RSS, by what the page map and the records of the library show: */
    uint64_t slabs;       /* slots of SuperSlabs that serve a size class */
    uint64_t large;       /* blocks that have pages of their own, cached ones too */
    uint64_t unused;      /* memory that serves no block: of the page arena, slots, and mappings kept for reuse */
};

/* Reads it of a process whose memory and statistics block are known; false with errno, or 0 for bad contents. */
bool residency_read(pid_t pid, const struct remote_memory *memory, const struct hak_stats_block *block,
                    struct residency *residency);

/*
 * The same, with a visit for each granule of the library that has resident pages, or the part of it that is
 * in one mapping; by rising address. What all visits together are told is what the residency has.
 */
typedef void residency_visit(uintptr_t address, uint64_t bytes, void *context);
bool residency_read_granules(pid_t pid, const struct remote_memory *memory, const struct hak_stats_block *block,
                             struct residency *residency, residency_visit *visit, void *context);

#endif

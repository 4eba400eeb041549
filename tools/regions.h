/* SPDX-License-Identifier: MIT */
/*
 * All mappings of a process: what each is used for, and how much of it is resident.
 *
 *     /proc/PID/smaps ──► mappings ◄── parts of the heap, records, stack pointers, loaded objects
 *                             └──► regions_text.c: a table by use, and a row or a JSON object for each
 *
 * The numbers are those of smaps, so they add up to the RSS of the process. All of it lies in the mapping of a
 * struct profile, which also has the loaded objects.
 */
#ifndef HAK_TOOLS_REGIONS_H
#define HAK_TOOLS_REGIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "profile.h"

enum region_kind {
#define HAK_REGION(id, name, label, one) REGION_##id,
#include "regions.def"
    REGION_KINDS
};

/* What resident memory of a mapping of the heap is used for. */
enum region_use { REGION_SLABS, REGION_LARGE, REGION_RETAINED, REGION_OWN_RECORDS, REGION_OTHER, REGION_USES };

struct region_sum {
    uint64_t mappings;
    uint64_t bytes, resident, dirty, swapped; /* dirty: pages that are changed and the process's alone */
};

struct region {
    uintptr_t start, end;
    char permissions[5];
    enum region_kind kind;
    struct region_sum sum;
    uint64_t use[REGION_USES];  /* of a mapping of the heap; they add up to what is resident */
    const char *path;           /* printable; "" for anonymous memory */
    uint64_t offset;
    pid_t thread;               /* whose stack it is; 0: none, or not known */
    uint32_t threads;           /* how many have their stacks there */
    char thread_name[16];
};

struct regions {
    struct profile *profile;
    pid_t pid;
    char name[32], version[24];
    size_t count, room;
    struct region *list; /* by rising address */
    uint64_t left_out;   /* of the list, for lack of room; the sums have them as anonymous memory */
    uint64_t running;    /* threads whose stacks were not found, since they ran all the time */
    struct region_sum sum[REGION_KINDS], total;
    uint64_t use[REGION_USES];
};

/* Reads the mappings of a process; NULL after a message. */
struct regions *regions_read(pid_t pid);
void regions_free(struct regions *regions);

/* The table alone, or the mappings, too. */
bool regions_write_text(FILE *out, const struct regions *regions, bool summary);
bool regions_write_json(FILE *out, const struct regions *regions, bool summary);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the profiler knows: sampled blocks that are in use, call stacks, and what was allocated from each.
 *
 *     sample ──► site ──► stack        a site: a stack, and sizes that are near each other
 *
 * The three tables lie in one mapping that stays for good, of which as much has memory as was ever
 * used. Readers outside of the process find it by the statistics block: hak__profile says where they
 * are and how long. doc/statistics-block.md describes them for those.
 *
 * A record stands in its table for good: samples serve again, sites and stacks do not until the
 * profile is reset. Everything changes under hak__profile_lock; readers outside see old or new words.
 */
#ifndef HAK_PROFILE_TABLES_H
#define HAK_PROFILE_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "os/lock.h"

enum {
    HAK_PROFILE_DEPTH = 128,      /* calls of a stack that are recorded, innermost first */
    HAK_PROFILE_WEIGHT_SHIFT = 16 /* numbers of blocks are in units of 1/65536 */
};

/* A sampled block that is in use. */
struct hak_sample {
    uint64_t address; /* 0: the record is free */
    uint64_t size;    /* what was asked for last */
    uint64_t weight;  /* how many blocks it stands for, in units of 1/65536; its size for as many more bytes */
    uint32_t site;
    uint32_t thread;  /* as gettid(2) says */
    uint32_t tenths;  /* when it was allocated, in tenths of a second of CLOCK_MONOTONIC */
    uint32_t next;    /* with the same hash, or the next free one: its number plus one, 0 at the end */
};

/* What blocks stand for: estimates of all blocks from the sampled ones. */
struct hak_profile_sum {
    uint64_t blocks; /* in units of 1/65536 */
    uint64_t bytes;
};

/* Where blocks of some size are allocated. */
struct hak_site {
    uint32_t stack;  /* where its record begins in the table of stacks, in words of 8 bytes */
    uint32_t next;   /* with the same hash */
    uint32_t bucket; /* of sizes: four for each power of two (hak__profile_bucket) */
    uint32_t samples; /* how many were taken; wraps */
    struct hak_profile_sum allocated, in_use, at_peak;
};

/* A call stack; its frames follow, one 64-bit word each: where calls return to, the innermost first. */
struct hak_stack {
    uint32_t depth;
    uint32_t next; /* with the same hash: where it begins plus one, 0 at the end */
};

/* Of a table: how many records, or words of stacks, were ever used, and how many fit. */
struct hak_profile_table {
    const void *records;
    uint32_t used, most;
};

/* One for a process. */
struct hak_profile {
    /*
     * The mean distance between samples in bytes, 0: off. The control word: who may trace the process
     * may write it from outside, and its threads heed it at their next look, within a megabyte of
     * what they allocate.
     */
    _Atomic uint64_t interval;
    uint64_t last_interval;       /* the last that was not 0 */
    uint64_t began_tenths;        /* when this profile was begun or reset; 0: never */
    uint32_t sample_size, site_size; /* of the records; tell a reader that it was compiled with the same */
    struct hak_profile_table samples, sites, stacks;
    struct hak_profile_sum allocated, in_use, at_peak;
    uint64_t peak_tenths;         /* when the peak was */
    uint64_t samples_taken;
    uint64_t samples_dropped;     /* for lack of room in a table, of memory, or of a call stack */
    uint32_t resets;
    uint32_t samples_in_use;
    uint32_t stacks_cut;          /* with more calls than are recorded */
};

extern struct hak_profile hak__profile;
extern struct hak_lock hak__profile_lock;

#endif

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

/* One for a process. All but the interval changes under hak__profile_lock. */
struct hak_profile {
    /*
     * The mean distance between samples in bytes, 0: off. The control word: who may trace the process
     * may write it from outside, and its threads heed it at their next look, within a megabyte of
     * what they allocate.
     */
    _Atomic uint64_t interval;
    uint64_t shortest_interval, longest_interval; /* of the samples of this profile; 0: there were none */
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

/* An estimate of bytes: what blocks of a size stand for that have a weight. */
uint64_t hak__profile_bytes(uint64_t size, uint64_t weight);

/* The bucket of a size, and the smallest size of one. */
uint32_t hak__profile_bucket(uint64_t size);
uint64_t hak__profile_bucket_size(uint32_t bucket);

/* Maps the tables, the first time; false without memory. Any thread, without locks held. */
bool hak__profile_prepare(void);

/* What is to be recorded of a block. */
struct hak_profile_block {
    const void *address;
    size_t size;
    uint64_t weight, interval; /* what it weighs at this mean distance */
    const uint64_t *frames;
    uint32_t depth, thread;
};

/* Records a sampled block; false, and it is counted as dropped, where there is no room. Any thread. */
bool hak__profile_add(const struct hak_profile_block *block);

/* Counts a sample that could not be taken. */
void hak__profile_drop(void);

/* The block is not in use any more, if it has a record. Whoever frees it. */
void hak__profile_end(const void *address);

/* What a sampled block weighs when so many bytes have been allocated to it after all that it had. */
typedef uint64_t hak__profile_weigh(uint64_t weight, size_t grown);

/* A block has another size now, in the same place. False when it has no record. Whoever has the block. */
bool hak__profile_resize(const void *address, size_t size, hak__profile_weigh *weigh, size_t grown);

/* The size of a block, and an estimate of the bytes it stands for; false when it has no record. Any thread. */
bool hak__profile_find(const void *address, size_t *size, uint64_t *bytes);

/* The record of a block stands under another address from now on, which nobody has a block at. */
void hak__profile_rename(const void *from, const void *to);

/* Forgets everything; sampled blocks that are in use are counted no more. */
void hak__profile_reset(void);

/* A copy of a site and the frames of its stack, and how many these are; 0 behind the last site. Any thread. */
uint32_t hak__profile_site(uint32_t number, struct hak_site *site, uint64_t frames[HAK_PROFILE_DEPTH]);

/* A copy of all but the tables. */
void hak__profile_copy(struct hak_profile *copy);

#endif

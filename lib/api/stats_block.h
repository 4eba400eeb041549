/* SPDX-License-Identifier: MIT */
/*
 * The statistics block: where a reader finds what statistics are made from. doc/statistics-block.md
 * describes it for readers outside of the process, which read the same words as those inside.
 *
 * An ELF note of the library or the program that holds it leads there: its name is "hakmem", its
 * type 1, its description a signed number of 32 bits, the block's distance from the description.
 * The block never changes. What the pointers lead to is there for good: a reader can be late,
 * never lost.
 */
#ifndef HAK_API_STATS_BLOCK_H
#define HAK_API_STATS_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "cache/heap.h"
#include "core/stats.h"
#include "front/locks.h"
#include "profile/tables.h"
#include "slab/starter.h"
#include "slab/superslab.h"

#define HAK_STATS_NOTE "hakmem"
enum { HAK_STATS_NOTE_TYPE = 1 };

#define HAK_STATS_MAGIC "hakstat"
/* Counts the changes of the block, and of what it leads to as far as readers look at it. */
enum { HAK_STATS_LAYOUT = 4 };

struct hak_stats_block {
    /* the same in every layout */
    char magic[8];
    uint32_t layout;
    uint32_t size;    /* of the block */
    char version[24]; /* of the library, ended by a null byte */
    uint32_t pointer_size;
    uint32_t debug; /* 1: of the debug variant */

    /* of this layout: records whose sizes tell a reader that it was compiled with the same ones */
    uint32_t super_chunk_size, superslab_size, heap_size, counters_size, lock_size;
    uint32_t class_count, stat_count, lock_count;

    /* words that other threads change, of type size_t */
    const void *live_bytes, *retained_bytes, *taken_bytes, *committed_bytes, *metadata_bytes;
    const void *huge_bytes, *huge_blocks, *superslabs, *heaps;
    const void *counters;  /* the newest struct hak_counters * of a list, which changes, too */
    const void *all_heaps; /* likewise of struct hak_heap */
    const bool *disabled; /* another allocator serves the program; read from outside */
    const struct super_chunk *chunks;
    const struct hak_named_lock *locks;
    const void *starter; /* a word: NULL or the struct hak_starter * */
    struct hak_profile *profile; /* whose interval readers with the right to may write */
};

extern const struct hak_stats_block hak__stats_block;

#endif

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
#include "core/meta.h"
#include "core/stats.h"
#include "front/locks.h"
#include "page/huge.h"
#include "page/pagemap.h"
#include "profile/tables.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/starter.h"
#include "slab/superslab.h"

#define HAK_STATS_NOTE "hakmem"
enum { HAK_STATS_NOTE_TYPE = 1 };

#define HAK_STATS_MAGIC "hakstat"
/* Counts the changes of the block, and of what it leads to as far as readers look at it. */
enum { HAK_STATS_LAYOUT = 8 };

/*
 * What tells a reader that its records are those of the library: where the fields of records.def are and
 * how large, weighed by their places in the list, and the size classes.
 */
#define HAK_RECORD(value) +((uint32_t)__LINE__ * 2654435761u + 1) * (uint32_t)(value)
#define HAK_FIELD(type, field) HAK_RECORD(offsetof(type, field) * 31 + sizeof(((type *)0)->field))
#define HAK_NUMBER(number) HAK_RECORD(number)
#define HAK_RECORD_CLASS(size, shift, a) +((uint32_t)(size) * 2654435761u ^ (shift))
enum {
    HAK_RECORDS_SUM = (int)((0u
#include "api/records.def"
                             HAK_SIZE_CLASSES(HAK_RECORD_CLASS, 0)) >> 1)
};

struct hak_stats_block {
    /* the same in every layout */
    char magic[8];
    uint32_t layout;
    uint32_t size;    /* of the block */
    char version[24]; /* of the library, ended by a null byte */
    uint32_t pointer_size;
    uint32_t debug; /* 1: of the debug variant */

    /* of this layout: what tells a reader that it was compiled with the same records */
    uint32_t super_chunk_size, superslab_size, heap_size, counters_size, lock_size, page_map_size;
    uint32_t class_count, stat_count, lock_count;
    uint32_t records_sum; /* HAK_RECORDS_SUM */
    uint32_t checks; /* 1: freed blocks have marks (cache/thread_cache.h) */

    /* words that other threads change, of type size_t */
    const void *live_bytes, *retained_bytes, *taken_bytes, *committed_bytes, *metadata_bytes;
    const void *huge_bytes, *huge_blocks, *superslabs, *heaps;
    const void *counters;  /* the newest struct hak_counters * of a list, which changes, too */
    const void *all_heaps; /* likewise of struct hak_heap */
    const uint8_t *disabled; /* why another allocator serves the program; read from outside */
    const struct super_chunk *chunks;
    const struct hak_named_lock *locks;
    const void *starter; /* a word: NULL or the struct hak_starter * */
    const struct hak_pagemap *page_map;
    struct hak_profile *profile; /* whose interval readers with the right to may write */
    const uint64_t *secret; /* the key of the marks; 0 before there is a block */
    const void *meta_newest; /* the newest struct hak_meta_chunk * of a list: where all records are */
    const void *huge_newest; /* the newest struct hak_span * of a list: mappings that serve no block */
};

extern const struct hak_stats_block hak__stats_block;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the address space of the library is used for, from outside and by rising address: slabs, slots of
 * SuperSlabs without one, large and huge blocks, and spans of the page arena that serve no block.
 *
 * It comes from the page map and the records alone, and from the caches of heaps, which tell how many
 * blocks of a slab are in use: no block is read, so nothing of a heap that is swapped out comes back.
 * Nothing is believed, as in walk.h.
 */
#ifndef HAK_TOOLS_READER_PARTS_H
#define HAK_TOOLS_READER_PARTS_H

#include "reader/walk.h"

enum reader_part_kind {
    READER_PART_SLAB,
    READER_PART_SLOT,  /* of a SuperSlab, without a slab */
    READER_PART_LARGE, /* a block in a span of the page arena */
    READER_PART_HUGE,  /* a block in a mapping of its own */
    READER_PART_SPARE  /* of the page arena, without a block */
};

/* Slots and spares are joined within a SuperSlab, or what is aligned like one. */
struct reader_part {
    uintptr_t start;
    uint64_t bytes;
    uint64_t size;       /* of a block: usable bytes; 0 where there are none or several sizes */
    uint64_t live_bytes, cached_bytes; /* of allocated blocks, and of freed ones on their way to the slab */
    uint32_t capacity, live, cached, returned; /* blocks; the last without memory */
    uint32_t heap;       /* id of the one that owns the slab, or keeps the freed block; 0: none */
    uint8_t kind;        /* enum reader_part_kind */
    uint8_t class_idx;   /* of a slab; HAK_CLASS_STARTER: of the starter, which has all sizes */
    bool sampled;        /* of blocks that the heap profiler watches */
};

/* False ends the look. */
typedef bool reader_part_visit(const struct reader_part *part, void *context);

/* The block is a copy that remote_block_read has found good. Parts do not overlap. */
enum reader_result reader_parts(const struct remote_memory *memory, const struct hak_stats_block *block,
                                uint64_t reads, reader_part_visit *visit, void *context,
                                struct reader_summary *summary);

#endif

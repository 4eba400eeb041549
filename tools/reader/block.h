/* SPDX-License-Identifier: MIT */
/* A block of a process, and whoever is told of each. */
#ifndef HAK_TOOLS_READER_BLOCK_H
#define HAK_TOOLS_READER_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reader_kind { READER_SMALL, READER_LARGE, READER_HUGE };

enum reader_state {
    READER_LIVE,
    READER_FREE,    /* on the list of its slab, or of the starter, whose places are used once */
    READER_HOLE,    /* free, and its memory was returned to the system */
    READER_CACHED,  /* in the cache of a heap's thread */
    READER_CHAINED, /* on its way from a heap to its slab */
    READER_MAILED,  /* in the mail that a heap sends or has got */
    READER_MOVING,  /* marked as freed, but in none of these: on its way between them */
    READER_STATES
};

struct reader_block {
    uintptr_t address;
    uint64_t size;         /* usable */
    enum reader_kind kind;
    enum reader_state state;
    unsigned class_idx;    /* of a small one */
    uint32_t owner;        /* id of the heap of the slab; 0: nobody's, or of a large block */
    uint32_t heap;         /* id of the heap that has it cached, chained or mailed; else 0 */
    bool sampled;          /* the heap profiler watches it */
    uint64_t word[2];      /* what it begins with; 0 where that could not be read */
};

/* False ends the walk. */
typedef bool reader_visit(const struct reader_block *block, void *context);

/* All blocks of a slab at once. */
struct reader_slab {
    uintptr_t start;
    size_t size;           /* of a block; they stand side by side */
    uint32_t count;
    unsigned class_idx;
    bool sampled;
    const uint8_t *state;  /* of each: enum reader_state */
};
typedef bool reader_slab_visit(const struct reader_slab *slab, void *context);

#endif

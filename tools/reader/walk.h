/* SPDX-License-Identifier: MIT */
/*
 * All blocks of a process, from outside, as hak_heap_walk gives them from inside; free ones, too.
 *
 *     page map ──► slab records ──► words and marks of blocks ──┐
 *         └──────► spans and mappings ──────────────────────────┼──► visit, by rising address
 *     heaps ─────► caches, chains, mail (places.h) ─────────────┘
 *
 * Of what changes meanwhile the walk gives what it finds. Nothing is believed: a record that does
 * not agree with the page map is passed over and counted, and the reads are bounded.
 */
#ifndef HAK_TOOLS_READER_WALK_H
#define HAK_TOOLS_READER_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "reader/memory.h"

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

enum reader_result {
    READER_DONE,
    READER_STOPPED,    /* by visit */
    READER_UNREADABLE, /* what all else is found by cannot be read; errno says why */
    READER_DAMAGED,    /* a list leads back to itself, or is too long */
    READER_TOO_MUCH,   /* more was to be read than is allowed */
    READER_NO_MEMORY   /* of this command */
};

struct reader_summary {
    uint64_t slabs, spans; /* that were visited */
    uint64_t passed_over;  /* slabs, spans and lists that changed, disagree, or cannot be read */
    bool has_marks;        /* else a small free block in none of the places above is taken for live */
};

/* Enough for 256 GiB of small blocks. */
enum { READER_READS_MOST = 1 << 22 };

/* The block is a copy that remote_block_read has found good. */
enum reader_result reader_walk(const struct remote_memory *memory, const struct hak_stats_block *block,
                               uint64_t reads, reader_visit *visit, void *context,
                               struct reader_summary *summary);

/*
 * The same without looking at blocks that are in use for sure: a slab is visited as a whole, by `slabs`, and is
 * read only where some of its blocks are free, or with `unread` not at all. Blocks that are moving may be given as
 * live, and then those as well that are chained or on the lists of slabs: all of them have marks, if there are marks.
 * `visit` gets all that is in no such slab.
 */
enum reader_result reader_walk_slabs(const struct remote_memory *memory, const struct hak_stats_block *block,
                                     bool unread, reader_slab_visit *slabs, reader_visit *visit,
                                     void *context, struct reader_summary *summary);

/* What went wrong, as the rest of a sentence about a process or file: "has ..." */
const char *reader_failure(enum reader_result result);

#endif

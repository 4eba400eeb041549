/* SPDX-License-Identifier: MIT */
/*
 * Which blocks lead to which, for small blocks that were read before anything was found to lead to them.
 *
 *     number of a block / 64 ──► first edge of these 64 ──► edges of one block ──► numbers of blocks
 *
 * Four bytes for each edge, and as many for 64 blocks. The edges of one block follow each other, and those of
 * a slab, by rising numbers. Blocks that have edges here have the bit LIVE_KNOWN; without a place for all edges of a
 * slab it has none. Several threads may add edges, each those of other slabs, and read them.
 */
#ifndef HAK_TOOLS_READER_EDGES_H
#define HAK_TOOLS_READER_EDGES_H

#include "reader/live.h"

enum { EDGES_BLOCKS = HAK_GRANULE / 16, EDGES_MOST = HAK_GRANULE / sizeof(uintptr_t) };

#define EDGES_FIRST ((uint32_t)1 << 31) /* numbers are below */

struct edges {
    struct live *live;
    uint32_t *first; /* by the number of a block / 64 */
    uint32_t *edge;  /* the number of a block, with a bit for the first edge of each, and behind the last one */
    uint64_t count, room;
};

/* Those of a slab that is read now: of a granule at most. */
struct edges_slab {
    uint64_t first; /* the number of its first block */
    uint64_t has[EDGES_BLOCKS / 64];
    uint32_t start[EDGES_BLOCKS / 64];
    uint32_t edge[EDGES_MOST + 1], count;
};

/* With room for so many; NULL without memory. */
struct edges *edges_new(struct live *live, uint64_t room);
void edges_free(struct edges *edges);

void edges_begin(struct edges_slab *of, uint64_t first);
/* One that leads from a block of the slab; the numbers of these rise. */
void edges_add(struct edges_slab *of, uint64_t from, uint64_t to);
/* Makes them known, if there is room. */
void edges_end(struct edges *edges, struct edges_slab *of);

/* There was no room for those of a slab. */
static inline bool edges_are_full(const struct edges *edges)
{
    return __atomic_load_n(&edges->count, __ATOMIC_RELAXED) > edges->room;
}

/* Which of 64 blocks, from a number on that is a multiple of that, have edges. */
static inline uint64_t edges_known(const struct edges *edges, uint64_t number)
{
    return __atomic_load_n(&edges->live->bits[LIVE_KNOWN][number / 64], __ATOMIC_ACQUIRE);
}

/* The first edge of a block that has any. */
const uint32_t *edges_of(const struct edges *edges, uint64_t number);

/* The number of the block that an edge leads to. */
static inline uint32_t edges_to(uint32_t edge)
{
    return edge & ~EDGES_FIRST;
}

/* Whether it is of another block than the edge before. */
static inline bool edges_is_first(uint32_t edge)
{
    return (edge & EDGES_FIRST) != 0;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Handing blocks back to their slabs, chain by chain.
 *
 * Blocks that leave a thread's cache, and blocks of another heap that the thread
 * does not keep for itself, are gathered in a few chains, one a slab, and pushed
 * with one atomic operation a chain: when a chain is long enough, when its place
 * is needed for another slab, and at every slow path of the thread.
 *
 * What a sleeping thread can pin: HAK_CHAINS chains of at most
 * max(HAK_CHAIN_BYTES, one block) each, 256 KiB for blocks up to 16 KiB; larger
 * blocks are handed back one by one. With a small cache_max it is no more than that.
 */
#ifndef HAK_CACHE_HANDBACK_H
#define HAK_CACHE_HANDBACK_H

#include <stdint.h>

#include "slab/slab_meta.h"

struct hak_heap;

enum { HAK_CHAINS = 16 /* at most 32 */, HAK_CHAIN_BYTES = 16384, HAK_CHAIN_BLOCKS = 64 };

/* Owner thread only. */
struct hak_chain {
    TinySlabMeta *slab; /* NULL: unused */
    void *last;         /* its link is written by the push */
    uint32_t first;     /* number of the first block */
    uint32_t highest;   /* largest number in the chain */
    uint32_t count;
    uint32_t owner; /* of the slab, as the page map showed it */
};

/* Adds a freed block to its chain. word is that of the page map. */
void hak__handback_add(struct hak_heap *heap, void *block, uint32_t word);

/* Adds freed blocks of one class, each to its chain. A poll is left to the caller. */
void hak__handback_add_all(struct hak_heap *heap, void *const *block, size_t count);

/* Pushes all chains. A poll is left to the caller. */
void hak__handback_flush(struct hak_heap *heap);

/* Pushes one block at once; heap may be one without a cache. */
void hak__handback_now(struct hak_heap *heap, void *block, uint32_t word);

#endif

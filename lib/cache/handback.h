/* SPDX-License-Identifier: MIT */
/*
 * Handing blocks back to their slabs, chain by chain.
 *
 * Blocks that leave a thread's cache, and such of other heaps that are not sent
 * there (mail.h), are gathered in a few chains, one a slab, and pushed with one
 * atomic operation a chain: when its place is needed for another slab, and at the
 * end of the slow path that has begun it. Between slow paths there is none.
 */
#ifndef HAK_CACHE_HANDBACK_H
#define HAK_CACHE_HANDBACK_H

#include <stdint.h>

#include "slab/slab_meta.h"

struct hak_heap;

enum { HAK_CHAINS = 16 /* at most 32 */ };

/* Owner thread only. */
struct hak_chain {
    TinySlabMeta *slab; /* NULL: unused */
    void *last;         /* its link is written by the push */
    uint32_t first;     /* number of the first block */
    uint32_t highest;   /* largest number in the chain */
    uint32_t count;
};

/* Adds freed blocks, each to its chain. The flush is left to the caller. */
void hak__handback_add(struct hak_heap *heap, void *const *block, size_t count);

/* Pushes all chains. A poll is left to the caller. */
void hak__handback_flush(struct hak_heap *heap);

/* Pushes one block at once; heap may be one without a cache. */
void hak__handback_now(struct hak_heap *heap, void *block);

#endif

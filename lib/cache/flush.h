/* SPDX-License-Identifier: MIT */
/*
 * Flushing blocks to their slabs, chain by chain.
 *
 * Blocks that leave a thread's cache, and such of other heaps that are not sent
 * there (mail.h), are gathered in a few chains, one a slab, and pushed with one
 * atomic operation a chain: when its place is needed for another slab, and at the
 * end of the slow path that has begun it. Between slow paths there is none.
 */
#ifndef HAK_CACHE_FLUSH_H
#define HAK_CACHE_FLUSH_H

#include <stddef.h>

struct hak_heap;

/* Adds freed blocks, each to its chain. The flush is left to the caller. */
void hak__flush_add(struct hak_heap *heap, void *const *block, size_t count);

/* Pushes all chains. A poll is left to the caller. */
void hak__flush_chains(struct hak_heap *heap);

/* Pushes one block at once; heap may be one without a cache. */
void hak__flush_block(struct hak_heap *heap, void *block);

#endif

/* SPDX-License-Identifier: MIT */
/* Blocks from slabs to the bins. */
#ifndef HAK_CACHE_REFILL_H
#define HAK_CACHE_REFILL_H

#include <stdbool.h>

#include "slab/slab_meta.h"

struct hak_heap;

/* Moves blocks from slabs to an empty bin; false without memory. */
bool hak__cache_refill(struct hak_heap *heap, unsigned class_idx);

/* A free block that is in no bin; NULL when there is none at hand. */
void *hak__cache_bypass(struct hak_heap *heap, unsigned class_idx);

/*
 * A free block of a slab that the caller holds CURRENT, or a fresh one, marked as free; NULL when there is
 * none, or no memory. *carved is set when it is a fresh one.
 */
void *hak__slab_block(TinySlabMeta *slab, unsigned class_idx, bool *carved);

#endif

/* SPDX-License-Identifier: MIT */
/* L0: the few slabs of a class that a heap keeps beside the one from which it takes blocks. */
#ifndef HAK_CACHE_L0_H
#define HAK_CACHE_L0_H

#include <stdbool.h>
#include <stdint.h>

#include "slab/slab_meta.h"

struct hak_heap;

/* The heap keeps a slab that it made OWNED with that tag; room, which comes before, says whether it can. */
bool hak__l0_has_room(struct hak_heap *heap, unsigned class_idx);
void hak__l0_add(struct hak_heap *heap, unsigned class_idx, TinySlabMeta *slab, uint32_t tag);
TinySlabMeta *hak__l0_take(struct hak_heap *heap, unsigned class_idx);

#endif

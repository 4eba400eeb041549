/* SPDX-License-Identifier: MIT */
/* Blocks from the bins to slabs. */
#ifndef HAK_CACHE_DRAIN_H
#define HAK_CACHE_DRAIN_H

struct hak_heap;

/* Makes room in a full bin. */
void hak__cache_drain(struct hak_heap *heap, unsigned class_idx);

#endif

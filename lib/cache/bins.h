/* SPDX-License-Identifier: MIT */
/* How bins fill, empty, grow and shrink. */
#ifndef HAK_CACHE_BINS_H
#define HAK_CACHE_BINS_H

#include <stdbool.h>

struct hak_heap;

/* Makes room in a full bin, by one who has entered the heap and heeded what is asked of it. */
void hak__bin_make_room(struct hak_heap *heap, unsigned class_idx);
/* Empties a bin, and its quarantine; its chains are left to the caller's flush. */
void hak__cache_empty_bin(struct hak_heap *heap, unsigned class_idx);
/* Gives the empty bins of a heap the capacities that a new one has: the next thread is another. */
void hak__cache_reset_bins(struct hak_heap *heap);
/* Enlarges a bin that is too small for its mail, if the thread's bound allows it. */
bool hak__cache_grow_for_mail(struct hak_heap *heap, unsigned class_idx);
/* Enlarges a bin that is refilled, if that pays and the thread's bound allows it. */
void hak__cache_grow_for_refill(struct hak_heap *heap, unsigned class_idx);

/* Now and then, before a bin is filled or drained: makes the bins follow a bound that has fallen. */
void hak__cache_keep_bound(struct hak_heap *heap);

#endif

/* SPDX-License-Identifier: MIT */
/* All heaps that were ever made, newest first. */
#ifndef HAK_CACHE_HEAP_LIST_H
#define HAK_CACHE_HEAP_LIST_H

#include <stdint.h>

#include "base/atomic.h"

struct hak_heap;

/* The newest; `older` leads to the others. */
extern _Atomic(struct hak_heap *) hak__heaps;

/* Adds a heap, whose id is the largest so far. Under hak__heap_lock. */
void hak__heap_list_add_locked(struct hak_heap *heap);

/* The heap with an id, or NULL, in as many steps as the number of heaps has binary digits. Any
 * thread. */
struct hak_heap *hak__heap_by_id(uint32_t id);

/* Calls visit for every heap; while no thread changes any. */
void hak__heap_visit(void (*visit)(struct hak_heap *heap, void *context), void *context);

#endif

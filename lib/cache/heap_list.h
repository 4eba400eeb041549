/* SPDX-License-Identifier: MIT */
/* All heaps that were ever made, newest first, and how many of them are in use. */
#ifndef HAK_CACHE_HEAP_LIST_H
#define HAK_CACHE_HEAP_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "core/options.h"

struct hak_heap;

/* The newest; `older` leads to the others. */
extern _Atomic(struct hak_heap *) hak__heaps;

/* Heaps that belong to a thread; steers and reports only. */
extern _Atomic size_t hak__heaps_in_use;

HAK_INLINE size_t hak__heap_count(void)
{
    return hak_load_relaxed(&hak__heaps_in_use);
}

enum { HAK_FULL_SHARE_HEAPS = 8 };

/* What cache_max allows each of so many heaps: with many each may keep less. */
HAK_INLINE size_t hak__heap_share_of_cache(size_t heaps)
{
    size_t most = (size_t)hak__option(HAK_OPTION_CACHE_MAX);
    return heaps > HAK_FULL_SHARE_HEAPS ? most / heaps * HAK_FULL_SHARE_HEAPS : most;
}

/* Adds a heap, whose id is the largest so far. Under hak__heap_lock. */
void hak__heap_list_add_locked(struct hak_heap *heap);

/* The heap with an id, or NULL, in as many steps as the number of heaps has binary digits. Any
 * thread. */
struct hak_heap *hak__heap_by_id(uint32_t id);

/* Calls visit for every heap; while no thread changes any. */
void hak__heap_visit(void (*visit)(struct hak_heap *heap, void *context), void *context);

#endif

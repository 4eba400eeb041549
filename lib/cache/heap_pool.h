/* SPDX-License-Identifier: MIT */
/* The heaps that no thread has: free ones, and those that hold what their threads have left. */
#ifndef HAK_CACHE_HEAP_POOL_H
#define HAK_CACHE_HEAP_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "os/lock.h"

struct hak_heap;

/* Which heaps are free, left or attached. */
extern struct hak_lock hak__heap_lock;

/* A heap that is on no list, for the calling thread or to be shared; NULL without memory. */
struct hak_heap *hak__heap_acquire(bool for_thread);

/*
 * The calling thread gives up a heap that it has or holds. Before that, whether the heap may keep what is in it,
 * which then is counted: if so it has only to be left (heap_flush.h), else to be closed.
 */
bool hak__heap_may_keep(struct hak_heap *heap);
void hak__heap_give_up(struct hak_heap *heap);

/* Now and then, before a heap is acquired: finds those whose threads have ended unnoticed. */
void hak__heap_find_ended(void);

/* Empties the heaps that threads have left as they were before a time; HAK_NEVER: all. */
void hak__heap_flush_orphans(int64_t before);
/* The same of those that are older than a decay period. Takes the time: bins are in order. */
void hak__heap_decay_orphans(void);

/* Whether all that a sized delete comes down to is this library's; only where it has operators. */
bool hak__sized_delete_is_ours(void);

/* In the child of a fork, where no other thread looks for ended ones. */
void hak__heap_pool_fork_child(void);

#endif

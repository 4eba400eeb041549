/* SPDX-License-Identifier: MIT */
/* How threads get their heaps, and what becomes of these when a thread ends or forks. */
#ifndef HAK_CACHE_HEAP_LIFE_H
#define HAK_CACHE_HEAP_LIFE_H

#include "os/lock.h"

struct hak_heap;

/* Of the heap that threads without one share. */
extern struct hak_lock hak__heap_shared_lock;

/* What a thread has after its heap, like hak__heap_none. */
extern const struct hak_heap hak__heap_gone;

/* Gives the calling thread a heap; NULL when there is no memory for one. */
struct hak_heap *hak__heap_attach(void);

/* Gives up the calling thread's heap, emptied if it holds much; the thread goes on without. */
void hak__heap_detach(void);

/* Makes sure that the ends of threads can be heard of; when the library starts. */
void hak__heap_prepare(void);

/*
 * In the child of a fork: lets go of the slabs of threads that are not there any more. A heap that
 * the fork has found in disorder is left as it is, for what was interrupted goes on in it if the
 * signal handler returns; the thread gets another.
 */
void hak__heap_fork_child(void);

/* Before a slow path: does what other threads or options ask of the heap. */
void hak__heap_handle_requests(struct hak_heap *heap);

/* For threads without a heap: one that all of them share, under hak__heap_shared_lock. */
struct hak_heap *hak__heap_shared_locked(void);
/* Flushes it, if nobody is using it. */
void hak__heap_flush_shared(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * fork: the child must find every lock free and every list whole.
 *
 * Before the fork all locks are taken, in the order in which they nest. Handlers
 * of other libraries run while they are held and may allocate in the forking
 * thread, which passes through its own locks. What is shared without a lock
 * needs no stop: the child sees each other thread as if it had stopped for good
 * between two of its stores, and the lock-free operations are right with threads
 * that stop anywhere. What the threads that are gone had cached is lost to the
 * child; the slabs they held are let go.
 */
#include <pthread.h>

#include "cache/heap.h"
#include "front/front.h"
#include "front/locks.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/superslab.h"

static void slab_prepare(TinySlabMeta *slab, void *unused)
{
    (void)unused;
    slab_freelist_fork_prepare(slab);
}

static void slab_after(TinySlabMeta *slab, void *unused)
{
    (void)unused;
    slab_freelist_fork_after(slab);
}

static void prepare(void)
{
    for (int i = 0; i < HAK_LOCK_COUNT; i++)
        hak__lock_fork_prepare(hak__locks[i].lock);
    if (HAK_FREELIST_SPINLOCK)
        hak__superslab_visit(slab_prepare, NULL);
    hak_store_relaxed(&hak__lock_forker, hak__thread_self());
}

static void parent(void)
{
    hak_store_relaxed(&hak__lock_forker, 0);
    if (HAK_FREELIST_SPINLOCK)
        hak__superslab_visit(slab_after, NULL);
    for (int i = 0; i < HAK_LOCK_COUNT; i++)
        hak__lock_fork_parent(hak__locks[i].lock);
}

static void child(void)
{
    hak_store_relaxed(&hak__lock_forker, 0);
    if (HAK_FREELIST_SPINLOCK)
        hak__superslab_visit(slab_after, NULL);
    for (int i = 0; i < HAK_LOCK_COUNT; i++)
        hak__lock_fork_child(hak__locks[i].lock);
    hak__heap_fork_child();
}

void hak__fork_register(void)
{
    pthread_atfork(prepare, parent, child);
}

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
 *
 * A signal handler may fork that interrupted an allocation of its own thread. In the parent the
 * locks which that one holds stay with it. They may be inner ones that the holder of an outer one
 * waits for, so the others are only tried for a while. In the child all are free: it is alone, and
 * what was interrupted goes on when the handler returns, if it does.
 */
#include <pthread.h>

#include "base/annotate.h"
#include "cache/heap.h"
#include "front/front.h"
#include "front/locks.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/superslab.h"

/* Bits by place in hak__locks; written by the thread that forks. */
static uint32_t taken;

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

static bool take(struct hak_lock *lock, bool interrupted)
{
    if (interrupted)
        return hak__lock_try_patiently(lock);
    hak__lock_acquire(lock);
    return true;
}

static void prepare(void)
{
    HAK_UNSEEN;
    uint32_t mine = 0, got = 0;
    for (int i = 0; i < HAK_LOCK_COUNT; i++)
        mine |= (uint32_t)hak__lock_is_mine(hak__locks[i].lock) << i;
    for (int i = 0; i < HAK_LOCK_COUNT; i++)
        if ((mine >> i & 1) == 0)
            got |= (uint32_t)take(hak__locks[i].lock, mine != 0) << i;
    taken = got;
    if (HAK_FREELIST_SPINLOCK)
        hak__superslab_visit(slab_prepare, NULL);
    hak_store_relaxed(&hak__lock_forker, hak__thread_self());
}

static void parent(void)
{
    HAK_UNSEEN;
    hak_store_relaxed(&hak__lock_forker, 0);
    if (HAK_FREELIST_SPINLOCK)
        hak__superslab_visit(slab_after, NULL);
    for (int i = 0; i < HAK_LOCK_COUNT; i++)
        if ((taken >> i & 1) != 0)
            hak__lock_release(hak__locks[i].lock);
}

static void child(void)
{
    HAK_UNSEEN;
    hak_store_relaxed(&hak__lock_forker, 0);
    if (HAK_FREELIST_SPINLOCK)
        hak__superslab_visit(slab_after, NULL);
    for (int i = 0; i < HAK_LOCK_COUNT; i++)
        hak__lock_reset(hak__locks[i].lock);
    hak__heap_fork_child();
}

void hak__fork_register(void)
{
    pthread_atfork(prepare, parent, child);
}

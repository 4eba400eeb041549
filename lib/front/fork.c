/* SPDX-License-Identifier: MIT */
/*
 * fork: the child must find every lock free and every list whole.
 *
 * Before the fork all locks are taken, in the order in which the layers nest
 * them, outermost first. Handlers of other libraries run while they are held
 * and may allocate in the forking thread, which passes through its own locks.
 * The heaps of the parent's other threads stay allocated in the child but
 * nobody frees from them; what they had cached is lost to it.
 */
#include <pthread.h>

#include "cache/heap.h"
#include "core/meta.h"
#include "os/lock.h"
#include "page/arena.h"
#include "page/huge.h"
#include "slab/shared_pool.h"

static void each_lock(void (*function)(struct hak_lock *lock))
{
    function(&hak__heap_shared_lock);
    function(&hak__heap_lock);
    hak__pool_each_lock(function);
    function(&hak__huge_lock);
    function(&hak__arena_lock);
    function(&hak__meta_lock);
}

static void prepare(void)
{
    each_lock(hak__lock_fork_prepare);
    hak_store_relaxed(&hak__lock_forker, hak__thread_self());
}

static void parent(void)
{
    hak_store_relaxed(&hak__lock_forker, 0);
    each_lock(hak__lock_fork_parent);
}

static void child(void)
{
    hak_store_relaxed(&hak__lock_forker, 0);
    each_lock(hak__lock_fork_child);
}

static __attribute__((constructor(102))) void register_handlers(void)
{
    pthread_atfork(prepare, parent, child);
}

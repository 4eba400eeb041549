/* SPDX-License-Identifier: MIT */
/*
 * fork: the child must find every lock free and every list whole.
 *
 * Before the fork all locks are taken, in the order in which they nest. The forking thread passes
 * through its own locks while it holds them. What is shared without a lock needs no stop: the child
 * sees each other thread as if it had stopped for good between two of its stores, and the
 * lock-free operations are right with threads that stop anywhere. What the threads that are gone
 * had cached is lost to the child; the slabs they held are let go.
 *
 * Handlers before the fork run last registered first, those after it in order. So ours have to be
 * the first of all: other handlers then find the allocator as ever, whatever they do
 * (api/atfork.c). In a process that has opened the library late, handlers that are there already
 * run while we hold the locks: the threads they wait for pass as guests (os/guest.h).
 *
 * After the handlers the C library itself waits for the lock of its list of files, whose holder may
 * wait for a thread that allocates under a file's lock. Ours are taken at a moment when nobody
 * holds that one. It cannot be kept until then: who loads nsswitch.conf needs it for the file, and
 * has another lock that fork takes in between.
 *
 * A signal handler may fork that interrupted an allocation of its own thread. In the parent the
 * locks which that one holds stay with it. They may be inner ones that the holder of an outer one
 * waits for, so the others are only tried for a while. In the child all are free: it is alone, and
 * what was interrupted goes on when the handler returns, if it does.
 */
#include <pthread.h>

#include "base/annotate.h"
#include "cache/heap.h"
#include "cache/heap_life.h"
#include "cache/purger.h"
#include "front/front.h"
#include "front/locks.h"
#include "os/guest.h"
#include "profile/dump.h"
#include "slab/slab_freelist_atomic.h"
#include "page/locked.h"
#include "slab/superslab.h"

/* Bits by place in hak__locks; written by the thread that forks. */
static uint32_t taken;
/* Forks of signal handlers that have interrupted a fork of this thread; written by it. */
static unsigned nested;

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
    hak__lock_acquire_own(lock);
    return true;
}

static void set_forked(bool forked)
{
    for (int i = 0; i < HAK_LOCK_COUNT; i++)
        hak__locks[i].lock->forked = forked && hak__lock_is_mine(hak__locks[i].lock);
}

static void take_all(uint32_t mine)
{
    uint32_t got = 0;
    for (int i = 0; i < HAK_LOCK_COUNT; i++)
        if ((mine >> i & 1) == 0)
            got |= (uint32_t)take(hak__locks[i].lock, mine != 0) << i;
    taken = got;
}

static void prepare(void)
{
    HAK_UNSEEN;
    if (hak_load_relaxed(&hak__lock_forker) == hak__thread_self()) {
        nested++;
        return;
    }
    uint32_t mine = 0;
    for (int i = 0; i < HAK_LOCK_COUNT; i++)
        mine |= (uint32_t)hak__lock_is_mine(hak__locks[i].lock) << i;
    if (mine == 0)
        hak__files_lock();
    take_all(mine);
    if (mine == 0)
        hak__files_unlock();
    if (HAK_FREELIST_SPINLOCK)
        hak__superslab_visit(slab_prepare, NULL);
    set_forked(true);
    hak__fork_passes();
}

static void parent(void)
{
    HAK_UNSEEN;
    if (nested > 0) {
        nested--;
        return;
    }
    hak__fork_passes_no_more();
    set_forked(false);
    if (HAK_FREELIST_SPINLOCK)
        hak__superslab_visit(slab_after, NULL);
    for (int i = 0; i < HAK_LOCK_COUNT; i++)
        if ((taken >> i & 1) != 0)
            hak__lock_release_own(hak__locks[i].lock);
}

static void child(void)
{
    HAK_UNSEEN;
    nested = 0;
    hak__fork_passes_no_more();
    if (HAK_FREELIST_SPINLOCK)
        hak__superslab_visit(slab_after, NULL);
    for (int i = 0; i < HAK_LOCK_COUNT; i++)
        hak__lock_reset(hak__locks[i].lock);
    hak__locked_no_more();
    hak__heap_fork_child();
    hak__purger_fork_child();
    hak__dump_fork_child();
}

/* Under a name that no program can take; only where this library defines malloc. */
extern void *hak__own_malloc(size_t size) __attribute__((weak, visibility("hidden")));
extern void *malloc(size_t size);

/* Whether what the C library allocates, for its files too, comes from here. */
static bool serves_libc(void)
{
    void *visible = (void *)&malloc;
    hak_opaque(visible);
    return visible == (void *)&hak__own_malloc;
}

void hak__fork_register(void)
{
    static _Atomic bool registered;
    if (hak_swap_acq_rel(&registered, true))
        return;
    /* the thread sanitizer stops all threads while one forks, and a guest with the list of files in hand */
    hak__guests_possible = !HAK_THREAD_SANITIZER && !serves_libc();
    pthread_atfork(prepare, parent, child);
}

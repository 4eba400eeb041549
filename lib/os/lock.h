/* SPDX-License-Identifier: MIT */
/*
 * A lock of one word on a futex: 0 free, 1 held, 2 held with sleepers.
 *
 * Acquire reads the word by CAS-acquire, which pairs with the exchange-release
 * of the holder before. While a thread forks it holds every lock of the
 * library and may pass through each of them again (see hak__lock_fork_*).
 */
#ifndef HAK_OS_LOCK_H
#define HAK_OS_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "os/thread.h"

struct hak_lock {
    _Atomic uint32_t word;
    _Atomic uintptr_t holder; /* hak__thread_self() of the holder; written by it alone */
    /* written by the holder, by a relaxed load and store; read by any thread */
    _Atomic uint64_t acquisitions, waits;
};

/* The thread that forks, or 0; written by it alone while it holds all locks. */
extern _Atomic uintptr_t hak__lock_forker;

void hak__lock_acquire_slow(struct hak_lock *lock);
void hak__lock_wake(struct hak_lock *lock);

/* What whoever has just got the lock writes down. */
HAK_INLINE void hak__lock_note(struct hak_lock *lock, uint64_t waits)
{
    hak_store_relaxed(&lock->holder, hak__thread_self());
    hak_store_relaxed(&lock->acquisitions, hak_load_relaxed(&lock->acquisitions) + 1);
    if (waits != 0)
        hak_store_relaxed(&lock->waits, hak_load_relaxed(&lock->waits) + waits);
}

HAK_INLINE void hak__lock_acquire(struct hak_lock *lock)
{
    uint32_t expected = 0;
    if (hak_unlikely(!hak_cas_acquire(&lock->word, &expected, 1)))
        hak__lock_acquire_slow(lock);
    else
        hak__lock_note(lock, 0);
}

/* Takes the lock if nobody holds it. */
HAK_INLINE bool hak__lock_try(struct hak_lock *lock)
{
    uint32_t expected = 0;
    if (!hak_cas_acquire(&lock->word, &expected, 1))
        return false;
    hak__lock_note(lock, 0);
    return true;
}

HAK_INLINE void hak__lock_release(struct hak_lock *lock)
{
    uintptr_t forker = hak_load_relaxed(&hak__lock_forker);
    if (hak_unlikely(forker != 0) && forker == hak__thread_self())
        return;
    hak_store_relaxed(&lock->holder, 0);
    if (hak_unlikely(hak_swap_release(&lock->word, 0) == 2))
        hak__lock_wake(lock);
}

/* Before a fork: takes the lock, unless a signal handler forks inside its holder. */
void hak__lock_fork_prepare(struct hak_lock *lock);
/* After a fork, in the parent. */
void hak__lock_fork_parent(struct hak_lock *lock);
/* After a fork, in the child, where nobody waits any more. */
void hak__lock_fork_child(struct hak_lock *lock);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A lock of one word on a futex: 0 free, else who holds it, in all bits but the lowest, which
 * says that others may sleep.
 *
 * Acquire reads the word by CAS-acquire, which pairs with the exchange-release of the holder
 * before. A thread that finds itself in the word would wait for ever: a signal handler
 * allocates that has interrupted an allocation. That is reported and ends the process. While a
 * thread forks it holds every lock of the library and may pass through each of them again, and
 * other threads may as its guests (see front/fork.c, os/guest.h).
 */
#ifndef HAK_OS_LOCK_WORD_H
#define HAK_OS_LOCK_WORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "os/self.h"

struct hak_lock {
    HAK_CACHE_ALIGNED _Atomic uint32_t word;
    _Atomic uintptr_t holder; /* hak__thread_self() of the holder; written by it alone */
    /* written by the holder, by a relaxed load and store; read by any thread */
    _Atomic uint64_t acquisitions, waits;
    bool forked; /* held over a fork; written by the thread that forks, while nobody passes */
};

/* What the word says of a holder: 30 bits of the page of its thread-local data, and never 0. */
HAK_INLINE uint32_t hak__lock_token(void)
{
    return (uint32_t)(hak__thread_self() >> 12) << 2 | 2;
}

/* Says that the thread waits for itself, and aborts; defined by core/report.c. */
HAK_NORETURN void hak__lock_self_deadlock(void);

/* Tries for a moment to take the lock. */
bool hak__lock_spin(struct hak_lock *lock);
/* Takes it, or sleeps until it may be free; for at most so long, in microseconds, unless that is 0. */
bool hak__lock_sleep(struct hak_lock *lock, unsigned most_us);
void hak__lock_wake(struct hak_lock *lock);

/* What whoever has just got the lock writes down. */
HAK_INLINE void hak__lock_note(struct hak_lock *lock, uint64_t waits)
{
    hak_store_relaxed(&lock->holder, hak__thread_self());
    hak_store_relaxed(&lock->acquisitions, hak_load_relaxed(&lock->acquisitions) + 1);
    if (waits != 0)
        hak_store_relaxed(&lock->waits, hak_load_relaxed(&lock->waits) + waits);
}

/* Takes the lock if nobody holds it. */
HAK_INLINE bool hak__lock_try(struct hak_lock *lock)
{
    uint32_t expected = 0;
    if (!hak_cas_acquire(&lock->word, &expected, hak__lock_token()))
        return false;
    hak__lock_note(lock, 0);
    return true;
}

/* Takes a lock, or leaves one, whoever forks; for the fork itself. */
void hak__lock_acquire_own(struct hak_lock *lock);
HAK_INLINE void hak__lock_release_own(struct hak_lock *lock)
{
    hak_store_relaxed(&lock->holder, 0);
    if (hak_unlikely((hak_swap_release(&lock->word, 0) & 1) != 0))
        hak__lock_wake(lock);
}

/* Whether the caller holds the lock, or is a signal handler that interrupted its holder. */
bool hak__lock_is_mine(struct hak_lock *lock);
/* Tries for some thousandths of a second. */
bool hak__lock_try_patiently(struct hak_lock *lock);
/* After a fork, in the child, where nobody else holds it or waits any more. */
void hak__lock_reset(struct hak_lock *lock);

#endif

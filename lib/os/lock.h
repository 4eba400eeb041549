/* SPDX-License-Identifier: MIT */
/* Taking and leaving a lock (lock_word.h), which may be held by a thread that forks (guest.h). */
#ifndef HAK_OS_LOCK_H
#define HAK_OS_LOCK_H

#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "os/guest.h"
#include "os/lock_word.h"

HAK_INLINE void hak__lock_acquire(struct hak_lock *lock)
{
    uint32_t expected = 0;
    if (hak_unlikely(!hak_cas_acquire(&lock->word, &expected, hak__lock_token())))
        hak__lock_acquire_slow(lock);
    else
        hak__lock_note(lock, 0);
}

HAK_INLINE void hak__lock_release(struct hak_lock *lock)
{
    if (hak_unlikely(hak_load_relaxed(&hak__lock_forker) != 0) && hak__lock_was_passed(lock))
        return;
    hak__lock_release_own(lock);
}

#endif

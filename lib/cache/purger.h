/* SPDX-License-Identifier: MIT */
/*
 * A thread that returns memory while the program makes no calls.
 *
 * It exists while there is something to return, in a process that has threads of its own, or in any
 * with background=1. A poll that sees unused memory wants it (reclaim.h); the next slow path that
 * holds no locks, the C library's neither, starts it. Four times in a decay period it looks: at
 * what is retained, and at what the threads keep (idle.h). It ends when there is nothing any more.
 */
#ifndef HAK_CACHE_PURGER_H
#define HAK_CACHE_PURGER_H

#include "base/compiler.h"
#include "cache/reclaim.h"

void hak__purger_start_slow(const void *caller);

HAK_INLINE bool hak__purger_is_wanted(void)
{
    return hak_load_relaxed(&hak__purger) == HAK_PURGER_WANTED;
}

/*
 * Starts the thread if it is wanted, on behalf of a caller in the program, or NULL where that does not
 * matter. Without locks held.
 */
HAK_INLINE void hak__purger_start(const void *caller)
{
    if (hak_unlikely(hak__purger_is_wanted()))
        hak__purger_start_slow(caller);
}

/* Says that this is the process in which threads may be started; before it has any. */
void hak__purger_prepare(void);
/* The same in the child of a fork, which has no such thread. */
void hak__purger_fork_child(void);

#endif

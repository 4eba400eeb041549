/* SPDX-License-Identifier: MIT */
/*
 * The return of unused memory to the system, from wherever it is kept.
 *
 * How much may stay is said by page/retain.h. Everything that may have made memory unused ends in a
 * poll, without locks held: refill, drain, blocks that are handed back, a flush, the end of a large
 * block or its shrinking. Free memory that a process leaves behind when it stops calling is within
 * the bound.
 */
#ifndef HAK_CACHE_RECLAIM_H
#define HAK_CACHE_RECLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "os/lock.h"
#include "page/retain.h"

/* Whoever purges because of the bound; the others do not wait for it. */
extern struct hak_lock hak__purge_lock;

/* How often all heaps were asked to flush; any thread adds, wraps. */
extern _Atomic uint32_t hak__flushes_requested;

/* Asks all heaps to flush: each does when it is refilled the next time. Any thread. */
void hak__reclaim_request_flush(void);

/*
 * Purges if the bound is crossed; with look_at_time also if a decay period is over. So many bytes are kept by
 * the caller's span cache, or by slabs that its bins may keep.
 */
void hak__reclaim_poll(bool look_at_time, size_t kept);

/*
 * Whether there is a thread for this (purger.h), or somebody has seen a need for one. Any thread: from
 * none to wanted, from wanted to there, and back; only steers.
 */
enum { HAK_PURGER_NONE, HAK_PURGER_WANTED, HAK_PURGER_THERE };
extern _Atomic uint32_t hak__purger;

/* Unused bytes that a thread is not worth. */
enum { HAK_PURGER_LEAST = 1 << 20 };

/* The last thread that had a heap has ended: the thread is not what keeps the process. */
void hak__reclaim_no_heaps(void);

void hak__reclaim_request_purger_slow(size_t heaps, bool in_vain);
/* Times, in ms of hak__os_now_ms, before which no thread is wanted, and none that may come in vain. */
void hak__reclaim_no_purger_before(int64_t time, int64_t time_in_vain);

/*
 * With every poll of a heap: wants a thread where there may be something for it to do. It finds what
 * idle threads keep, too, of which nobody knows: so it is wanted now and then in any case.
 */
HAK_INLINE void hak__reclaim_request_purger(size_t heaps, bool in_any_case)
{
    if (hak_load_relaxed(&hak__purger) != HAK_PURGER_NONE)
        return;
    bool is_much = hak_load_relaxed(&hak__retained_bytes) >= HAK_PURGER_LEAST;
    if (hak_unlikely(is_much) || hak_unlikely(in_any_case))
        hak__reclaim_request_purger_slow(heaps, !is_much);
}

/* Before so many bytes are taken: purges what limit_soft wants, without locks held. */
void hak__reclaim_make_room(size_t bytes);

/* So much memory is needed from the system: slabs and unused slots may have some to spare. Without locks held. */
void hak__reclaim_growth(size_t bytes);

/*
 * Purges at least that many bytes if there are so many and there is time; how many went. With
 * pinned_too that is tried again which the system has refused.
 */
size_t hak__reclaim(size_t bytes, int64_t until, bool pinned_too);

#endif

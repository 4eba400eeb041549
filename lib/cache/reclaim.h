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

/* Whoever purges because of the bound; the others do not wait for it. */
extern struct hak_lock hak__purge_lock;

/* How often all heaps were asked to flush; any thread adds, wraps. */
extern _Atomic uint32_t hak__flushes_wanted;

/* Asks all heaps to flush: each does when it is refilled the next time. Any thread. */
void hak__reclaim_ask_for_flush(void);

/* Purges if the bound is crossed; with look_at_time also if a decay period is over. */
void hak__reclaim_poll(bool look_at_time);

/* Before so many bytes are taken: purges what limit_soft wants, without locks held. */
void hak__reclaim_make_room(size_t bytes);

/* So much memory is needed from the system: slabs may have some that they do not need. Without locks held. */
void hak__reclaim_growth(size_t bytes);

/*
 * Purges at least that many bytes if there are so many and there is time; how many went. With
 * pinned_too that is tried again which the system has refused.
 */
size_t hak__reclaim(size_t bytes, int64_t until, bool pinned_too);

#endif

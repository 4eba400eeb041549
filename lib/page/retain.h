/* SPDX-License-Identifier: MIT */
/*
 * Bounded retention: how much unused memory the library may keep.
 *
 *     live      bytes of slabs, spans and mappings that serve blocks
 *     retained  bytes that serve nothing but may still have memory behind
 *               them: empty slabs, unused slots, free spans, cached mappings
 *
 *     regret    bytes that were purged because of the bound and needed again within
 *               a second, four times, so that few such lessons are needed
 *
 *     least     max(retain_min, live * retain_percent / 100)
 *     most      max(retain_max, live * retain_percent_max / 100)
 *
 * retained <= min(least + regret, most): whoever crosses the bound purges a
 * little more than the excess, so that the next few frees do not purge again. Both ends
 * follow what is live, so a program that frees what it has keeps no more than
 * retain_max whatever it regretted before. Time tightens this: what was retained
 * without need through a whole decay period goes as well, and regret is halved.
 *
 * Memory that the system has refused to take back (purge.h) is retained and does not count here.
 *
 * The numbers are changed by relaxed operations of any thread and only steer; the
 * bound at `most` holds whatever they say.
 */
#ifndef HAK_PAGE_RETAIN_H
#define HAK_PAGE_RETAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "core/stats.h"

extern _Atomic size_t hak__live_bytes;
extern _Atomic size_t hak__retained_bytes;
/* Of these the ones that the system has refused (purge.h). */
extern _Atomic size_t hak__pinned_bytes;

HAK_INLINE void hak__live_add(size_t bytes)
{
    HAK_SHARED(hak_add_relaxed(&hak__live_bytes, bytes));
}

HAK_INLINE void hak__live_sub(size_t bytes)
{
    HAK_SHARED(hak_sub_relaxed(&hak__live_bytes, bytes));
}

HAK_INLINE void hak__retained_add(size_t bytes)
{
    HAK_SHARED(hak_add_relaxed(&hak__retained_bytes, bytes));
}

/* Also keeps the least that was retained in this decay period. */
void hak__retained_sub(size_t bytes);

/*
 * Memory that comes into use without having been retained; false when limit_hard is passed by it,
 * and then nothing is taken. One sum for both: it grows by a compare-and-swap from a value that
 * leaves room, so no number of threads passes the limit together. It is what is live or retained.
 */
bool hak__memory_take(size_t bytes);
/* Whether limit_hard allows so much at all; what it does not is refused before anything is tried. */
bool hak__memory_is_allowed(size_t bytes);
/* The same without a limit. */
void hak__memory_add(size_t bytes);
/* Memory that goes back to the system, or did not come from there. */
void hak__memory_return(size_t bytes);

/*
 * A record of which a process may have any number, and that a thread can do without: none when it would
 * pass limit_hard. Records for memory that was granted come without a look at the limit, by
 * hak__meta_alloc: these are few, and what is granted next is less by them.
 */
void *hak__record_alloc(size_t size, size_t alignment);

extern _Atomic size_t hak__taken_bytes;

/* What was taken, and records: what limits limit. */
size_t hak__footprint(void);

/* How many bytes have to go before so many more are taken, as limit_soft wants. */
size_t hak__over_soft_limit(size_t more);

/* Bytes that went because the bound was crossed. */
void hak__retain_purged(size_t bytes);

/*
 * Bytes without memory behind them that come into use: may these be what was purged before? That is
 * found out when the bound is looked at the next time. What the time is asked of may allocate.
 */
void hak__retain_missed(size_t bytes);

/* The bound as of now, in bytes. */
size_t hak__retain_limit(void);

/*
 * How many bytes to purge because the bound is crossed; 0 when it is not. What the caller keeps beside is
 * as good as retained, up to half of the bound.
 */
size_t hak__retain_excess(size_t kept);

/*
 * How many bytes to purge because a decay period ended; 0 while it runs. pinned_too tells whether
 * that is once more tried which the system has refused.
 */
size_t hak__retain_decay(bool *pinned_too);

#endif

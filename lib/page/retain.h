/* SPDX-License-Identifier: MIT */
/*
 * Bounded retention: how much unused memory the library may keep.
 *
 *     live      bytes of slabs, spans and mappings that serve blocks
 *     retained  bytes that serve nothing but may still have memory behind
 *               them: empty slabs, unused slots, free spans, cached mappings
 *
 * retained <= max(retain_min, live * retain_percent / 100), unconditionally:
 * whoever crosses the bound purges down to three quarters of it, so that the
 * next few frees do not purge again. Time tightens this: what was retained
 * without need through a whole decay period goes as well.
 *
 * Both numbers are changed by relaxed additions of any thread and only steer.
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

/* The bound as of now, in bytes. */
size_t hak__retain_limit(void);

/* How many bytes to purge because the bound is crossed; 0 when it is not. */
size_t hak__retain_excess(void);

/* How many bytes to purge because a decay period ended; 0 while it runs. */
size_t hak__retain_decay(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Whether the program fills its large blocks, or writes to the start of each at most.
 *
 * A fault a page costs half as much again as one call that puts memory behind all of a block, and
 * three times as much as huge pages. But some programs write only to the start of their blocks, and
 * what is not touched shall cost nothing. So whenever a block gets fresh memory, the one that did so
 * before is looked at: if its end has been written to, the program has filled it. As long as most
 * are filled, new ones get their memory at once. If several in a row were not, the arena sees to it that
 * blocks begin where others have begun before; then some are looked at when they are freed, too.
 */
#ifndef HAK_PAGE_FILL_H
#define HAK_PAGE_FILL_H

#include <stddef.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "page/arena.h"
#include "page/span.h"

/* From so many granules on a block is looked at, and is memory at once worth a call. */
enum { HAK_LOOK_UNITS = 4, HAK_FILL_UNITS = 16 };

void hak__fill_expect_slow(const struct hak_span *span, size_t size);

/*
 * Puts memory behind a block of so many bytes, if a part of its span has none and it is likely to be
 * filled. The span's holder, before the program gets the block.
 */
HAK_INLINE void hak__fill_expect(const struct hak_span *span, size_t size)
{
    if (span->units >= HAK_LOOK_UNITS && (!span->dirty || span->lacking))
        hak__fill_expect_slow(span, size);
}

void hak__fill_observe_slow(const struct hak_span *span);

/* At a block of the arena that was freed, if the arena keeps spans whole. Its holder. */
HAK_INLINE void hak__fill_observe(const struct hak_span *span)
{
    if (hak_unlikely(hak_load_relaxed(&hak__arena_keeps_whole)))
        hak__fill_observe_slow(span);
}

#endif

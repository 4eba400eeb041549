/* SPDX-License-Identifier: MIT */
/*
 * Whether the program fills its large blocks.
 *
 * A fault a page costs half as much again as one call that puts memory behind all of a block, and
 * three times as much as huge pages. But some programs write only to the start of their blocks, and
 * what is not touched shall cost nothing. So whenever a block gets fresh memory, the one that did so
 * before is looked at: if its end has been written to, the program has filled it. As long as most
 * are filled, new ones get their memory at once.
 */
#ifndef HAK_PAGE_FILL_H
#define HAK_PAGE_FILL_H

#include <stddef.h>

#include "page/span.h"

/* From so many granules on it is worth a call. */
enum { HAK_FILL_UNITS = 16 };

void hak__fill_expect_slow(const struct hak_span *span, size_t size);

/*
 * Puts memory behind a block of so many bytes, if a part of its span has none and it is likely to be
 * filled. The span's holder, before the program gets the block.
 */
HAK_INLINE void hak__fill_expect(const struct hak_span *span, size_t size)
{
    if (span->units >= HAK_FILL_UNITS && (!span->dirty || span->lacking))
        hak__fill_expect_slow(span, size);
}

#endif

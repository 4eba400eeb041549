/* SPDX-License-Identifier: MIT */
/*
 * Which pages of a slot have memory behind them.
 *
 * A slab of 64 KiB of which one page is in use costs one page. So what is live, what is retained and
 * what the limits limit is counted in pages: a bit a page in the record of each slot, set before a
 * block on the page is handed out for the first time, cleared when the page has gone back to the
 * system. The bits belong to whoever holds the slot, and go with it from hand to hand: what the
 * holder before wrote is ordered by the word of the slab or by `used` of the SuperSlab.
 *
 * A page is one of the system's, or 4 KiB if those are smaller.
 */
#ifndef HAK_SLAB_SLAB_PAGES_H
#define HAK_SLAB_SLAB_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "slab/slab_meta.h"

/* Bytes of a page as it is counted here, and their binary logarithm; the bits of a whole slot. */
size_t hak__page_counted(void);
unsigned hak__page_shift(void);
uint16_t hak__pages_all(void);

/* Whether a page of a slab has memory, by its number. */
HAK_INLINE bool hak__page_has(const TinySlabMeta *slab, size_t page, unsigned shift)
{
    unsigned in_slot = HAK_GRANULE_SHIFT - shift;
    uint16_t pages = hak_load_relaxed(&slab[page >> in_slot].pages);
    return (pages >> (page & ((1u << in_slot) - 1)) & 1) != 0;
}

/* Bytes of the pages of so many slots, from that of the record on, that have memory. Any thread. */
size_t hak__pages_bytes(const TinySlabMeta *slot, unsigned slots);

/* Sets the bits of a slot. Its holder alone. */
void hak__pages_set(TinySlabMeta *slot, uint16_t pages);

/* Whether all pages under a part of a slab have memory; offsets from its base. */
bool hak__pages_have(const TinySlabMeta *slab, size_t from, size_t to);

/* Counts the pages under a part of a slab; false when limit_hard refuses them. The slab's holder alone. */
bool hak__pages_count(TinySlabMeta *slab, size_t from, size_t to);

/*
 * How many blocks of a slab, from number `carved` on and at most that many, may be handed out for
 * the first time. There is memory for them, and it is counted; 0 when limit_hard refuses it. Whoever
 * holds the slab CURRENT.
 */
uint32_t hak__pages_for_blocks(TinySlabMeta *slab, uint32_t carved, uint32_t most);

/*
 * Puts memory behind all blocks of a slab that will soon be filled, if these are small and nothing
 * speaks against it. The same.
 */
void hak__pages_for_filled(TinySlabMeta *slab);

/*
 * Clears what has memory of so many blocks that will be handed out first, as far as there are so many: it
 * may have been another life's. Of the hardened variant; the same.
 */
void hak__pages_clear(TinySlabMeta *slab, uint32_t carved, uint32_t want);

#endif

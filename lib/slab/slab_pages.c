/* SPDX-License-Identifier: MIT */
#include "slab/slab_pages.h"

#include <string.h>

#include "base/bits.h"
#include "core/options.h"
#include "os/os.h"
#include "page/locked.h"
#include "page/retain.h"

enum { BITS = 16, LEAST = HAK_GRANULE / BITS };
/*
 * Blocks up to this size are small beside a page: whoever takes one takes its neighbours soon. Blocks of
 * up to two pages leave none unused for long where a thread takes one slab after the other.
 */
enum { POPULATE_SIZE = 1024, FILLED_SIZE = 8192 };
enum { STRIDE = 2 }; /* pages of a step */

/* Pages are counted by shifts: what divides costs more than all the rest of a look. */
unsigned hak__page_shift(void)
{
    size_t page = hak__os_page_size();
    return hak__lowest_bit(page > LEAST ? page : LEAST);
}

size_t hak__page_counted(void)
{
    return (size_t)1 << hak__page_shift();
}

uint16_t hak__pages_all(void)
{
    return (uint16_t)((1u << (HAK_GRANULE >> hak__page_shift())) - 1);
}

size_t hak__pages_bytes(const TinySlabMeta *slot, unsigned slots)
{
    unsigned pages = 0;
    for (unsigned i = 0; i < slots; i++)
        pages += hak__count_bits(hak_load_relaxed(&slot[i].pages));
    return (size_t)pages << hak__page_shift();
}

void hak__pages_set(TinySlabMeta *slot, uint16_t pages)
{
    hak_store_relaxed(&slot->pages, pages);
}

/* The pages of a slot, under a part of its slab, that have no memory. */
HAK_INLINE uint16_t missing_in(const TinySlabMeta *slab, unsigned slot, size_t from, size_t to,
                               unsigned shift)
{
    size_t start = slot * HAK_GRANULE, stop = start + HAK_GRANULE;
    size_t first = from > start ? (from - start) >> shift : 0;
    size_t last = ((to < stop ? to : stop) - start - 1) >> shift;
    return (uint16_t)(((2u << last) - (1u << first)) & ~hak_load_relaxed(&slab[slot].pages));
}

/* Where the first page without memory begins, under a part of a slab; its end if there is none. */
static size_t first_missing(const TinySlabMeta *slab, size_t from, size_t to)
{
    unsigned shift = hak__page_shift();
    for (unsigned slot = (unsigned)(from / HAK_GRANULE); slot * HAK_GRANULE < to; slot++) {
        uint32_t missing = missing_in(slab, slot, from, to, shift);
        if (missing != 0)
            return slot * HAK_GRANULE + ((size_t)hak__lowest_bit(missing) << shift);
    }
    return to;
}

bool hak__pages_have(const TinySlabMeta *slab, size_t from, size_t to)
{
    return first_missing(slab, from, to) == to;
}

bool hak__pages_count(TinySlabMeta *slab, size_t from, size_t to)
{
    unsigned shift = hak__page_shift(), pages = 0, first = (unsigned)(from / HAK_GRANULE);
    for (unsigned slot = first; slot * HAK_GRANULE < to; slot++)
        pages += hak__count_bits(missing_in(slab, slot, from, to, shift));
    size_t bytes = (size_t)pages << shift;
    if (!hak__memory_take(bytes))
        return false;
    hak__retain_missed(bytes);
    hak__live_add(bytes);
    for (unsigned slot = first; slot * HAK_GRANULE < to; slot++)
        hak__pages_set(&slab[slot], hak_load_relaxed(&slab[slot].pages) |
                                        missing_in(slab, slot, from, to, shift));
    return true;
}

/*
 * A slab gets memory in steps: its first page, its second, then two at a time. What is not used stays
 * untouched, and where blocks are small, the second and further steps take one system call each
 * instead of a fault a page. Memory that is locked counts as soon as it is mapped.
 */
uint32_t hak__pages_for_blocks(TinySlabMeta *slab, uint32_t carved, uint32_t most)
{
    size_t size = slab->size, all = slab->units * HAK_GRANULE;
    size_t from = carved * size, to = from + most * size, page = hak__page_counted();
    size_t stride = from < STRIDE * page ? page : STRIDE * page;
    size_t start = hak__align_down(from, stride), end = start + stride;
    if (to > all)
        to = all;
    size_t missing = slab->cold ? first_missing(slab, from, to) : to;
    if (missing == to)
        return most;
    if (hak_unlikely(hak_load_relaxed(&hak__memory_is_locked)))
        return hak__pages_count(slab, 0, all) ? most : 0;
    uint32_t step = size > page ? 1 : (uint32_t)((end - from + size - 1) / size);
    if (step > most)
        step = most;
    if (to > from + step * size)
        to = from + step * size;
    bool whole = size <= POPULATE_SIZE && start > 0 && from < start + size &&
                 hak__option(HAK_OPTION_POPULATE) != 0;
    if (whole && to < end)
        to = end < all ? end : all;
    if (missing >= to)
        return step;
    if (!hak__pages_count(slab, from, to))
        return 0;
    if (whole)
        hak__os_populate((void *)(slab->base + start), (end < all ? end : all) - start);
    return step;
}

#if HAK_HARDENED
/* What has memory may have been another life's. */
void hak__pages_clear(TinySlabMeta *slab, uint32_t carved, uint32_t want)
{
    size_t end = (carved + want) * (size_t)slab->size, all = slab->units * HAK_GRANULE;
    unsigned shift = hak__page_shift();
    if (end > all)
        end = all;
    for (size_t at = carved * (size_t)slab->size, next; at < end; at = next) {
        next = hak__align_up(at + 1, (size_t)1 << shift);
        if (next > end)
            next = end;
        if (!slab->cold || missing_in(slab, (unsigned)(at / HAK_GRANULE), at, next, shift) == 0)
            memset((char *)slab->base + at, 0, next - at);
    }
}
#endif

/* One system call costs less than one for each step, and that less than a fault a page. */
void hak__pages_for_filled(TinySlabMeta *slab)
{
    size_t all = slab->units * HAK_GRANULE;
    if (!slab->cold || slab->size > FILLED_SIZE || hak__option(HAK_OPTION_POPULATE) == 0 ||
        hak__option(HAK_OPTION_LIMIT_HARD) != 0 || hak_load_relaxed(&hak__memory_is_locked))
        return;
    if (hak__os_populate((void *)slab->base, all) && hak__pages_count(slab, 0, all))
        slab->cold = false;
}

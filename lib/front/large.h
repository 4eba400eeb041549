/* SPDX-License-Identifier: MIT */
/* HOT: large blocks that the thread keeps. */
#ifndef HAK_FRONT_LARGE_H
#define HAK_FRONT_LARGE_H

#include "base/params.h"
#include "cache/span_cache.h"

HAK_INLINE size_t hak__units_of(size_t size)
{
    return (size + HAK_GRANULE - 1) >> HAK_GRANULE_SHIFT;
}

/*
 * The block of another size in a live span that the thread kept, for whom it shall be live next. NULL,
 * and the span has gone to the arena, where limit_hard forbids that all of it is used.
 */
void *hak__large_place_cached(struct hak_span *span, size_t size, size_t alignment);

/* A block that the thread keeps, with anything in it, or NULL. The alignment is at most a granule. */
HAK_INLINE void *hak__large_take_cached(size_t size, size_t alignment)
{
    if (hak_unlikely(size > HAK_SPAN_CACHE_UNITS * HAK_GRANULE))
        return NULL;
    const struct hak_cached_span *cached = hak__span_cache_take(hak__heap, hak__units_of(size));
    if (cached == NULL)
        return NULL;
    if (hak_likely(cached->size >= size && ((uintptr_t)cached->block & (alignment - 1)) == 0))
        return cached->block;
    return hak__large_place_cached(cached->span, size, alignment);
}

/* Whether a live block of the arena has all its granules at another size, too, and no more; then it stays. */
HAK_INLINE bool hak__large_stays(const void *block, uint32_t word, size_t size)
{
    if (HAK_HARDENED || word != HAK_CODE_LARGE || size <= HAK_SMALL_MAX)
        return false;
    const struct hak_span *span = hak__pagemap_record((uintptr_t)block);
    return size <= span->size && span->size - size < HAK_GRANULE && hak__span_block(span) == block &&
           !hak__span_is_cached(span) && !hak_load_relaxed(&span->sampled);
}

#endif

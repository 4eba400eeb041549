/* SPDX-License-Identifier: MIT */
/*
 * The span cache: a few large blocks that a thread has freed and will likely
 * want again, of just the size they had.
 *
 * It spares the arena's lock, the page map's granules and the retention bound for
 * programs that allocate and free one large buffer after the other. What is kept
 * counts as live and stays in the page map; its record tells that it is free. It goes to
 * the arena when its place is needed, when the thread flushes, and when it ends.
 */
#ifndef HAK_CACHE_SPAN_CACHE_H
#define HAK_CACHE_SPAN_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/params.h"
#include "cache/enter.h"
#include "cache/thread_cache.h"
#include "core/options.h"
#include "page/span.h"

/* A span that a thread keeps has at most so many granules. */
enum { HAK_SPAN_CACHE_UNITS = 16 };

/* Whether a thread may keep spans of so many granules in all places: the more threads, the smaller. */
HAK_INLINE bool hak__span_cache_allows(size_t units)
{
    size_t heaps = hak__heap_count();
    if (heaps < HAK_FULL_SHARE_HEAPS)
        heaps = HAK_FULL_SHARE_HEAPS;
    return units * HAK_GRANULE * HAK_SPAN_PLACES * heaps <=
           (size_t)hak__option(HAK_OPTION_CACHE_MAX) * HAK_FULL_SHARE_HEAPS;
}

/* Of a span that the page map shows as live. */
HAK_INLINE bool hak__span_is_kept(const struct hak_span *span)
{
    return hak_load_relaxed(&span->kept);
}

/* Takes the block out of a place that has one; it is live again. Owner thread only. */
HAK_INLINE void *hak__span_cache_remove(struct hak_heap *heap, unsigned place)
{
    void *block = heap->kept[place].block;
    heap->kept[place].units = 0;
    heap->span_place = place;
    hak_store_relaxed(&heap->kept[place].span->kept, false);
    return block;
}

/*
 * Takes a block of 1 to HAK_SPAN_CACHE_UNITS granules, live again and with anything in it; what was
 * known of it, or NULL. Owner thread only.
 */
HAK_INLINE const struct hak_kept *hak__span_cache_take(struct hak_heap *heap, size_t units)
{
    if (hak_unlikely(!hak__heap_is_real(heap)) || hak_unlikely(!hak__heap_try_enter(heap)))
        return NULL;
    for (unsigned i = 0; i < HAK_SPAN_PLACES; i++) {
        if (heap->kept[i].units != units)
            continue;
        hak__span_cache_remove(heap, i);
        hak__heap_leave(heap, false);
        return &heap->kept[i];
    }
    hak__heap_leave(heap, false);
    return NULL;
}

/* The same of the largest that has so many granules, or NULL; its span. Owner thread only. */
struct hak_span *hak__span_cache_take_largest(struct hak_heap *heap, size_t units);

/* Finds an empty place, or gives the oldest span to the arena for one. Owner thread only. */
void hak__span_cache_make_room(struct hak_heap *heap);
/* Sees to it that the heap is open (enter.h). Owner thread only. */
void hak__span_cache_open(struct hak_heap *heap);

/* Keeps a live span of the page arena, whose block its holder frees; false when it is not kept. Owner thread only. */
HAK_INLINE bool hak__span_cache_put(struct hak_heap *heap, struct hak_span *span, void *block)
{
    if (hak_unlikely(span->units > HAK_SPAN_CACHE_UNITS) ||
        hak_unlikely(!hak__span_cache_allows(span->units)) ||
        hak_unlikely(!hak__heap_is_real(heap)))
        return false;
    if (hak_unlikely(!hak__heap_try_enter(heap))) {
        hak__span_cache_open(heap);
        return false;
    }
    while (hak_unlikely(heap->kept[heap->span_place].units != 0))
        hak__span_cache_make_room(heap);
    unsigned place = heap->span_place;
    span->dirty = true;
    heap->kept[place] = (struct hak_kept){
        .block = block, .units = span->units, .size = span->size, .span = span};
    hak_store_relaxed(&span->kept, true);
    hak__heap_leave(heap, false);
    return true;
}

/* Gives all that is kept to the arena. Owner thread only. */
void hak__span_cache_flush(struct hak_heap *heap);

/* Gives a live span back to the arena. Any thread. */
void hak__span_free(struct hak_span *span);

#endif

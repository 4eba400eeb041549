/* SPDX-License-Identifier: MIT */
/*
 * The span cache: large blocks that a thread has freed and will likely want again, of the size that
 * they had or a little less.
 *
 * It spares the arena's lock, the page map's granules and the retention bound for programs that
 * allocate and free large buffers one after the other. What is kept counts as live and stays in
 * the page map; its record tells that it is free. It goes to the arena when the bound is crossed or
 * its place is needed, when the thread flushes, and when it ends.
 *
 *     bound    min(the thread's share of cache_max, max(4 MiB, its share of a quarter of what is live)),
 *              but 1 MiB for up to 32 threads of many whose share is less
 */
#ifndef HAK_CACHE_SPAN_CACHE_H
#define HAK_CACHE_SPAN_CACHE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/params.h"
#include "cache/enter.h"
#include "cache/thread_cache.h"
#include "page/span.h"

static_assert((size_t)HAK_SPAN_CACHE_UNITS < (size_t)HAK_ADVISED_UNITS,
              "no advice of the program stays on what is kept (arena.h)");

/* Of a span that the page map shows as live. */
HAK_INLINE bool hak__span_is_cached(const struct hak_span *span)
{
    return hak_load_relaxed(&span->cached);
}

/* The block that was freed last is in a place of its own, which the others are moved out of. */
enum { HAK_SPAN_NEWEST = 0 };
/* What a thread may keep that has a large enough share of cache_max. */
enum { HAK_SPAN_CACHE_LEAST = 4 << 20 };

/*
 * Of the other places; up to a quarter larger, or twice as large where spans are kept whole. Owner thread
 * only, which has entered the heap.
 */
const struct hak_cached_span *hak__span_cache_take_other(struct hak_heap *heap, size_t units);

/*
 * Takes a block of 1 to HAK_SPAN_CACHE_UNITS granules or little more, live again and with anything in
 * it; what was known of it, or NULL. Owner thread only.
 */
HAK_INLINE const struct hak_cached_span *hak__span_cache_take(struct hak_heap *heap, size_t units)
{
    if (hak_unlikely(!hak__heap_is_real(heap)) || hak_unlikely(!hak__heap_try_enter(heap)))
        return NULL;
    struct hak_cached_span *newest = &heap->cached_spans[HAK_SPAN_NEWEST];
    const struct hak_cached_span *cached = newest;
    if (hak_likely(newest->units == units)) {
        newest->units = 0;
        hak_store_relaxed(&newest->span->cached, false);
    } else {
        cached = hak__span_cache_take_other(heap, units);
    }
    hak__heap_leave(heap, false);
    return cached;
}

/* The same of the largest that has so many granules, or NULL; its span. Owner thread only. */
struct hak_span *hak__span_cache_take_largest(struct hak_heap *heap, size_t units);

/*
 * Empties the place of the newest, for a span of so many bytes within the bound, and gives others to
 * the arena if need be; false when it is above that alone. Owner thread only.
 */
bool hak__span_cache_make_room(struct hak_heap *heap, size_t bytes);
/* Sees to it that the heap is open (enter.h). Owner thread only. */
void hak__span_cache_open(struct hak_heap *heap);

/*
 * Keeps a live span of the page arena, whose block its holder frees; false when it is not kept, as one
 * whose pages may have been advised, which the arena keeps apart. Owner thread only.
 */
HAK_INLINE bool hak__span_cache_put(struct hak_heap *heap, struct hak_span *span, void *block)
{
    size_t bytes = hak__span_bytes(span);
    if (hak_unlikely(span->units > HAK_SPAN_CACHE_UNITS) || hak_unlikely(span->advised) ||
        hak_unlikely(!hak__heap_is_real(heap)))
        return false;
    if (hak_unlikely(!hak__heap_try_enter(heap))) {
        hak__span_cache_open(heap);
        return false;
    }
    struct hak_cached_span *newest = &heap->cached_spans[HAK_SPAN_NEWEST];
    bool room = newest->units == 0 && bytes <= heap->cached_span_bytes_max;
    if (hak_likely(room) || (room = hak__span_cache_make_room(heap, bytes))) {
        span->dirty = true;
        *newest = (struct hak_cached_span){
            .block = block, .units = span->units, .size = span->size, .span = span};
        hak_store_relaxed(&span->cached, true);
    }
    hak__heap_leave(heap, false);
    return room;
}

/* The bound may have fallen: what is above it goes to the arena. Owner thread only, which has entered the heap. */
void hak__span_cache_keep_bound(struct hak_heap *heap);

/* The same once a block has gone back that was not kept, since with it less is live. Owner thread only. */
HAK_INLINE void hak__span_cache_follow(struct hak_heap *heap)
{
    if (hak_unlikely(hak_load_relaxed(&heap->cached_span_bytes) > HAK_SPAN_CACHE_LEAST) &&
        hak__heap_is_real(heap) && hak__heap_try_enter(heap)) {
        hak__span_cache_keep_bound(heap);
        hak__heap_leave(heap, false);
    }
}

/* Forgets all that is kept: of a heap whose thread has stopped anywhere. */
void hak__span_cache_reset(struct hak_heap *heap);

/* Gives all that is kept to the arena if it is so much and the heap is not in use. Owner thread only. */
bool hak__span_cache_empty(struct hak_heap *heap, size_t least);
/* Gives all that is kept to the arena, of a heap that has been entered. */
void hak__span_cache_flush(struct hak_heap *heap);

/* So much more of a live span counts as memory from now on; whether limit_hard allows it. Its holder. */
bool hak__span_count(struct hak_span *span, size_t bytes);

/* Gives a live span back to the arena. Any thread. */
void hak__span_free(struct hak_span *span);

#endif

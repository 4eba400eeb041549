/* SPDX-License-Identifier: MIT */
#include "cache/span_cache.h"

#include "base/params.h"
#include "cache/heap.h"
#include "page/arena.h"
#include "page/pagemap.h"
#include "page/retain.h"

void hak__span_free(struct hak_span *span)
{
    hak__pagemap_set_run(span->base, span->units, HAK_CODE_NONE, NULL);
    hak__live_sub(span->size);
    span->dirty = true;
    hak__arena_free(span);
}

/* Takes a span out of its place. */
static struct hak_span *remove_at(struct hak_heap *heap, unsigned place)
{
    struct hak_span *span = heap->spans[place];
    heap->spans[place] = NULL;
    heap->span_bytes -= span->size;
    return span;
}

struct hak_span *hak__span_cache_take(struct hak_heap *heap, size_t units)
{
    for (unsigned i = 0; i < HAK_SPAN_PLACES; i++) {
        struct hak_span *span = heap->spans[i];
        if (span != NULL && span->units == units) {
            remove_at(heap, i);
            hak__pagemap_set(span->base, HAK_CODE_LARGE, span);
            return span;
        }
    }
    return NULL;
}

/* The oldest are the next in the round of places. */
static void make_room(struct hak_heap *heap, size_t bytes)
{
    for (unsigned i = 0; i < HAK_SPAN_PLACES; i++) {
        unsigned place = (heap->span_place + i) % HAK_SPAN_PLACES;
        if (heap->spans[place] != NULL &&
            (i == 0 || heap->span_bytes + bytes > HAK_SPAN_CACHE_BYTES))
            hak__span_free(remove_at(heap, place));
    }
}

bool hak__span_cache_put(struct hak_heap *heap, struct hak_span *span)
{
    if (!hak__heap_is_real(heap) || span->units > HAK_SPAN_CACHE_UNITS ||
        hak__heap_count() > HAK_FULL_SHARE_HEAPS)
        return false;
    make_room(heap, span->size);
    span->dirty = true;
    heap->spans[heap->span_place] = span;
    heap->span_place = (heap->span_place + 1) % HAK_SPAN_PLACES;
    heap->span_bytes += span->size;
    hak__pagemap_set(span->base, HAK_CODE_SPAN_KEPT, span);
    return true;
}

void hak__span_cache_flush(struct hak_heap *heap)
{
    for (unsigned i = 0; i < HAK_SPAN_PLACES; i++)
        if (heap->spans[i] != NULL)
            hak__span_free(remove_at(heap, i));
}

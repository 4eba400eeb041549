/* SPDX-License-Identifier: MIT */
#include "cache/span_cache.h"

#include "base/params.h"
#include "cache/heap.h"
#include "page/arena.h"
#include "page/pagemap.h"
#include "page/retain.h"

void hak__span_free(struct hak_span *span)
{
    hak__pagemap_set_words(span->base, span->units, HAK_CODE_NONE);
    hak__live_sub(span->size);
    span->dirty = true;
    hak__arena_free(span);
}

/* Takes a span out of its place. */
static struct hak_span *remove_at(struct hak_heap *heap, unsigned place)
{
    struct hak_span *span = heap->kept[place].span;
    heap->kept[place].units = 0;
    heap->span_bytes -= span->size;
    return span;
}

struct hak_span *hak__span_cache_take(struct hak_heap *heap, size_t units)
{
    if (units > HAK_SPAN_CACHE_UNITS)
        return NULL;
    for (unsigned i = 0; i < HAK_SPAN_PLACES; i++)
        if (heap->kept[i].units == units) {
            struct hak_span *span = remove_at(heap, i);
            hak__pagemap_set_word(span->base, HAK_CODE_LARGE);
            return span;
        }
    return NULL;
}

/* The oldest are the next in the round of places. */
static HAK_NOINLINE void make_room(struct hak_heap *heap, size_t bytes)
{
    for (unsigned i = 0; i < HAK_SPAN_PLACES; i++) {
        unsigned place = (heap->span_place + i) % HAK_SPAN_PLACES;
        if (heap->kept[place].units != 0 &&
            (i == 0 || heap->span_bytes + bytes > HAK_SPAN_CACHE_BYTES))
            hak__span_free(remove_at(heap, place));
    }
    hak__cache_poll(heap);
}

bool hak__span_cache_put(struct hak_heap *heap, struct hak_span *span)
{
    if (span->units > HAK_SPAN_CACHE_UNITS || hak__heap_count() > HAK_FULL_SHARE_HEAPS)
        return false;
    if (hak_unlikely(!hak__heap_is_real(heap)) && (heap = hak__heap_attach()) == NULL)
        return false;
    unsigned place = heap->span_place;
    if (heap->kept[place].units != 0 || heap->span_bytes + span->size > HAK_SPAN_CACHE_BYTES)
        make_room(heap, span->size);
    span->dirty = true;
    heap->kept[place] = (struct hak_kept){.span = span, .units = span->units};
    heap->span_place = (place + 1) % HAK_SPAN_PLACES;
    heap->span_bytes += span->size;
    hak__pagemap_set_word(span->base, HAK_CODE_SPAN_KEPT);
    return true;
}

void hak__span_cache_flush(struct hak_heap *heap)
{
    for (unsigned i = 0; i < HAK_SPAN_PLACES; i++)
        if (heap->kept[i].units != 0)
            hak__span_free(remove_at(heap, i));
}

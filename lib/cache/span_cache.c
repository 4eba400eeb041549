/* SPDX-License-Identifier: MIT */
#include "cache/span_cache.h"

#include "page/arena.h"
#include "page/pagemap.h"
#include "page/retain.h"

void hak__span_free(struct hak_span *span)
{
    hak__pagemap_set_words(span->base, span->units, HAK_CODE_SPAN_INSIDE);
    hak__live_sub(hak__span_bytes(span));
    span->dirty = true;
    span->advised |= span->units >= HAK_ADVISED_UNITS;
    hak__arena_free(span);
}

static void evict(struct hak_heap *heap, unsigned place)
{
    hak__span_cache_remove(heap, place);
    hak__span_free(heap->kept[place].span);
}

/* Places are filled in turn, so the next one has the oldest span, if no other has been emptied. */
void hak__span_cache_make_room(struct hak_heap *heap)
{
    unsigned next = (heap->span_place + 1) % HAK_SPAN_PLACES;
    heap->span_place = next;
    if (heap->kept[next].units == 0)
        return;
    evict(heap, next);
    hak__heap_poll(heap);
}

struct hak_span *hak__span_cache_take_largest(struct hak_heap *heap, size_t units)
{
    const struct hak_kept *largest = NULL;
    if (!hak__heap_is_real(heap) || !hak__heap_try_enter(heap))
        return NULL;
    for (unsigned i = 0; i < HAK_SPAN_PLACES; i++) {
        const struct hak_kept *kept = &heap->kept[i];
        if (kept->units >= units && (largest == NULL || kept->units > largest->units))
            largest = kept;
    }
    if (largest != NULL)
        hak__span_cache_remove(heap, (unsigned)(largest - heap->kept));
    hak__heap_leave(heap, false);
    return largest != NULL ? largest->span : NULL;
}

void hak__span_cache_open(struct hak_heap *heap)
{
    bool busy = hak__heap_enter(heap);
    hak__heap_leave(heap, busy);
}

void hak__span_cache_flush(struct hak_heap *heap)
{
    for (unsigned i = 0; i < HAK_SPAN_PLACES; i++)
        if (heap->kept[i].units != 0)
            evict(heap, i);
}

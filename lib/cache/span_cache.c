/* SPDX-License-Identifier: MIT */
#include "cache/span_cache.h"

#include <string.h>

#include "base/bits.h"
#include "cache/heap_list.h"
#include "cache/heap_poll.h"
#include "page/arena.h"
#include "page/fill.h"
#include "page/pagemap.h"
#include "page/retain.h"

void hak__span_free(struct hak_span *span)
{
    hak__fill_observe(span);
    hak__pagemap_set_words(span->base, span->units, HAK_CODE_SPAN_INSIDE);
    hak__live_sub(hak__span_counted(span));
    span->dirty = true;
    span->advised |= span->units >= HAK_ADVISED_UNITS;
    hak__arena_free(span);
}

bool hak__span_count(struct hak_span *span, size_t bytes)
{
    if (hak_likely(bytes == 0))
        return true;
    if (!hak__memory_take(bytes))
        return false;
    hak__live_add(bytes);
    span->uncounted -= bytes;
    return true;
}

/* Wraps as intended when it falls. */
static void add_kept(struct hak_heap *heap, size_t bytes)
{
    hak_store_relaxed(&heap->cached_span_bytes, hak_load_relaxed(&heap->cached_span_bytes) + bytes);
}

/* Empties a place that has a span; this is live again. */
static struct hak_cached_span *take_out(struct hak_heap *heap, unsigned place)
{
    struct hak_cached_span *cached = &heap->cached_spans[place];
    if (place != HAK_SPAN_NEWEST) {
        uint32_t bit = (uint32_t)1 << place;
        heap->cached_by_units[cached->units - 1] &= ~bit;
        heap->cached_places &= ~bit;
        add_kept(heap, -(cached->units * HAK_GRANULE));
        heap->span_place = place;
    }
    cached->units = 0;
    hak_store_relaxed(&cached->span->cached, false);
    return cached;
}

static void evict(struct hak_heap *heap, unsigned place)
{
    hak__span_free(take_out(heap, place)->span);
}

/*
 * With thousands of threads a thread's share is less than any span, while few of them run at a time. So
 * some may keep a span of whatever size all the same: those that want to first, until they give back what
 * they keep, which those that sleep are made to do.
 */
#define GRANT (HAK_SPAN_CACHE_UNITS * HAK_GRANULE)
static HAK_WRITTEN_OFTEN _Atomic uint32_t granted;

static bool take_grant(struct hak_heap *heap)
{
    enum { MOST = 32, LEAST = 8 * GRANT }; /* of cache_max: who wants less shall have less */
    if (heap->granted || hak__option(HAK_OPTION_CACHE_MAX) < LEAST || hak_load_relaxed(&granted) >= MOST)
        return heap->granted;
    heap->granted = HAK_SHARED(hak_add_relaxed(&granted, 1)) < MOST;
    if (!heap->granted)
        hak_sub_relaxed(&granted, 1);
    return heap->granted;
}

static void give_grant(struct hak_heap *heap)
{
    if (heap->granted)
        hak_sub_relaxed(&granted, 1);
    heap->granted = false;
}

static void look_at_bound(struct hak_heap *heap)
{
    enum { SHARE = 4 };
    size_t heaps = hak__heap_count(), most = hak__heap_share_of_cache(heaps);
    size_t share = hak_load_relaxed(&hak__live_bytes) / SHARE / (heaps != 0 ? heaps : 1);
    if (share < HAK_SPAN_CACHE_LEAST)
        share = HAK_SPAN_CACHE_LEAST;
    heap->cached_span_bytes_max = share < most ? share : most;
    if (heap->cached_span_bytes_max >= GRANT)
        give_grant(heap);
    else if (heap->granted)
        heap->cached_span_bytes_max = GRANT;
}

/* The next place of some, in turn: which span that has says nothing about its age. */
static unsigned next_of(uint32_t places, unsigned place)
{
    uint32_t behind = places & ~(((uint32_t)2 << place) - 1);
    return hak__lowest_bit(behind != 0 ? behind : places);
}

static void keep_within(struct hak_heap *heap, size_t most)
{
    while (hak_load_relaxed(&heap->cached_span_bytes) > most)
        evict(heap, next_of(heap->cached_places, heap->span_place));
}

/* Out of the place of the newest into an empty one, or one that is emptied, in turn. */
static void move_newest(struct hak_heap *heap)
{
    struct hak_cached_span *newest = &heap->cached_spans[HAK_SPAN_NEWEST];
    uint32_t empty = ~heap->cached_places & ~((uint32_t)1 << HAK_SPAN_NEWEST);
    if (empty == 0)
        evict(heap, next_of(heap->cached_places, heap->span_place));
    unsigned place = empty == 0 ? heap->span_place : next_of(empty, heap->span_place);
    uint32_t bit = (uint32_t)1 << place;
    heap->cached_spans[place] = *newest;
    heap->cached_by_units[newest->units - 1] |= bit;
    heap->cached_places |= bit;
    add_kept(heap, newest->units * HAK_GRANULE);
    heap->span_place = place;
    newest->units = 0;
}

HAK_NOINLINE bool hak__span_cache_make_room(struct hak_heap *heap, size_t bytes)
{
    size_t newest = heap->cached_spans[HAK_SPAN_NEWEST].units * HAK_GRANULE;
    size_t before = hak_load_relaxed(&heap->cached_span_bytes) + newest;
    if (before + bytes > heap->cached_span_bytes_max)
        look_at_bound(heap);
    if (bytes > heap->cached_span_bytes_max && take_grant(heap))
        heap->cached_span_bytes_max = GRANT;
    if (bytes > heap->cached_span_bytes_max)
        return false;
    if (newest != 0)
        move_newest(heap);
    keep_within(heap, heap->cached_span_bytes_max - bytes);
    if (hak_load_relaxed(&heap->cached_span_bytes) != before)
        hak__heap_poll(heap);
    return true;
}

void hak__span_cache_keep_bound(struct hak_heap *heap)
{
    look_at_bound(heap);
    keep_within(heap, heap->cached_span_bytes_max);
    if (heap->cached_spans[HAK_SPAN_NEWEST].units * HAK_GRANULE > heap->cached_span_bytes_max)
        evict(heap, HAK_SPAN_NEWEST);
}

HAK_NOINLINE const struct hak_cached_span *hak__span_cache_take_other(struct hak_heap *heap, size_t units)
{
    enum { WASTE = 4 };
    size_t most = hak_load_relaxed(&hak__arena_keeps_whole) ? 2 * units : units + units / WASTE;
    if (most > HAK_SPAN_CACHE_UNITS)
        most = HAK_SPAN_CACHE_UNITS;
    for (; units <= most; units++)
        if (heap->cached_by_units[units - 1] != 0)
            return take_out(heap, hak__lowest_bit(heap->cached_by_units[units - 1]));
    return NULL;
}

struct hak_span *hak__span_cache_take_largest(struct hak_heap *heap, size_t units)
{
    const struct hak_cached_span *largest = NULL;
    if (!hak__heap_is_real(heap) || !hak__heap_try_enter(heap))
        return NULL;
    for (unsigned i = 0; i < HAK_CACHED_SPANS; i++) {
        const struct hak_cached_span *cached = &heap->cached_spans[i];
        if (cached->units >= units && (largest == NULL || cached->units > largest->units))
            largest = cached;
    }
    if (largest != NULL)
        take_out(heap, (unsigned)(largest - heap->cached_spans));
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
    for (struct hak_span *span; HAK_HARDENED && (span = hak__rests_take_large(hak__heap_rests(heap))) != NULL;)
        hak__span_free(span);
    if (heap->cached_spans[HAK_SPAN_NEWEST].units != 0)
        evict(heap, HAK_SPAN_NEWEST);
    keep_within(heap, 0);
    heap->cached_span_bytes_max = 0;
    give_grant(heap);
}

void hak__span_cache_reset(struct hak_heap *heap)
{
    memset(heap->cached_spans, 0, sizeof heap->cached_spans);
    memset(heap->cached_by_units, 0, sizeof heap->cached_by_units);
    heap->cached_places = 0;
    hak_store_relaxed(&heap->cached_span_bytes, 0);
    heap->cached_span_bytes_max = 0;
    give_grant(heap);
}

/* Another thread may be giving back what is kept (idle.c): how much it is tells who has entered. */
bool hak__span_cache_empty(struct hak_heap *heap, size_t least)
{
    if (!hak__heap_is_real(heap) || !hak__heap_try_enter(heap))
        return false;
    bool enough = hak_load_relaxed(&heap->cached_span_bytes) >= least;
    if (enough)
        hak__span_cache_flush(heap);
    hak__heap_leave(heap, false);
    return enough;
}

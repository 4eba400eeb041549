/* SPDX-License-Identifier: MIT */
/* Blocks above the size classes: spans of the page arena, and mappings of their own above those. */
#include <string.h>

#include "base/annotate.h"
#include "base/bits.h"
#include "base/params.h"
#include "cache/heap.h"
#include "cache/heap_life.h"
#include "cache/heap_poll.h"
#include "cache/purger.h"
#include "cache/reclaim.h"
#include "cache/span_cache.h"
#include "core/stats.h"
#include "front/front.h"
#include "front/large.h"
#include "harden/harden.h"
#include "os/os.h"
#include "page/arena.h"
#include "page/fill.h"
#include "page/huge.h"
#include "page/locked.h"
#include "page/pagemap.h"
#include "page/region.h"
#include "page/retain.h"
#include "profile/sampler.h"
#include "profile/tables.h"

/* Zeroed blocks up to this size may be cleared by hand; above, memory that is zero is sought first. */
#define CLEARED_MAX ((size_t)2 << 20)

/* All addresses that the page map can show: no system gives so much. */
#define TOO_MUCH (((size_t)1 << (HAK_ADDRESS_BITS - 1)) * 2 - 1)

/*
 * Where in its first granule a block begins, by the granule alone: within what the block's last one
 * has to spare, else within the first page. Blocks of one size that all began with a granule would
 * lie in the same few sets of each cache, and a walk over the same field of many would miss all the
 * time. A granule has two such places, whatever the sizes that come to begin there: who uses but the
 * start of his blocks shall not touch new pages each time.
 */
static uint32_t offset_of(uintptr_t base, size_t spare, size_t alignment)
{
    enum { FIRST_PAGE = 4096 };
    if (alignment > HAK_CACHE_LINE)
        return 0;
    uint32_t offset = (uint32_t)(base >> HAK_GRANULE_SHIFT) * 0x9e3779b1u >> 16;
    if (offset > spare)
        offset %= FIRST_PAGE;
    if (offset > spare)
        offset = 0;
    return offset & ~(uint32_t)(HAK_CACHE_LINE - 1);
}

/* What a block may use ends at an address. A walk reads the size meanwhile. */
HAK_INLINE void set_usable(struct hak_span *span, uintptr_t end)
{
    hak_plain_store_relaxed(&span->size, end - (uintptr_t)hak__span_block(span));
}

HAK_INLINE void place(struct hak_span *span, size_t size, size_t alignment)
{
    uint32_t offset = offset_of(span->base, hak__span_bytes(span) - size, alignment);
    hak_store_relaxed(&span->offset, offset);
    set_usable(span, hak__span_end(span));
}

HAK_NOINLINE void *hak__large_place_cached(struct hak_span *span, size_t size, size_t alignment)
{
    if (hak_unlikely(!hak__span_count(span, span->uncounted))) {
        hak__span_free(span);
        return NULL;
    }
    place(span, size, alignment);
    return hak__span_block(span);
}

/*
 * What a block that has just got its place, and will not grow, does not reach in whole pages is no
 * part of it: it has no memory, and does not count. Memory that is locked has it all at once.
 */
static void leave_out_rest(struct hak_span *span, size_t size)
{
    uintptr_t block = (uintptr_t)hak__span_block(span), page = hak__os_page_size();
    uintptr_t start = hak__align_down(block, page), end = hak__align_up(block + size, page);
    if (hak_unlikely(hak_load_relaxed(&hak__memory_is_locked)))
        return;
    set_usable(span, end);
    span->uncounted = hak__span_bytes(span) - (end - start);
}

/* Makes a block, which has its place, of a span of the arena, unless its memory may not be had. */
static struct hak_span *begin_block(struct hak_span *span, size_t size)
{
    if (!span->dirty) {
        if (!hak__memory_take(hak__span_counted(span))) {
            span->uncounted = 0;
            hak__arena_free(span);
            return NULL;
        }
        hak__retain_missed(size);
    }
    if (hak_unlikely(!hak__locked_keep(span->base, hak__span_bytes(span)))) {
        span->dirty = true; /* counted as such */
        hak__arena_free(span);
        return NULL;
    }
    hak__live_add(hak__span_counted(span));
    hak__pagemap_show(span->base, span->units, HAK_CODE_LARGE, span);
    hak__count(HAK_COUNTER_LARGE_ALLOCATIONS, 1);
    return span;
}

/*
 * Rather than memory that has to come from the system first, a block gets what the thread keeps and
 * has not found a use for.
 */
static struct hak_span *arena_block(size_t size, size_t alignment, bool zero)
{
    size_t align_units = alignment <= HAK_GRANULE ? 1 : alignment >> HAK_GRANULE_SHIFT;
    bool zero_first = zero && size > CLEARED_MAX;
    struct hak_span *span = hak__arena_alloc(hak__units_of(size), align_units, zero_first);
    if (span != NULL && !span->dirty && !zero_first && hak__span_cache_empty(hak__heap, size)) {
        hak__arena_free(span);
        span = hak__arena_alloc(hak__units_of(size), align_units, false);
    }
    if (span == NULL)
        return NULL;
    place(span, size, alignment);
    if (!span->dirty)
        leave_out_rest(span, size);
    span = begin_block(span, size);
    /* who asks for whole pages may have wishes about them, which fill.c would meet when it looks */
    if (span != NULL && !zero && alignment < hak__os_page_size())
        hak__fill_expect(span, size);
    return span;
}

/* The soft limit acts when a mapping is there, before it is used: not for one that cannot be had. */
static struct hak_span *within_soft_limit(struct hak_span *span)
{
    if (span != NULL)
        hak__reclaim_make_room(0);
    return span;
}

static struct hak_span *try(size_t size, size_t alignment, bool zero)
{
    struct hak_span *span = NULL;
    if (size <= HAK_LARGE_MAX && alignment <= HAK_LARGE_MAX) {
        hak__reclaim_make_room(size);
        span = arena_block(size, alignment, zero);
    }
    return span != NULL ? span : within_soft_limit(hak__huge_alloc(size, alignment));
}

/*
 * Whether a size that was refused may be had once all that serves no block has gone. Programs ask
 * for sizes that nobody can have, as a probe or since a file says so: these change nothing. If the
 * system does not even give what remains without all that could ever go, purging is in vain.
 */
static bool purging_may_help(size_t size, size_t alignment)
{
    size_t ours = hak__footprint() + hak_load_relaxed(&hak__committed_bytes);
    size_t needed = size + alignment; /* both are at most PTRDIFF_MAX and something */
    if (!hak__memory_is_allowed(size))
        return false;
    if (needed <= ours)
        return true;
    size_t rest = hak__align_up(needed - ours, hak__os_page_size());
    void *probe = hak__os_map(rest);
    if (probe != NULL)
        hak__os_unmap_unused(probe, rest);
    return probe != NULL;
}

/* A block that is not the program's yet. */
HAK_INLINE void *clear(void *block, size_t size)
{
    hak__annotate_lend(block, size);
    return memset(block, 0, size);
}

/* A block that nobody has had goes back to where it came from. */
static void give_back(void *block)
{
    hak__large_free(block, hak__pagemap_word((uintptr_t)block), "free", NULL);
}

static HAK_NOINLINE void *sample(void *block, size_t size, size_t alignment, unsigned due)
{
    void *guarded = (due & HAK_DUE_GUARD) != 0 ? hak__sample_guarded(hak__heap, size, alignment, &due) : NULL;
    if ((due & HAK_DUE_SAMPLE) != 0)
        hak__sample_span(hak__heap, hak__pagemap_record((uintptr_t)block), size);
    if (guarded == NULL)
        return block;
    give_back(block);
    return guarded;
}

void *hak__large_sample(void *block, size_t size, size_t alignment)
{
    unsigned due = hak__sample_due(hak__heap, size);
    return hak_likely(due == 0) ? block : sample(block, size, alignment, due);
}

void *hak__large_alloc(size_t size, size_t alignment, bool zero)
{
    bool may_be_kept = alignment <= HAK_GRANULE && !(zero && size > CLEARED_MAX);
    void *kept = may_be_kept ? hak__large_take_cached(size, alignment) : NULL;
    if (kept != NULL) {
        kept = hak__large_sample(kept, size - HAK_TRAILER, alignment);
        return zero ? clear(kept, size - HAK_TRAILER) : kept;
    }
    return hak__large_alloc_uncached(size, alignment, zero);
}

/* Cleared by hand only where the bytes may not be zero. What cannot be is not tried. */
static void *fresh(size_t size, size_t alignment, bool zero)
{
    if (hak_unlikely(size >= TOO_MUCH))
        return NULL;
    if (hak_unlikely(!hak__heap_is_real(hak__heap)) && size <= HAK_SPAN_CACHE_UNITS * HAK_GRANULE)
        hak__heap_attach(); /* its span cache may keep the block when it is freed */
    struct hak_span *span = try(size, alignment, zero);
    if (hak_unlikely(span == NULL) && purging_may_help(size, alignment)) {
        hak__purge();
        span = try(size, alignment, zero);
    }
    if (span == NULL)
        return NULL;
    void *block = hak__span_block(span);
    if (zero && span->dirty)
        clear(block, size);
    return block;
}

void *hak__large_alloc_uncached(size_t size, size_t alignment, bool zero)
{
    void *block = fresh(size, alignment, zero);
    return block != NULL ? hak__large_sample(block, size - HAK_TRAILER, alignment) : NULL;
}

void *hak__large_alloc_advised(size_t size, size_t alignment, bool huge_pages)
{
    struct hak_span *span =
        within_soft_limit(hak__huge_alloc_advised(size, alignment, huge_pages));
    if (span == NULL)
        return NULL;
    return hak__large_sample((void *)span->base, size - HAK_TRAILER, alignment);
}

HAK_INLINE struct hak_span *span_of(void *block, uint32_t word, const char *call)
{
    struct hak_span *span = hak__pagemap_record((uintptr_t)block);
    if (hak_unlikely(hak__span_block(span) != block))
        hak__misuse_foreign(call, block, word);
    if (HAK_CHECKS && hak_unlikely(hak__span_is_cached(span)))
        hak__misuse_foreign(call, block, HAK_CODE_SPAN_FREE);
    return span;
}

const struct hak_span *hak__large_span(const void *block, uint32_t word, const char *call)
{
    return span_of((void *)(uintptr_t)block, word, call);
}

/* What may be the last call of the program is the time for a thread that its poll has wanted. */
HAK_NOINLINE void hak__large_release(void *block, uint32_t word, const char *call, const void *caller)
{
    struct hak_span *span = hak__pagemap_record((uintptr_t)block);
    hak__sample_end_span(span);
    if (hak_unlikely(span->guarded))
        hak__guarded_free(span, call);
    else if (word == HAK_CODE_HUGE)
        hak__huge_free(span);
    else
        hak__span_free(span);
    hak__span_cache_follow(hak__heap);
    hak__heap_poll(hak__heap);
    hak__purger_start(caller);
}

/* What leaves the quarantine of large blocks when one is put into it; that one while the heap is barred. */
static struct hak_span *swap_large(struct hak_heap *heap, struct hak_span *span)
{
    if (hak_unlikely(!hak__heap_try_enter(heap))) {
        hak__span_cache_open(heap);
        return span;
    }
    span = hak__rests_swap_large(hak__heap_rests(heap), span);
    hak__heap_leave(heap, false);
    return span;
}

/* In the hardened variant the span rests, inaccessible, and others go their way. */
static void rest_large(struct hak_span *span, const char *call, const void *caller)
{
    for (span = swap_large(hak__heap, span); span != NULL; span = swap_large(hak__heap, NULL))
        if (!hak__span_cache_put(hak__heap, span, hak__span_block(span)))
            hak__large_release(hak__span_block(span), HAK_CODE_LARGE, call, caller);
}

void hak__large_free(void *block, uint32_t word, const char *call, const void *caller)
{
    struct hak_span *span = span_of(block, word, call);
    hak__sample_end_span(span);
    if (HAK_HARDENED && word == HAK_CODE_LARGE && hak__heap_is_real(hak__heap)) {
        rest_large(span, call, caller);
        return;
    }
    if (hak_unlikely(word != HAK_CODE_LARGE) || !hak__span_cache_put(hak__heap, span, block))
        hak__large_release(block, word, call, caller);
}

/* From now on a block may use all behind it, of which nothing may have counted. */
static bool count_behind(struct hak_span *span, bool shrinks)
{
    size_t before = hak__align_down(hak_load_relaxed(&span->offset), hak__os_page_size());
    if (span->uncounted <= before)
        return true;
    if (!shrinks)
        return hak__span_count(span, span->uncounted - before);
    /* less than a granule, and it goes at once: no limit keeps a block from becoming smaller */
    hak__memory_add(span->uncounted - before);
    hak__live_add(span->uncounted - before);
    span->uncounted = before;
    return true;
}

/* Takes granules from the neighbour or gives some back; the page map shows only what is live. */
static bool resize_span(struct hak_span *span, size_t units)
{
    size_t old = span->units;
    if (!count_behind(span, units < old))
        return false;
    if (hak_likely(units == old)) {
        set_usable(span, hak__span_end(span));
        return true;
    }
    if (units < old) {
        uintptr_t end = span->base + units * HAK_GRANULE;
        hak__pagemap_set_words(end, old - units, HAK_CODE_SPAN_INSIDE);
        if (!hak__arena_shrink(span, units)) {
            hak__pagemap_set_words(end, old - units, HAK_CODE_INSIDE);
            return false;
        }
    } else {
        if (!hak__arena_grow(span, units))
            return false;
        uintptr_t end = span->base + old * HAK_GRANULE;
        if (hak_unlikely(!hak__locked_keep(end, (units - old) * HAK_GRANULE)) &&
            hak__arena_shrink(span, old))
            return false;
        hak__pagemap_set_words(span->base + old * HAK_GRANULE, units - old, HAK_CODE_INSIDE);
    }
    hak__live_add((units - old) << HAK_GRANULE_SHIFT); /* wraps as intended when the block shrinks */
    set_usable(span, hak__span_end(span));
    return true;
}

/* The largest block that the thread keeps, cut to size: what is cut off is room. */
static void *take_cached_to_grow(size_t size)
{
    struct hak_span *span = hak__span_cache_take_largest(hak__heap, hak__units_of(size));
    if (span == NULL)
        return NULL;
    void *block = hak__large_place_cached(span, size, HAK_GRANULE);
    if (block != NULL)
        resize_span(span, hak__units_of(size));
    return block;
}

/*
 * A block that grows becomes a mapping from here on, if one is kept that is far larger than what can
 * grow in the arena: it has grown that far before, and need not be copied on the way then.
 */
#define GROWN_LEAST ((size_t)256 << 10)
#define GROWN_FAR (3 * HAK_GROWN_MAX)

/* Room that the system would lock, and put memory behind, is none. */
static void *alloc_to_grow(size_t size)
{
    struct hak_span *span = NULL;
    if (size >= GROWN_LEAST)
        span = hak__huge_reuse_to_grow(size, size <= HAK_GROWN_MAX ? GROWN_FAR : size);
    void *kept = span == NULL ? take_cached_to_grow(size) : NULL;
    if (kept != NULL)
        return kept;
    if (span == NULL && size <= HAK_LARGE_MAX) {
        hak__reclaim_make_room(size);
        bool unused = size <= HAK_GROWN_MAX && !hak__locked_in_future();
        span = hak__arena_alloc_to_grow(hak__units_of(size), unused);
        if (span != NULL) {
            place(span, size, HAK_GRANULE);
            span = begin_block(span, size);
        }
    }
    if (span == NULL && size <= HAK_GROWN_MAX)
        return fresh(size, HAK_GRANULE, false);
    if (span == NULL)
        span = within_soft_limit(hak__huge_alloc(size, HAK_GRANULE));
    return span != NULL ? hak__span_block(span) : NULL;
}

void *hak__large_alloc_to_grow(size_t size)
{
    void *block = alloc_to_grow(size);
    return block != NULL ? hak__large_sample(block, size - HAK_TRAILER, HAK_ALIGNMENT) : NULL;
}

static bool resize_or_move(struct hak_span *span, uint32_t word, size_t size)
{
    size_t old = span->size;
    if (word == HAK_CODE_HUGE)
        return (size > HAK_GROWN_MAX || size > old) && hak__huge_resize(span, size, true);
    if (old <= HAK_GROWN_MAX && size > HAK_GROWN_MAX)
        return false; /* copied this once, and its pages are moved from then on */
    if (old < GROWN_LEAST && size >= GROWN_LEAST && hak__huge_has_to_grow(GROWN_FAR))
        return false;
    return size > HAK_SMALL_MAX && size <= HAK_LARGE_MAX &&
           resize_span(span, hak__units_of(hak_load_relaxed(&span->offset) + size));
}

/* The place that a block leaves may be another's at once: its record, if it has one, goes away before. */
void *hak__large_resize(void *block, uint32_t word, size_t size)
{
    struct hak_span *span = hak__pagemap_record((uintptr_t)block);
    size_t old = span->size;
    if (hak_unlikely(span->guarded))
        return NULL;
    bool sampled = hak_load_relaxed(&span->sampled) && word == HAK_CODE_HUGE;
    if (hak_unlikely(sampled))
        hak__profile_rename(block, span);
    bool resized = resize_or_move(span, word, size);
    void *now = hak__span_block(span);
    if (hak_unlikely(sampled))
        hak__profile_rename(span, now);
    if (!resized)
        return NULL;
    hak__sample_resize_span(span, block, old, size - HAK_TRAILER);
    if (span->size < old)
        hak__heap_poll(hak__heap);
    return now;
}

size_t hak__large_resize_in_place(void *block, uint32_t word, size_t min, size_t max)
{
    struct hak_span *span = hak__pagemap_record((uintptr_t)block);
    size_t old = span->size;
    if (hak_unlikely(span->guarded))
        return hak__span_usable(span);
    size_t least = min > HAK_SMALL_MAX ? min : HAK_SMALL_MAX + 1;
    size_t most = max > least ? max : least;
    if (word == HAK_CODE_HUGE) {
        /* of what is between, which the system does not tell, some halves are tried */
        for (size_t size = most; !hak__huge_resize(span, size, false) && span->size < min;) {
            if (size == least)
                break;
            size = size - least > HAK_GRANULE ? least + (size - least) / 2 : least;
        }
    } else {
        size_t room = hak__arena_room(span);
        size_t offset = hak_load_relaxed(&span->offset);
        size_t wanted = hak__units_of(offset + most), needed = hak__units_of(offset + least);
        size_t units = wanted < room ? wanted : room;
        if (units >= needed && !resize_span(span, units) && span->size < min)
            resize_span(span, needed);
    }
    size_t now = span->size;
    if (now != old)
        hak__sample_resize_span(span, block, old, (now < max ? now : max) - HAK_TRAILER);
    if (now < old)
        hak__heap_poll(hak__heap);
    return now;
}

/* SPDX-License-Identifier: MIT */
#include "page/arena.h"

#include "base/bits.h"
#include "base/params.h"
#include "core/stats.h"
#include "page/pagemap.h"
#include "page/region.h"
#include "page/retain.h"
#include "page/spans.h"

/* Beside the kinds of free spans (spans.h): several of them, and memory that no span had yet. */
enum { MIXED = HAK_SPAN_KINDS, FRESH, WAYS };

HAK_WRITTEN_OFTEN struct hak_lock hak__arena_lock;
_Atomic bool hak__arena_keeps_whole;

struct hak_span *hak__span_acquire(void)
{
    hak__lock_acquire(&hak__arena_lock);
    struct hak_span *span = hak__spans_record_locked();
    hak__lock_release(&hak__arena_lock);
    return span;
}

void hak__span_release(struct hak_span *span)
{
    hak__lock_acquire(&hak__arena_lock);
    hak__spans_spare_locked(span);
    hak__lock_release(&hak__arena_lock);
}

/* What a block needs that a bare span has not; false, and the span is listed again, without memory. */
static bool dress_locked(struct hak_span *span)
{
    if (!span->bare)
        return true;
    if (!hak__region_commit_locked(span->base, hak__span_end(span))) {
        hak__spans_join_locked(span);
        return false;
    }
    span->bare = false;
    return true;
}

/*
 * After one span in eight a granule stays free, of which nothing is used: else spans of an even
 * number would all lie on even granules, which are half of the sets of the processor's page tables.
 */
static uintptr_t take_fresh_locked(size_t units, size_t align_units, size_t *gap)
{
    enum { PERIOD = 8, SMALL = 32 };
    static unsigned count;
    bool apart = align_units == 1 && units <= SMALL && ++count % PERIOD == 0;
    uintptr_t base = 0;
    if (apart)
        base = hak__region_take_locked((units + 1) * HAK_GRANULE, HAK_GRANULE, gap);
    if (base != 0)
        *gap += HAK_GRANULE;
    else
        base = hak__region_take_locked(units * HAK_GRANULE, align_units * HAK_GRANULE, gap);
    return base;
}

static struct hak_span *fresh_locked(size_t units, size_t align_units)
{
    struct hak_span *span = hak__spans_record_locked(), *rest = hak__spans_record_locked();
    size_t gap = 0;
    uintptr_t base = 0;
    if (span != NULL && rest != NULL)
        base = take_fresh_locked(units, align_units, &gap);
    if (base != 0) {
        span->base = base;
        span->units = units;
        span->uncounted = 0;
        span->dirty = span->pinned = span->bare = span->advised = span->room = span->lacking = false;
        *rest = *span;
        rest->base = hak__span_end(span);
        rest->units = gap >> HAK_GRANULE_SHIFT;
    }
    if (base == 0 && span != NULL)
        hak__spans_spare_locked(span);
    if (base != 0 && gap != 0)
        hak__spans_list_locked(rest); /* what alignment left stays usable */
    else if (rest != NULL)
        hak__spans_spare_locked(rest);
    return base != 0 ? span : NULL;
}

static struct hak_span *reuse_locked(enum hak_span_kind kind, size_t units, size_t align_units)
{
    struct hak_span *span = hak__spans_find_locked(kind, units, align_units);
    if (span != NULL)
        span = hak__spans_take_locked(span, units, align_units);
    return span != NULL && dress_locked(span) ? span : NULL;
}

/*
 * Cuts a span with room behind it out of a listed one: at its start, or where that is another's
 * room, as far behind as leaves room.
 */
static struct hak_span *take_to_grow_locked(struct hak_span *span, size_t units, size_t wanted)
{
    uintptr_t start = span->room ? hak__span_end(span) - wanted * HAK_GRANULE : span->base;
    span = hak__spans_cut_locked(span, start, units);
    if (span == NULL || !dress_locked(span))
        return NULL;
    if (hak__pagemap_word(hak__span_end(span)) == HAK_CODE_SPAN_FREE) {
        struct hak_span *after = hak__pagemap_record(hak__span_end(span));
        after->room = true;
    }
    return span;
}

static struct hak_span *reuse_to_grow_locked(enum hak_span_kind kind, size_t units, size_t wanted)
{
    struct hak_span *span = kind == HAK_SPAN_WARM ? hak__spans_find_to_grow_locked(units, wanted)
                                                  : hak__spans_find_locked(kind, wanted, 1);
    if (span != NULL && span->room && span->units < 2 * wanted)
        span = hak__spans_find_locked(kind, 2 * wanted, 1); /* the other block keeps as much */
    return span != NULL ? take_to_grow_locked(span, units, wanted) : NULL;
}

static struct hak_span *fresh_to_grow_locked(size_t units, size_t wanted)
{
    struct hak_span *span = fresh_locked(wanted, 1);
    if (span == NULL)
        return NULL;
    hak__spans_list_locked(span);
    return take_to_grow_locked(span, units, wanted);
}

/*
 * The room behind a block that grows serves no block, so it costs nothing where there is no memory:
 * it is as much as the block may need before it becomes a mapping of its own, or some of that. Memory
 * that is there is used first, if the block may at least have half as much again.
 */
static struct hak_span *alloc_to_grow_locked(size_t units, bool fresh)
{
    enum { MOST = HAK_GROWN_MAX >> HAK_GRANULE_SHIFT };
    size_t some = units <= MOST / 4 ? MOST / 2 : MOST;
    struct hak_span *span = reuse_to_grow_locked(HAK_SPAN_WARM, units, units + (units + 1) / 2);
    if (span != NULL || !fresh)
        return span;
    if ((span = reuse_to_grow_locked(HAK_SPAN_COLD, units, MOST)) != NULL ||
        (span = reuse_to_grow_locked(HAK_SPAN_BARE, units, MOST)) != NULL ||
        (span = reuse_to_grow_locked(HAK_SPAN_COLD, units, some)) != NULL ||
        (span = fresh_to_grow_locked(units, MOST)) != NULL ||
        (span = fresh_to_grow_locked(units, some)) != NULL)
        return span;
    if (hak__region_is_wanted_locked() || !hak__region_add_locked(MOST * HAK_GRANULE))
        return NULL;
    return fresh_to_grow_locked(units, MOST);
}

/* Adds a part of a listed span to the one that it follows; false without memory. */
static bool add_locked(struct hak_span *span, struct hak_span *from, size_t most, size_t *warm)
{
    uintptr_t end = hak__span_end(span);
    size_t more = (hak__span_end(from) - end) >> HAK_GRANULE_SHIFT;
    if (more > most)
        more = most;
    struct hak_span *part = hak__spans_cut_locked(from, end, more);
    if (part == NULL || !dress_locked(part))
        return false;
    if (!part->dirty && !hak__memory_take(more * HAK_GRANULE)) {
        hak__spans_join_locked(part);
        return false;
    }
    *warm += part->dirty ? more : 0;
    span->advised |= part->advised;
    hak__spans_spare_locked(part);
    span->units += more;
    return true;
}

/* Takes what is free behind a span until it has so many granules; false without memory. */
static bool grow_locked(struct hak_span *span, size_t units, size_t *warm)
{
    while (span->units < units)
        if (!add_locked(span, hak__pagemap_record(hak__span_end(span)), units - span->units, warm))
            return false;
    return true;
}

/*
 * A span of free ones that follow each other, some of them warm; the rest counts as if it had been
 * retained. Else warm memory that is a little too small for a block would lie idle, be purged since
 * too much is retained, and be needed again at once.
 */
static struct hak_span *mixed_locked(size_t units, size_t align_units)
{
    uintptr_t start = 0;
    size_t warm = 0;
    struct hak_span *first = hak__spans_find_mixed_locked(units, align_units, &start);
    struct hak_span *span = first != NULL ? hak__spans_record_locked() : NULL;
    if (span == NULL)
        return NULL;
    span->base = start;
    span->units = span->uncounted = 0;
    span->dirty = span->lacking = true;
    span->pinned = span->bare = span->advised = span->room = false;
    bool whole = add_locked(span, first, units, &warm) && grow_locked(span, units, &warm);
    hak__retained_add((span->units - warm) * HAK_GRANULE);
    if (whole)
        hak__retain_missed((units - warm) * HAK_GRANULE);
    else if (span->units != 0)
        hak__spans_join_locked(span);
    else
        hak__spans_spare_locked(span);
    return whole ? span : NULL;
}

static bool is_for_small(size_t units, size_t align_units)
{
    return units < HAK_ADVISED_UNITS ||
           (units == HAK_SUPERSLAB_UNITS && align_units == HAK_SUPERSLAB_UNITS);
}

static struct hak_span *find_locked(size_t units, size_t align_units, bool zero)
{
    static const int order[2][WAYS] = {
        {HAK_SPAN_ADVISED, HAK_SPAN_WARM, HAK_SPAN_PINNED, MIXED, HAK_SPAN_COLD, HAK_SPAN_BARE, FRESH},
        {HAK_SPAN_COLD, HAK_SPAN_BARE, FRESH, HAK_SPAN_ADVISED, HAK_SPAN_WARM, HAK_SPAN_PINNED, MIXED}};
    bool small = is_for_small(units, align_units);
    struct hak_span *span = NULL;
    for (int i = 0; i < WAYS && span == NULL; i++) {
        int way = order[zero][i];
        if (small && (way == HAK_SPAN_ADVISED || way == MIXED))
            continue;
        span = way == FRESH   ? fresh_locked(units, align_units)
               : way == MIXED ? mixed_locked(units, align_units)
                              : reuse_locked((enum hak_span_kind)way, units, align_units);
    }
    return span;
}

/*
 * Blocks of 2 MiB and more begin at multiples of about an eighth of their size, if they can. They
 * come in sizes of all kinds, so free spans that are cut to the granule would soon fit none, and
 * begin anywhere: of a block that is hardly used the first pages are touched, everywhere new ones.
 */
static size_t usual_alignment(size_t units, size_t align_units)
{
    enum { SHARE = 8, MOST = 16 };
    if (is_for_small(units, align_units))
        return align_units;
    size_t usual = (size_t)1 << hak__highest_bit(units / SHARE);
    usual = usual < MOST ? usual : MOST;
    return usual > align_units ? usual : align_units;
}

/*
 * A listed span as a whole, which may be up to twice as large, but not so that it goes another way than the
 * block's own when it is freed.
 */
static struct hak_span *whole_locked(size_t units)
{
    size_t end = units <= HAK_SPAN_CACHE_UNITS ? HAK_SPAN_CACHE_UNITS
                 : units < HAK_ADVISED_UNITS   ? HAK_ADVISED_UNITS - 1
                                               : 2 * units;
    size_t most = 2 * units < end ? 2 * units : end;
    struct hak_span *span = hak__spans_find_near_locked(HAK_SPAN_WARM, units, most);
    if (span == NULL && units >= HAK_ADVISED_UNITS)
        span = hak__spans_find_near_locked(HAK_SPAN_ADVISED, units, most);
    if (span == NULL || !hak__spans_count_locked(span))
        return NULL;
    hak__spans_unlist_locked(span);
    return span;
}

/*
 * Of blocks that are hardly used the first pages cost memory, everywhere new ones. So if the program has
 * such blocks, spans stay as they are: they are neither joined when they are freed nor cut.
 */
static struct hak_span *alloc_locked(size_t units, size_t align_units, bool zero)
{
    size_t usual = usual_alignment(units, align_units);
    bool apart = align_units == 1 && !zero && hak_load_relaxed(&hak__arena_keeps_whole);
    struct hak_span *span = apart ? whole_locked(units) : NULL;
    if (span == NULL)
        span = find_locked(units, usual, zero || apart);
    if (span == NULL && usual != align_units)
        span = find_locked(units, align_units, zero || apart);
    if (span == NULL && hak__spans_unpin_locked())
        span = reuse_locked(HAK_SPAN_WARM, units, align_units);
    size_t bytes = units * HAK_GRANULE;
    if (span != NULL || hak__region_has_room_locked(bytes, align_units * HAK_GRANULE))
        return span;
    if (align_units > HAK_SUPERSLAB_UNITS)
        bytes += align_units * HAK_GRANULE;
    return hak__region_add_locked(bytes) ? fresh_locked(units, align_units) : NULL;
}

/* It serves a block from now on. */
static struct hak_span *begin_locked(struct hak_span *span)
{
    span->state = HAK_SPAN_LIVE;
    span->pinned = span->room = false;
    return span;
}

static struct hak_span *unretained(struct hak_span *span)
{
    if (span != NULL && span->dirty)
        hak__retained_sub(hak__span_bytes(span));
    return span;
}

struct hak_span *hak__arena_alloc(size_t units, size_t align_units, bool zero)
{
    hak__lock_acquire(&hak__arena_lock);
    struct hak_span *span = alloc_locked(units, align_units, zero);
    if (span != NULL)
        begin_locked(span);
    hak__lock_release(&hak__arena_lock);
    return unretained(span);
}

struct hak_span *hak__arena_alloc_to_grow(size_t units, bool fresh)
{
    hak__lock_acquire(&hak__arena_lock);
    struct hak_span *span = alloc_to_grow_locked(units, fresh);
    if (span != NULL)
        begin_locked(span);
    hak__lock_release(&hak__arena_lock);
    return unretained(span);
}

void hak__arena_free(struct hak_span *span)
{
    if (span->dirty)
        hak__retained_add(hak__span_counted(span));
    hak__lock_acquire(&hak__arena_lock);
    if (span->dirty && hak_load_relaxed(&hak__arena_keeps_whole))
        hak__spans_list_locked(span);
    else
        hak__spans_join_locked(span);
    hak__lock_release(&hak__arena_lock);
}

static bool shrink_locked(struct hak_span *span, size_t units)
{
    struct hak_span *rest = hak__spans_record_locked();
    if (rest == NULL)
        return false;
    rest->base = span->base + units * HAK_GRANULE;
    rest->units = span->units - units;
    rest->uncounted = 0;
    rest->dirty = rest->room = true;
    rest->pinned = rest->bare = false;
    rest->advised = span->advised |= span->units >= HAK_ADVISED_UNITS;
    span->units = units;
    hak__retained_add(rest->units * HAK_GRANULE);
    hak__spans_join_locked(rest);
    return true;
}

/* What a span of so many granules may take. */
static enum hak_spans_in_a_row row_behind(size_t units)
{
    return units >= HAK_ADVISED_UNITS ? HAK_ANY_SPANS : HAK_UNADVISED_SPANS;
}

bool hak__arena_grow(struct hak_span *span, size_t units)
{
    size_t old = span->units, warm = 0;
    hak__lock_acquire(&hak__arena_lock);
    if (hak__spans_free_from_locked(hak__span_end(span), units - old, row_behind(units)) >= units - old)
        grow_locked(span, units, &warm);
    bool grown = span->units == units;
    if (!grown && span->units > old)
        shrink_locked(span, old); /* there is the record of what it took */
    hak__lock_release(&hak__arena_lock);
    if (warm != 0)
        hak__retained_sub(warm * HAK_GRANULE);
    return grown;
}

size_t hak__arena_room(const struct hak_span *span)
{
    hak__lock_acquire(&hak__arena_lock);
    size_t room = span->units + hak__spans_free_from_locked(hak__span_end(span), SIZE_MAX,
                                                            row_behind(span->units));
    hak__lock_release(&hak__arena_lock);
    return room;
}

bool hak__arena_shrink(struct hak_span *span, size_t units)
{
    hak__lock_acquire(&hak__arena_lock);
    bool shrunk = shrink_locked(span, units);
    hak__lock_release(&hak__arena_lock);
    return shrunk;
}

void hak__arena_reserve(size_t bytes)
{
    bytes = hak__align_up(bytes, HAK_SUPERSLAB);
    hak__lock_acquire(&hak__arena_lock);
    if (!hak__region_has_room_locked(bytes, HAK_SUPERSLAB))
        hak__region_add_locked(bytes);
    hak__lock_release(&hak__arena_lock);
}

bool hak__arena_is_fresh(uintptr_t address)
{
    hak__lock_acquire(&hak__arena_lock);
    bool fresh = hak__region_is_fresh_locked(address);
    hak__lock_release(&hak__arena_lock);
    return fresh;
}

size_t hak__arena_warm(void)
{
    size_t bytes = 0;
    hak__lock_acquire(&hak__arena_lock);
    for (enum hak_span_kind kind = HAK_SPAN_WARM; kind <= HAK_SPAN_PINNED; kind++)
        bytes += hak__spans_bytes_locked(kind);
    hak__lock_release(&hak__arena_lock);
    return bytes;
}

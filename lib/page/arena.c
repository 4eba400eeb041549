/* SPDX-License-Identifier: MIT */
#include "page/arena.h"

#include "base/annotate.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/params.h"
#include "core/meta.h"
#include "core/stats.h"
#include "os/os.h"
#include "page/pagemap.h"
#include "page/purge.h"
#include "page/region.h"
#include "page/retain.h"

enum { EXACT_BINS = 32, BINS = EXACT_BINS + 1 };
enum kind { WARM, ADVISED, PINNED, COLD, BARE, KINDS, FRESH = KINDS };
/* From here on a purged span gets other protection; each may cost two mappings, which are limited. */
enum { STRIPPED_UNITS = 16, BARE_MOST = 8192 };

struct hak_lock hak__arena_lock;

/* All under hak__arena_lock. */
static struct hak_span *bins[KINDS][BINS];
static uint64_t filled[KINDS]; /* bit b: bins[][b] is not empty */
static size_t bare_count;
static struct hak_span *spare_records;

static unsigned bin_of(size_t units)
{
    return units <= EXACT_BINS ? (unsigned)units - 1 : EXACT_BINS;
}

static struct hak_span *record_acquire_locked(void)
{
    struct hak_span *span = spare_records;
    if (span != NULL)
        spare_records = span->next;
    else
        span = hak__meta_alloc(sizeof *span, _Alignof(struct hak_span));
    return span;
}

static void record_release_locked(struct hak_span *span)
{
    span->state = HAK_SPAN_UNUSED;
    span->next = spare_records;
    spare_records = span;
}

struct hak_span *hak__span_acquire(void)
{
    hak__lock_acquire(&hak__arena_lock);
    struct hak_span *span = record_acquire_locked();
    hak__lock_release(&hak__arena_lock);
    return span;
}

void hak__span_release(struct hak_span *span)
{
    hak__lock_acquire(&hak__arena_lock);
    record_release_locked(span);
    hak__lock_release(&hak__arena_lock);
}

static uintptr_t span_end(const struct hak_span *span)
{
    return span->base + span->units * HAK_GRANULE;
}

static enum kind kind_of(const struct hak_span *span)
{
    if (!span->dirty)
        return span->bare ? BARE : COLD;
    return span->pinned ? PINNED : span->advised ? ADVISED : WARM;
}

static void list_insert_locked(struct hak_span *span)
{
    unsigned bin = bin_of(span->units);
    enum kind kind = kind_of(span);
    struct hak_span **head = &bins[kind][bin];
    span->state = HAK_SPAN_FREE;
    span->prev = NULL;
    span->next = *head;
    if (*head != NULL)
        (*head)->prev = span;
    *head = span;
    filled[kind] |= (uint64_t)1 << bin;
    bare_count += span->bare;
    if (kind == PINNED)
        hak_add_relaxed(&hak__pinned_bytes, span->units * HAK_GRANULE);
    hak__pagemap_set(span->base, HAK_CODE_SPAN_FREE, span);
    hak__pagemap_set(span_end(span) - HAK_GRANULE, HAK_CODE_SPAN_FREE, span);
}

static void list_remove_locked(struct hak_span *span)
{
    unsigned bin = bin_of(span->units);
    enum kind kind = kind_of(span);
    struct hak_span **head = &bins[kind][bin];
    if (span->prev != NULL)
        span->prev->next = span->next;
    else
        *head = span->next;
    if (span->next != NULL)
        span->next->prev = span->prev;
    if (*head == NULL)
        filled[kind] &= ~((uint64_t)1 << bin);
    bare_count -= span->bare;
    if (kind == PINNED)
        hak_sub_relaxed(&hak__pinned_bytes, span->units * HAK_GRANULE);
    hak__pagemap_set_words(span->base, 1, HAK_CODE_SPAN_INSIDE);
    hak__pagemap_set_words(span_end(span) - HAK_GRANULE, 1, HAK_CODE_SPAN_INSIDE);
}

/* The free span that holds the granule and is like the given one, or NULL. */
static struct hak_span *neighbour_locked(uintptr_t address, enum kind kind)
{
    if (hak__pagemap_word(address) != HAK_CODE_SPAN_FREE)
        return NULL;
    struct hak_span *span = hak__pagemap_record(address);
    return kind_of(span) == kind ? span : NULL;
}

/* Joins a span that is on no list with its equals, and lists what they are together. */
static struct hak_span *insert_joined_locked(struct hak_span *span)
{
    struct hak_span *before = neighbour_locked(span->base - HAK_GRANULE, kind_of(span));
    if (before != NULL) {
        list_remove_locked(before);
        span->base = before->base;
        span->units += before->units;
        record_release_locked(before);
    }
    struct hak_span *after = neighbour_locked(span_end(span), kind_of(span));
    if (after != NULL) {
        list_remove_locked(after);
        span->units += after->units;
        record_release_locked(after);
    }
    list_insert_locked(span);
    return span;
}

/* Makes a span of a part of an unlisted one and lists it; false without a record for it. */
static bool split_off_locked(const struct hak_span *from, uintptr_t base, size_t units)
{
    if (units == 0)
        return true;
    struct hak_span *rest = record_acquire_locked();
    if (rest == NULL)
        return false;
    rest->base = base;
    rest->units = units;
    rest->dirty = from->dirty;
    rest->pinned = from->pinned;
    rest->bare = from->bare;
    rest->advised = from->advised;
    list_insert_locked(rest);
    return true;
}

/* Cuts an aligned part out of a listed span. */
static struct hak_span *take_locked(struct hak_span *span, size_t units, size_t align_units)
{
    list_remove_locked(span);
    uintptr_t end = span_end(span);
    uintptr_t start = hak__align_up(span->base, align_units * HAK_GRANULE);
    uintptr_t stop = start + units * HAK_GRANULE;
    size_t head = (start - span->base) >> HAK_GRANULE_SHIFT;
    size_t tail = (end - stop) >> HAK_GRANULE_SHIFT;
    if (!split_off_locked(span, span->base, head)) {
        list_insert_locked(span);
        return NULL;
    }
    span->base = start;
    span->units = units;
    if (!split_off_locked(span, stop, tail)) {
        span->units += tail;
        insert_joined_locked(span);
        return NULL;
    }
    return span;
}

static bool fits(const struct hak_span *span, size_t units, size_t align_units)
{
    uintptr_t start = hak__align_up(span->base, align_units * HAK_GRANULE);
    uintptr_t end = span_end(span);
    return start < end && (end - start) >> HAK_GRANULE_SHIFT >= units;
}

/* The smallest listed span of the kind that fits, or NULL. */
static struct hak_span *find_locked(enum kind kind, size_t units, size_t align_units)
{
    enum { TRIES = 64 };
    struct hak_span *best = NULL;
    uint64_t candidates = filled[kind] & ~(((uint64_t)1 << bin_of(units)) - 1);
    int tries = 0;
    while (candidates != 0 && best == NULL && tries < TRIES) {
        unsigned bin = hak__lowest_bit(candidates);
        candidates &= candidates - 1;
        for (struct hak_span *span = bins[kind][bin]; span != NULL && tries < TRIES;
             span = span->next, tries++) {
            if (!fits(span, units, align_units) || (best != NULL && best->units <= span->units))
                continue;
            best = span;
            if (bin < EXACT_BINS)
                break;
        }
    }
    return best;
}

/* What a block needs that a bare span has not; false, and the span is listed again, without memory. */
static bool dress_locked(struct hak_span *span)
{
    if (!span->bare)
        return true;
    if (!hak__region_commit_locked(span->base, span_end(span))) {
        insert_joined_locked(span);
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
    struct hak_span *span = record_acquire_locked(), *rest = record_acquire_locked();
    size_t gap = 0;
    uintptr_t base = 0;
    if (span != NULL && rest != NULL)
        base = take_fresh_locked(units, align_units, &gap);
    if (base != 0) {
        span->base = base;
        span->units = units;
        span->dirty = span->pinned = span->bare = span->advised = false;
        *rest = *span;
        rest->base = span_end(span);
        rest->units = gap >> HAK_GRANULE_SHIFT;
    }
    if (base == 0 && span != NULL)
        record_release_locked(span);
    if (base != 0 && gap != 0)
        list_insert_locked(rest); /* what alignment left stays usable */
    else if (rest != NULL)
        record_release_locked(rest);
    return base != 0 ? span : NULL;
}

static struct hak_span *reuse_locked(enum kind kind, size_t units, size_t align_units)
{
    struct hak_span *span = find_locked(kind, units, align_units);
    if (span != NULL)
        span = take_locked(span, units, align_units);
    return span != NULL && dress_locked(span) ? span : NULL;
}

/* What is pinned is as what is warm again, and joined with it. */
static void unpin_locked(void)
{
    while (filled[PINNED] != 0) {
        struct hak_span *span = bins[PINNED][hak__lowest_bit(filled[PINNED])];
        list_remove_locked(span);
        span->pinned = false;
        insert_joined_locked(span);
    }
}

static struct hak_span *alloc_locked(size_t units, size_t align_units, bool zero)
{
    static const enum kind order[2][KINDS + 1] = {{ADVISED, WARM, PINNED, COLD, BARE, FRESH},
                                                  {COLD, BARE, FRESH, ADVISED, WARM, PINNED}};
    bool small = units < HAK_ADVISED_UNITS ||
                 (units == HAK_SUPERSLAB_UNITS && align_units == HAK_SUPERSLAB_UNITS);
    for (int i = 0; i <= KINDS; i++) {
        enum kind kind = order[zero][i];
        if (kind == ADVISED && small)
            continue;
        struct hak_span *span = kind == FRESH ? fresh_locked(units, align_units)
                                              : reuse_locked(kind, units, align_units);
        if (span != NULL)
            return span;
    }
    if (filled[PINNED] != 0) {
        unpin_locked();
        struct hak_span *span = reuse_locked(WARM, units, align_units);
        if (span != NULL)
            return span;
    }
    size_t bytes = units * HAK_GRANULE;
    if (hak__region_has_room_locked(bytes, align_units * HAK_GRANULE))
        return NULL;
    if (align_units > HAK_SUPERSLAB_UNITS)
        bytes += align_units * HAK_GRANULE;
    return hak__region_add_locked(bytes) ? fresh_locked(units, align_units) : NULL;
}

struct hak_span *hak__arena_alloc(size_t units, size_t align_units, bool zero)
{
    hak__lock_acquire(&hak__arena_lock);
    struct hak_span *span = alloc_locked(units, align_units, zero);
    if (span != NULL) {
        span->state = HAK_SPAN_LIVE;
        span->pinned = false;
    }
    hak__lock_release(&hak__arena_lock);
    if (span != NULL && span->dirty)
        hak__retained_sub(units * HAK_GRANULE);
    return span;
}

void hak__arena_free(struct hak_span *span)
{
    if (span->dirty)
        hak__retained_add(span->units * HAK_GRANULE);
    hak__lock_acquire(&hak__arena_lock);
    insert_joined_locked(span);
    hak__lock_release(&hak__arena_lock);
}

bool hak__arena_grow(struct hak_span *span, size_t units)
{
    bool grown = false;
    size_t more = units - span->units;
    size_t warm = 0;
    hak__lock_acquire(&hak__arena_lock);
    uintptr_t end = span_end(span);
    if (hak__pagemap_word(end) == HAK_CODE_SPAN_FREE) {
        struct hak_span *after = hak__pagemap_record(end);
        if (after->base == end && after->units >= more) {
            struct hak_span *part = take_locked(after, more, 1);
            bool ready = part != NULL && dress_locked(part);
            grown = ready && (part->dirty || hak__memory_take(more * HAK_GRANULE));
            if (grown) {
                warm = part->dirty ? more : 0;
                span->advised |= part->advised;
                record_release_locked(part);
                span->units = units;
            } else if (ready) {
                insert_joined_locked(part);
            }
        }
    }
    hak__lock_release(&hak__arena_lock);
    if (warm != 0)
        hak__retained_sub(warm * HAK_GRANULE);
    return grown;
}

size_t hak__arena_room(const struct hak_span *span)
{
    size_t room = span->units;
    hak__lock_acquire(&hak__arena_lock);
    uintptr_t end = span_end(span);
    if (hak__pagemap_word(end) == HAK_CODE_SPAN_FREE) {
        const struct hak_span *after = hak__pagemap_record(end);
        room += after->base == end ? after->units : 0;
    }
    hak__lock_release(&hak__arena_lock);
    return room;
}

bool hak__arena_shrink(struct hak_span *span, size_t units)
{
    hak__lock_acquire(&hak__arena_lock);
    struct hak_span *rest = record_acquire_locked();
    if (rest != NULL) {
        rest->base = span->base + units * HAK_GRANULE;
        rest->units = span->units - units;
        rest->dirty = true;
        rest->pinned = rest->bare = false;
        rest->advised = span->advised |= span->units >= HAK_ADVISED_UNITS;
        span->units = units;
        hak__retained_add(rest->units * HAK_GRANULE);
        insert_joined_locked(rest);
    }
    hak__lock_release(&hak__arena_lock);
    return rest != NULL;
}

/* The largest span of a kind, or so many granules of it, taken off its list, or NULL. */
static struct hak_span *take_largest_locked(enum kind kind, size_t most, unsigned *ways)
{
    if (filled[kind] == 0)
        return NULL;
    struct hak_span *span = bins[kind][hak__highest_bit(filled[kind])];
    if (span->units > most)
        span = take_locked(span, most, 1);
    else
        list_remove_locked(span);
    if (span == NULL)
        return NULL;
    span->state = HAK_SPAN_LIVE;
    *ways = 0;
    if (!span->bare && (span->advised || (span->units >= STRIPPED_UNITS && bare_count < BARE_MOST)))
        *ways |= HAK_BY_STRIPPING;
    if (hak__region_is_scarce_locked() ||
        (hak__region_is_wanted_locked() && span->units >= STRIPPED_UNITS))
        *ways |= HAK_BY_UNMAPPING;
    return span;
}

struct hak_span *hak__arena_take_dirty(size_t most, unsigned *ways)
{
    hak__lock_acquire(&hak__arena_lock);
    struct hak_span *span = take_largest_locked(ADVISED, most, ways);
    if (span == NULL)
        span = take_largest_locked(WARM, most, ways);
    hak__lock_release(&hak__arena_lock);
    return span;
}

struct hak_span *hak__arena_take_zero(bool bare, unsigned *ways)
{
    hak__lock_acquire(&hak__arena_lock);
    struct hak_span *span = take_largest_locked(bare ? BARE : COLD, SIZE_MAX, ways);
    hak__lock_release(&hak__arena_lock);
    return span;
}

/* Lists a part of a span that is on no list, and takes it off its end or start. */
static void part_off_locked(struct hak_span *span, size_t first, size_t units)
{
    struct hak_span *part = units != 0 ? record_acquire_locked() : NULL;
    if (part == NULL)
        return;
    *part = *span;
    part->base = span->base + first * HAK_GRANULE;
    part->units = units;
    part->dirty = part->pinned = part->advised = false;
    if (first == 0)
        span->base += units * HAK_GRANULE;
    span->units -= units;
    insert_joined_locked(part);
}

/* Without records for its parts it stays whole. */
static size_t insert_purged_locked(struct hak_span *span, size_t first, size_t stay)
{
    size_t units = span->units;
    span->dirty = span->pinned = stay != 0;
    span->advised &= span->dirty;
    if (stay != 0) {
        part_off_locked(span, first + stay, units - first - stay);
        part_off_locked(span, 0, first);
    }
    size_t left = stay != 0 ? span->units : 0;
    insert_joined_locked(span);
    return units - left;
}

size_t hak__arena_put_purged(struct hak_span *span, size_t first, size_t stay, enum hak_fate fate)
{
    size_t units = span->units;
    hak__lock_acquire(&hak__arena_lock);
    if (fate != HAK_PURGED && !span->bare)
        hak_sub_relaxed(&hak__committed_bytes, units * HAK_GRANULE);
    if (fate == HAK_UNMAPPED) {
        hak__region_gone_locked(units * HAK_GRANULE);
        record_release_locked(span);
    } else {
        span->bare |= fate == HAK_STRIPPED;
        units = insert_purged_locked(span, first, stay);
    }
    hak__lock_release(&hak__arena_lock);
    return units;
}

void hak__arena_put_back(struct hak_span *span)
{
    hak__lock_acquire(&hak__arena_lock);
    insert_joined_locked(span);
    hak__lock_release(&hak__arena_lock);
}

void hak__arena_unpin(void)
{
    hak__lock_acquire(&hak__arena_lock);
    unpin_locked();
    hak__lock_release(&hak__arena_lock);
}

void hak__arena_look_at_limit(void)
{
    hak__lock_acquire(&hak__arena_lock);
    hak__region_look_at_limit_locked();
    hak__lock_release(&hak__arena_lock);
}

void hak__arena_give_back_fresh(void)
{
    hak__lock_acquire(&hak__arena_lock);
    hak__region_give_back_locked();
    hak__lock_release(&hak__arena_lock);
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
    for (enum kind kind = WARM; kind <= PINNED; kind++)
        for (int bin = 0; bin < BINS; bin++)
            for (struct hak_span *span = bins[kind][bin]; span != NULL; span = span->next)
                bytes += span->units * HAK_GRANULE;
    hak__lock_release(&hak__arena_lock);
    return bytes;
}

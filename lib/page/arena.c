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
#include "page/retain.h"

enum { EXACT_BINS = 32, BINS = EXACT_BINS + 1 };
enum kind { COLD, WARM, PINNED, KINDS };

/* One SuperSlab and some large blocks; small, for mlockall under the usual RLIMIT_MEMLOCK. */
#define FIRST_REGION ((size_t)3 << 20)
#define LARGEST_REGION ((size_t)1 << 30)
/* Large blocks are committed in steps of this, to save system calls. */
#define COMMIT_STEP ((size_t)1 << 20)

struct region {
    struct region *next;
    uintptr_t low, high;      /* the fresh part */
    uintptr_t committed_high; /* from here up to the end all is readable and writable */
};

struct hak_lock hak__arena_lock;

/* All under hak__arena_lock. */
static struct hak_span *bins[KINDS][BINS];
static uint64_t filled[KINDS]; /* bit b: bins[][b] is not empty */
static struct hak_span *spare_records;
static struct region *regions;
static size_t reserved;
static bool scarce; /* the system has refused address space */

_Atomic size_t hak__committed_bytes;

static enum kind kind_of(const struct hak_span *span)
{
    return !span->dirty ? COLD : span->pinned ? PINNED : WARM;
}

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
    if (kind == PINNED)
        hak_sub_relaxed(&hak__pinned_bytes, span->units * HAK_GRANULE);
    hak__pagemap_set_words(span->base, 1, HAK_CODE_NONE);
    hak__pagemap_set_words(span_end(span) - HAK_GRANULE, 1, HAK_CODE_NONE);
}

/* The free span of a kind that holds the granule, or NULL. */
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

/* A record for a new region, on the list of regions: one that is used up, or another. */
static struct region *region_record_locked(void)
{
    for (struct region *region = regions; region != NULL; region = region->next)
        if (region->low == region->high)
            return region;
    struct region *region = hak__meta_alloc(sizeof *region, _Alignof(struct region));
    if (region != NULL) {
        region->low = region->high = 0;
        region->next = regions;
        regions = region;
    }
    return region;
}

/* As much as all before, or what the system gives, but so many bytes at least; no more if scarce. */
static void *reserve_locked(size_t bytes, size_t *size)
{
    *size = reserved > 0 ? hak__align_up(reserved, HAK_SUPERSLAB) : FIRST_REGION;
    if (scarce)
        *size = 0;
    if (*size > LARGEST_REGION)
        *size = LARGEST_REGION;
    if (*size < bytes)
        *size = bytes;
    void *base = NULL;
    while ((base = hak__os_reserve(*size, HAK_SUPERSLAB)) == NULL) {
        scarce = true;
        if (*size <= bytes)
            return NULL;
        *size = *size / 2 > bytes ? hak__align_up(*size / 2, HAK_GRANULE) : bytes;
    }
    return base;
}

static bool region_add_locked(size_t bytes)
{
    struct region *region = region_record_locked();
    if (region == NULL)
        return false;
    size_t size = 0;
    void *base = reserve_locked(bytes, &size);
    if (base == NULL)
        return false;
    if (!hak__pagemap_ensure((uintptr_t)base, size)) {
        hak__os_unmap_unused(base, size);
        return false;
    }
    if (reserved == 0)
        hak__os_huge_pages(base, size, false); /* a small process shall stay small */
    region->low = (uintptr_t)base;
    region->high = region->committed_high = (uintptr_t)base + size;
    reserved += size;
    return true;
}

/*
 * Where the system has once refused address space, what is cold goes back whole: others need it
 * too, threads for their stacks. Regions are not in the way, they only hold what is fresh, and
 * from then on they hold no more than is asked for, or they would grow by what is left of each.
 */
static void give_back_locked(struct hak_span *span)
{
    size_t size = span->units * HAK_GRANULE;
    if (!scarce || span->dirty)
        return;
    list_remove_locked(span);
    if (!hak__os_unmap((void *)span->base, size)) {
        list_insert_locked(span);
        return;
    }
    reserved -= size;
    hak_sub_relaxed(&hak__committed_bytes, size);
    record_release_locked(span);
}

static bool commit_locked(uintptr_t start, uintptr_t end)
{
    if (start >= end)
        return true;
    if (!hak__os_commit((void *)start, end - start))
        return false;
    hak__annotate_hide((void *)start, end - start);
    hak_add_relaxed(&hak__committed_bytes, end - start);
    return true;
}

/* SuperSlabs grow upwards from the bottom of a region, all else downwards from its top. */
static uintptr_t fresh_low_locked(struct region *region, size_t bytes)
{
    uintptr_t start = region->low;
    if (region->high - start < bytes || !commit_locked(start, start + bytes))
        return 0;
    region->low = start + bytes;
    return start;
}

static uintptr_t fresh_high_locked(struct region *region, size_t bytes, size_t alignment)
{
    if (region->high - region->low < bytes)
        return 0;
    uintptr_t start = hak__align_down(region->high - bytes, alignment);
    if (start < region->low)
        return 0;
    uintptr_t step = hak__align_down(start, COMMIT_STEP);
    if (step < region->low)
        step = region->low;
    if (start < region->committed_high) {
        if (commit_locked(step, region->committed_high))
            region->committed_high = step;
        else if (commit_locked(start, region->committed_high))
            region->committed_high = start;
        else
            return 0;
    }
    return start;
}

static struct hak_span *fresh_locked(size_t units, size_t align_units)
{
    size_t bytes = units * HAK_GRANULE;
    size_t alignment = align_units * HAK_GRANULE;
    bool low = bytes == HAK_SUPERSLAB && alignment == HAK_SUPERSLAB;
    struct hak_span *span = record_acquire_locked();
    if (span == NULL)
        return NULL;
    for (struct region *region = regions; region != NULL; region = region->next) {
        uintptr_t base = low && region->committed_high >= region->low + bytes
                             ? fresh_low_locked(region, bytes)
                             : fresh_high_locked(region, bytes, alignment);
        if (base == 0)
            continue;
        span->base = base;
        span->units = units;
        span->dirty = span->pinned = false;
        uintptr_t end = base + bytes;
        if (base >= region->low && end <= region->high) {
            /* the gap that alignment left stays usable as a cold span */
            if (!split_off_locked(span, end, (region->high - end) >> HAK_GRANULE_SHIFT))
                break;
            region->high = base;
        }
        return span;
    }
    record_release_locked(span);
    return NULL;
}

/* Whether a fresh span only failed because the system puts no memory behind it. */
static bool has_room_locked(size_t bytes, size_t alignment)
{
    for (struct region *region = regions; region != NULL; region = region->next)
        if (region->high - region->low >= bytes &&
            hak__align_down(region->high - bytes, alignment) >= region->low)
            return true;
    return false;
}

static struct hak_span *reuse_locked(enum kind kind, size_t units, size_t align_units)
{
    struct hak_span *span = find_locked(kind, units, align_units);
    return span != NULL ? take_locked(span, units, align_units) : NULL;
}

static struct hak_span *reuse_dirty_locked(size_t units, size_t align_units)
{
    struct hak_span *span = reuse_locked(WARM, units, align_units);
    return span != NULL ? span : reuse_locked(PINNED, units, align_units);
}

static struct hak_span *reuse_zero_locked(size_t units, size_t align_units)
{
    struct hak_span *span = reuse_locked(COLD, units, align_units);
    return span != NULL ? span : fresh_locked(units, align_units);
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
    struct hak_span *span = zero ? reuse_zero_locked(units, align_units)
                                 : reuse_dirty_locked(units, align_units);
    if (span == NULL)
        span = zero ? reuse_dirty_locked(units, align_units)
                    : reuse_zero_locked(units, align_units);
    if (span == NULL && filled[PINNED] != 0) {
        unpin_locked();
        span = reuse_locked(WARM, units, align_units);
    }
    if (span != NULL)
        return span;
    size_t bytes = units * HAK_GRANULE;
    if (has_room_locked(bytes, align_units * HAK_GRANULE))
        return NULL;
    if (align_units > HAK_SUPERSLAB_UNITS)
        bytes += align_units * HAK_GRANULE;
    return region_add_locked(bytes) ? fresh_locked(units, align_units) : NULL;
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
            grown = part != NULL && (part->dirty || hak__memory_take(more * HAK_GRANULE));
            if (grown) {
                warm = part->dirty ? more : 0;
                record_release_locked(part);
                span->units = units;
            } else if (part != NULL) {
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
        rest->pinned = false;
        span->units = units;
        hak__retained_add(rest->units * HAK_GRANULE);
        insert_joined_locked(rest);
    }
    hak__lock_release(&hak__arena_lock);
    return rest != NULL;
}

struct hak_span *hak__arena_take_warm(size_t most)
{
    struct hak_span *span = NULL;
    hak__lock_acquire(&hak__arena_lock);
    if (filled[WARM] != 0) {
        span = bins[WARM][63 - (unsigned)__builtin_clzll(filled[WARM])];
        if (span->units > most)
            span = take_locked(span, most, 1);
        else
            list_remove_locked(span);
    }
    if (span != NULL)
        span->state = HAK_SPAN_LIVE;
    hak__lock_release(&hak__arena_lock);
    return span;
}

/* Lists a part of a span that is on no list, and takes it off its end or start. */
static void part_off_locked(struct hak_span *span, size_t first, size_t units, bool dirty)
{
    struct hak_span *part = units != 0 ? record_acquire_locked() : NULL;
    if (part == NULL)
        return;
    part->base = span->base + first * HAK_GRANULE;
    part->units = units;
    part->dirty = dirty;
    part->pinned = false;
    if (first == 0)
        span->base += units * HAK_GRANULE;
    span->units -= units;
    give_back_locked(insert_joined_locked(part));
}

/* Without records for its parts it stays whole. */
static size_t insert_purged_locked(struct hak_span *span, size_t first, size_t stay)
{
    size_t units = span->units;
    span->dirty = stay != 0;
    span->pinned = span->dirty;
    if (stay != 0) {
        part_off_locked(span, first + stay, units - first - stay, false);
        part_off_locked(span, 0, first, false);
    }
    size_t left = stay != 0 ? span->units : 0;
    give_back_locked(insert_joined_locked(span));
    return units - left;
}

size_t hak__arena_put_purged(struct hak_span *span, size_t first, size_t stay)
{
    hak__lock_acquire(&hak__arena_lock);
    size_t gone = insert_purged_locked(span, first, stay);
    hak__lock_release(&hak__arena_lock);
    return gone;
}

void hak__arena_put_warm(struct hak_span *span)
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

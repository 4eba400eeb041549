/* SPDX-License-Identifier: MIT */
#include "page/spans.h"

#include "base/bits.h"
#include "base/params.h"
#include "core/meta.h"
#include "page/pagemap.h"
#include "page/retain.h"

enum { EXACT_BINS = 32, BINS = EXACT_BINS + 1 };

static HAK_WRITTEN_OFTEN struct hak_span *bins[HAK_SPAN_KINDS][BINS];
static HAK_WRITTEN_OFTEN uint64_t filled[HAK_SPAN_KINDS]; /* bit b: bins[][b] is not empty */
static struct hak_span *spare_records;
size_t hak__bare_spans;

static unsigned bin_of(size_t units)
{
    return units <= EXACT_BINS ? (unsigned)units - 1 : EXACT_BINS;
}

struct hak_span *hak__spans_record_locked(void)
{
    struct hak_span *span = spare_records;
    if (span != NULL)
        spare_records = span->next;
    else
        span = hak__meta_alloc(sizeof *span, _Alignof(struct hak_span));
    return span;
}

void hak__spans_spare_locked(struct hak_span *span)
{
    span->state = HAK_SPAN_UNUSED;
    span->next = spare_records;
    spare_records = span;
}

static enum hak_span_kind kind_of(const struct hak_span *span)
{
    if (!span->dirty)
        return span->bare ? HAK_SPAN_BARE : HAK_SPAN_COLD;
    return span->pinned ? HAK_SPAN_PINNED : span->advised ? HAK_SPAN_ADVISED : HAK_SPAN_WARM;
}

void hak__spans_list_locked(struct hak_span *span)
{
    unsigned bin = bin_of(span->units);
    enum hak_span_kind kind = kind_of(span);
    struct hak_span **head = &bins[kind][bin];
    span->state = HAK_SPAN_FREE;
    span->lacking = false;
    span->prev = NULL;
    span->next = *head;
    if (*head != NULL)
        (*head)->prev = span;
    *head = span;
    filled[kind] |= (uint64_t)1 << bin;
    hak__bare_spans += span->bare;
    if (kind == HAK_SPAN_PINNED)
        hak_add_relaxed(&hak__pinned_bytes, span->units * HAK_GRANULE);
    hak__pagemap_set(span->base, HAK_CODE_SPAN_FREE, span);
    hak__pagemap_set(hak__span_end(span) - HAK_GRANULE, HAK_CODE_SPAN_FREE, span);
}

void hak__spans_unlist_locked(struct hak_span *span)
{
    unsigned bin = bin_of(span->units);
    enum hak_span_kind kind = kind_of(span);
    struct hak_span **head = &bins[kind][bin];
    if (span->prev != NULL)
        span->prev->next = span->next;
    else
        *head = span->next;
    if (span->next != NULL)
        span->next->prev = span->prev;
    if (*head == NULL)
        filled[kind] &= ~((uint64_t)1 << bin);
    hak__bare_spans -= span->bare;
    if (kind == HAK_SPAN_PINNED)
        hak_sub_relaxed(&hak__pinned_bytes, span->units * HAK_GRANULE);
    hak__pagemap_set_words(span->base, 1, HAK_CODE_SPAN_INSIDE);
    hak__pagemap_set_words(hak__span_end(span) - HAK_GRANULE, 1, HAK_CODE_SPAN_INSIDE);
}

/* The free span that holds the granule and is like the given one, or NULL. */
static struct hak_span *neighbour_locked(uintptr_t address, enum hak_span_kind kind)
{
    if (hak__pagemap_word(address) != HAK_CODE_SPAN_FREE)
        return NULL;
    struct hak_span *span = hak__pagemap_record(address);
    return kind_of(span) == kind ? span : NULL;
}

struct hak_span *hak__spans_join_locked(struct hak_span *span)
{
    struct hak_span *before = neighbour_locked(span->base - HAK_GRANULE, kind_of(span));
    if (before != NULL) {
        hak__spans_unlist_locked(before);
        span->base = before->base;
        span->units += before->units;
        span->uncounted += before->uncounted;
        span->room = before->room;
        hak__spans_spare_locked(before);
    }
    struct hak_span *after = neighbour_locked(hak__span_end(span), kind_of(span));
    if (after != NULL) {
        hak__spans_unlist_locked(after);
        span->units += after->units;
        span->uncounted += after->uncounted;
        hak__spans_spare_locked(after);
    }
    hak__spans_list_locked(span);
    return span;
}

/* Makes a span of a part of an unlisted one and lists it; false without a record for it. */
static bool split_off_locked(const struct hak_span *from, uintptr_t base, size_t units)
{
    if (units == 0)
        return true;
    struct hak_span *rest = hak__spans_record_locked();
    if (rest == NULL)
        return false;
    rest->base = base;
    rest->units = units;
    rest->uncounted = 0;
    rest->dirty = from->dirty;
    rest->pinned = from->pinned;
    rest->bare = from->bare;
    rest->advised = from->advised;
    rest->room = from->room;
    hak__spans_list_locked(rest);
    return true;
}

bool hak__spans_count_locked(struct hak_span *span)
{
    if (hak_likely(span->uncounted == 0))
        return true;
    if (!hak__memory_take(span->uncounted))
        return false;
    hak__retained_add(span->uncounted);
    span->uncounted = 0;
    return true;
}

struct hak_span *hak__spans_cut_locked(struct hak_span *span, uintptr_t start, size_t units)
{
    if (!hak__spans_count_locked(span))
        return NULL;
    hak__spans_unlist_locked(span);
    uintptr_t end = hak__span_end(span);
    uintptr_t stop = start + units * HAK_GRANULE;
    size_t head = (start - span->base) >> HAK_GRANULE_SHIFT;
    size_t tail = (end - stop) >> HAK_GRANULE_SHIFT;
    if (!split_off_locked(span, span->base, head)) {
        hak__spans_list_locked(span);
        return NULL;
    }
    span->base = start;
    span->units = units;
    if (!split_off_locked(span, stop, tail)) {
        span->units += tail;
        hak__spans_join_locked(span);
        return NULL;
    }
    return span;
}

struct hak_span *hak__spans_take_locked(struct hak_span *span, size_t units, size_t align_units)
{
    size_t alignment = align_units * HAK_GRANULE;
    uintptr_t start = span->room ? hak__align_down(hak__span_end(span) - units * HAK_GRANULE, alignment)
                                 : hak__align_up(span->base, alignment);
    return hak__spans_cut_locked(span, start, units);
}

static bool fits(const struct hak_span *span, size_t units, size_t align_units)
{
    uintptr_t start = hak__align_up(span->base, align_units * HAK_GRANULE);
    uintptr_t end = hak__span_end(span);
    return start < end && (end - start) >> HAK_GRANULE_SHIFT >= units;
}

struct hak_span *hak__spans_find_locked(enum hak_span_kind kind, size_t units, size_t align_units)
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

struct hak_span *hak__spans_find_near_locked(enum hak_span_kind kind, size_t units, size_t most)
{
    enum { TRIES = 64 };
    uint64_t candidates = filled[kind] & (((uint64_t)2 << bin_of(most)) - ((uint64_t)1 << bin_of(units)));
    struct hak_span *span = candidates != 0 ? bins[kind][hak__lowest_bit(candidates)] : NULL;
    for (int tries = 0; span != NULL && tries < TRIES; span = span->next, tries++)
        if (span->units >= units && span->units <= most)
            return span;
    return NULL;
}

size_t hak__spans_free_from_locked(uintptr_t address, size_t wanted, enum hak_spans_in_a_row which)
{
    size_t found = 0;
    while (found < wanted && hak__pagemap_word(address) == HAK_CODE_SPAN_FREE) {
        const struct hak_span *span = hak__pagemap_record(address);
        if (span->base != address || (span->advised && which == HAK_UNADVISED_SPANS))
            break;
        found += span->units;
        address = hak__span_end(span);
    }
    return found;
}

struct hak_span *hak__spans_find_to_grow_locked(size_t units, size_t wanted)
{
    enum { TRIES = 64 };
    uint64_t candidates = filled[HAK_SPAN_WARM] & ~(((uint64_t)1 << bin_of(units)) - 1);
    int tries = 0;
    for (; candidates != 0; candidates &= candidates - 1) {
        struct hak_span *span = bins[HAK_SPAN_WARM][hak__lowest_bit(candidates)];
        for (; span != NULL && tries < TRIES; span = span->next, tries++)
            if (span->units >= wanted ||
                (span->units >= units && !span->room &&
                 span->units + hak__spans_free_from_locked(hak__span_end(span), wanted,
                                                           HAK_UNADVISED_SPANS) >= wanted))
                return span;
    }
    return NULL;
}

/* The free span that ends at an address and is no other block's room, or NULL. */
static struct hak_span *before_locked(uintptr_t address)
{
    if (hak__pagemap_word(address - HAK_GRANULE) != HAK_CODE_SPAN_FREE)
        return NULL;
    struct hak_span *span = hak__pagemap_record(address - HAK_GRANULE);
    return span->room ? NULL : span;
}

/*
 * Where so much is free, from the start of a span on or up to the end of what is free behind it; the
 * span in which that begins, or NULL.
 */
static struct hak_span *find_around_locked(struct hak_span *span, size_t units, size_t alignment,
                                           uintptr_t *start)
{
    size_t most = units + (alignment >> HAK_GRANULE_SHIFT);
    size_t free = hak__spans_free_from_locked(span->base, most, HAK_ANY_SPANS);
    uintptr_t end = span->base + free * HAK_GRANULE, last = end - units * HAK_GRANULE;
    *start = hak__align_up(span->base, alignment);
    if (span->room || *start >= hak__span_end(span))
        return NULL;
    if (*start <= last)
        return span;
    *start = hak__align_down(last, alignment);
    while (span != NULL && span->base > *start)
        span = before_locked(span->base);
    return span;
}

struct hak_span *hak__spans_find_mixed_locked(size_t units, size_t align_units, uintptr_t *start)
{
    enum { TRIES = 16, SHARE = 4 };
    static const enum hak_span_kind warm[] = {HAK_SPAN_ADVISED, HAK_SPAN_WARM};
    struct hak_span *first = NULL;
    int tries = 0;
    for (size_t i = 0; i < sizeof warm / sizeof *warm; i++) {
        uint64_t candidates = filled[warm[i]] & ~(((uint64_t)1 << bin_of(units / SHARE)) - 1);
        while (candidates != 0 && first == NULL) {
            unsigned bin = hak__highest_bit(candidates);
            candidates ^= (uint64_t)1 << bin;
            struct hak_span *span = bins[warm[i]][bin];
            for (; span != NULL && first == NULL && tries < TRIES; span = span->next, tries++)
                if (span->units >= units / SHARE)
                    first = find_around_locked(span, units, align_units * HAK_GRANULE, start);
        }
    }
    return first;
}

struct hak_span *hak__spans_largest_locked(enum hak_span_kind kind)
{
    return filled[kind] == 0 ? NULL : bins[kind][hak__highest_bit(filled[kind])];
}

bool hak__spans_unpin_locked(void)
{
    bool any = filled[HAK_SPAN_PINNED] != 0;
    while (filled[HAK_SPAN_PINNED] != 0) {
        struct hak_span *span = bins[HAK_SPAN_PINNED][hak__lowest_bit(filled[HAK_SPAN_PINNED])];
        hak__spans_unlist_locked(span);
        span->pinned = false;
        hak__spans_join_locked(span);
    }
    return any;
}

size_t hak__spans_bytes_locked(enum hak_span_kind kind)
{
    size_t bytes = 0;
    for (int bin = 0; bin < BINS; bin++)
        for (struct hak_span *span = bins[kind][bin]; span != NULL; span = span->next)
            bytes += hak__span_counted(span);
    return bytes;
}

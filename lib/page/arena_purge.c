/* SPDX-License-Identifier: MIT */
#include "page/arena_purge.h"

#include "base/params.h"
#include "page/arena.h"
#include "page/region.h"
#include "page/retain.h"
#include "page/spans.h"

/* From here on a purged span gets other protection; each may cost two mappings, which are limited. */
enum { STRIPPED_UNITS = 16, BARE_MOST = 8192 };

/*
 * The largest span of a kind, or so many granules of it, taken off its list, or NULL. *added: bytes of
 * it that did not count, for they have no memory.
 */
static struct hak_span *take_largest_locked(enum hak_span_kind kind, size_t most, unsigned *ways, size_t *added)
{
    struct hak_span *span = hak__spans_largest_locked(kind);
    *added = 0;
    if (span == NULL)
        return NULL;
    *added = span->uncounted;
    if (!hak__spans_count_locked(span)) {
        hak__memory_add(span->uncounted); /* for as long as it takes to purge it */
        hak__retained_add(span->uncounted);
        span->uncounted = 0;
    }
    if (span->units > most)
        span = hak__spans_take_locked(span, most, 1);
    else
        hak__spans_unlist_locked(span);
    if (span == NULL)
        return NULL;
    span->state = HAK_SPAN_LIVE;
    *ways = 0;
    if (!span->bare && (span->advised || (span->units >= STRIPPED_UNITS && hak__bare_spans < BARE_MOST)))
        *ways |= HAK_BY_STRIPPING;
    if (hak__region_is_scarce_locked() ||
        (hak__region_is_wanted_locked() && span->units >= STRIPPED_UNITS))
        *ways |= HAK_BY_UNMAPPING;
    return span;
}

struct hak_span *hak__arena_take_dirty(size_t most, unsigned *ways, size_t *added)
{
    hak__lock_acquire(&hak__arena_lock);
    struct hak_span *span = take_largest_locked(HAK_SPAN_ADVISED, most, ways, added);
    if (span == NULL)
        span = take_largest_locked(HAK_SPAN_WARM, most, ways, added);
    hak__lock_release(&hak__arena_lock);
    return span;
}

struct hak_span *hak__arena_take_zero(bool bare, unsigned *ways)
{
    size_t added = 0;
    hak__lock_acquire(&hak__arena_lock);
    struct hak_span *span = take_largest_locked(bare ? HAK_SPAN_BARE : HAK_SPAN_COLD, SIZE_MAX, ways, &added);
    hak__lock_release(&hak__arena_lock);
    return span;
}

/* Lists a part of a span that is on no list, and takes it off its end or start. */
static void part_off_locked(struct hak_span *span, size_t first, size_t units)
{
    struct hak_span *part = units != 0 ? hak__spans_record_locked() : NULL;
    if (part == NULL)
        return;
    *part = *span;
    part->base = span->base + first * HAK_GRANULE;
    part->units = units;
    part->dirty = part->pinned = part->advised = false;
    if (first == 0)
        span->base += units * HAK_GRANULE;
    span->units -= units;
    hak__spans_join_locked(part);
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
    hak__spans_join_locked(span);
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
        hak__spans_spare_locked(span);
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
    hak__spans_join_locked(span);
    hak__lock_release(&hak__arena_lock);
}

void hak__arena_unpin(void)
{
    hak__lock_acquire(&hak__arena_lock);
    hak__spans_unpin_locked();
    hak__lock_release(&hak__arena_lock);
}

void hak__arena_read_limit(void)
{
    hak__lock_acquire(&hak__arena_lock);
    hak__region_read_limit_locked();
    hak__lock_release(&hak__arena_lock);
}

void hak__arena_give_back_fresh(void)
{
    hak__lock_acquire(&hak__arena_lock);
    hak__region_give_back_locked();
    hak__lock_release(&hak__arena_lock);
}

size_t hak__arena_zero(bool bare)
{
    hak__lock_acquire(&hak__arena_lock);
    size_t bytes = hak__spans_bytes_locked(bare ? HAK_SPAN_BARE : HAK_SPAN_COLD);
    hak__lock_release(&hak__arena_lock);
    return bytes;
}

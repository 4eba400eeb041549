/* SPDX-License-Identifier: MIT */
#include "page/huge.h"

#include "base/annotate.h"
#include "base/bits.h"
#include "base/params.h"
#include "core/options.h"
#include "core/stats.h"
#include "os/deadline.h"
#include "os/os.h"
#include "page/arena.h"
#include "page/pagemap.h"
#include "page/pieces.h"
#include "page/purge.h"
#include "page/retain.h"

HAK_WRITTEN_OFTEN struct hak_lock hak__huge_lock;

/* The kept mappings and their number; under hak__huge_lock. */
struct hak_span *hak__huge_newest;
static struct hak_span *oldest;
static size_t kept_count;

_Atomic size_t hak__huge_bytes, hak__huge_blocks;

static void unlink_locked(struct hak_span *span)
{
    kept_count--;
    if (span->prev != NULL)
        span->prev->next = span->next;
    else
        hak__huge_newest = span->next;
    if (span->next != NULL)
        span->next->prev = span->prev;
    else
        oldest = span->prev;
    if (span->pinned)
        hak_sub_relaxed(&hak__pinned_bytes, span->size);
}

static void keep_locked(struct hak_span *span)
{
    span->state = HAK_SPAN_FREE;
    span->prev = NULL;
    span->next = hak__huge_newest;
    if (hak__huge_newest != NULL)
        hak__huge_newest->prev = span;
    else
        oldest = span;
    hak__huge_newest = span;
    kept_count++;
    if (span->pinned)
        hak_add_relaxed(&hak__pinned_bytes, span->size);
}

static size_t granules(size_t size)
{
    return (size + HAK_GRANULE - 1) >> HAK_GRANULE_SHIFT;
}

/*
 * Whoever looks for the block at an address does so under the lock: a mapping is shown, changes and
 * is hidden under it, and its record is complete by then.
 */
static void show(struct hak_span *span)
{
    span->state = HAK_SPAN_LIVE;
    hak__lock_acquire(&hak__huge_lock);
    hak__pieces_show(span->base, granules(span->size), HAK_CODE_HUGE, span);
    hak__lock_release(&hak__huge_lock);
    hak__live_add(span->size);
    hak_add_relaxed(&hak__huge_bytes, span->size);
    hak_add_relaxed(&hak__huge_blocks, 1);
}

static void hide(struct hak_span *span)
{
    hak__lock_acquire(&hak__huge_lock);
    hak__pieces_hide(span->base, granules(span->size));
    hak__lock_release(&hak__huge_lock);
    hak__live_sub(span->size);
    hak_sub_relaxed(&hak__huge_bytes, span->size);
    hak_sub_relaxed(&hak__huge_blocks, 1);
}

static void set_size(struct hak_span *span, size_t size)
{
    hak__lock_acquire(&hak__huge_lock);
    size_t old = span->size;
    hak__pieces_resize(span->base, granules(old), granules(size));
    span->size = size;
    hak__lock_release(&hak__huge_lock);
    hak__live_add(size - old); /* wraps as intended when it shrinks */
    hak_add_relaxed(&hak__huge_bytes, size - old);
}

bool hak__huge_covers(const void *address)
{
    if (hak_load_relaxed(&hak__huge_blocks) == 0)
        return false;
    hak__lock_acquire(&hak__huge_lock);
    bool covers = hak__pagemap_word(hak__pieces_first((uintptr_t)address)) == HAK_CODE_HUGE;
    hak__lock_release(&hak__huge_lock);
    return covers;
}

bool hak__owns(const void *address)
{
    return hak__pagemap_word((uintptr_t)address) != HAK_CODE_NONE || hak__huge_covers(address);
}

/* The best fitting kept mapping that wastes no more than an eighth of the size, or NULL. */
static struct hak_span *fitting_locked(size_t size, size_t alignment)
{
    struct hak_span *best = NULL;
    for (struct hak_span *span = hak__huge_newest; span != NULL; span = span->next)
        if (span->size >= size && span->size - size <= size / 8 &&
            (span->base & (alignment - 1)) == 0 && (best == NULL || span->size < best->size))
            best = span;
    return best;
}

/* The largest one that is no other block's room and has at least so many bytes, or NULL. */
static struct hak_span *largest_locked(size_t least)
{
    struct hak_span *best = NULL;
    for (struct hak_span *span = hak__huge_newest; span != NULL; span = span->next)
        if (!span->room && span->size >= least && (best == NULL || span->size > best->size))
            best = span;
    return best;
}

static void keep(struct hak_span *span)
{
    hak__lock_acquire(&hak__huge_lock);
    keep_locked(span);
    hak__lock_release(&hak__huge_lock);
}

/*
 * The room of a block that grows: the kept mapping behind it, of which it was the start once. So the
 * system has one mapping of both, and what is taken of it serves without a call.
 */
static struct hak_span *room_locked(const struct hak_span *span)
{
    for (struct hak_span *room = hak__huge_newest; room != NULL; room = room->next)
        if (room->room && room->base == span->base + span->size)
            return room;
    return NULL;
}

/*
 * Takes off a mapping's end what is more than a size and keeps that as its room; whatever part of it
 * comes back, the page map can show it.
 */
static void split(struct hak_span *span, size_t size)
{
    size = hak__align_up(size, HAK_GRANULE);
    if (!span->dirty || size >= span->size || !hak__pagemap_ensure(span->base, span->size))
        return;
    struct hak_span *room = hak__span_acquire();
    if (room == NULL)
        return;
    *room = *span;
    room->base += size;
    room->size -= size;
    room->room = true;
    span->size = size;
    hak__retained_add(room->size);
    keep(room);
}

/* Takes room into a mapping until it has a size; how much, which still counts as retained. */
static size_t take_room(struct hak_span *span, size_t size, bool shown)
{
    hak__lock_acquire(&hak__huge_lock);
    struct hak_span *room = room_locked(span);
    size_t old = span->size, part = room != NULL && size > old ? room->size : 0;
    if (part > size - old && part > hak__align_up(size - old, HAK_GRANULE))
        part = hak__align_up(size - old, HAK_GRANULE);
    if (part != 0) {
        unlink_locked(room);
        room->base += part;
        room->size -= part;
        if (shown)
            hak__pieces_resize(span->base, granules(old), granules(old + part));
        span->size = old + part;
    }
    bool used_up = part != 0 && room->size == 0;
    if (part != 0 && !used_up)
        keep_locked(room);
    hak__lock_release(&hak__huge_lock);
    if (used_up)
        hak__span_release(room);
    return part;
}

/* The end of a mapping is about to be another's: what is behind is no room any more. */
static void leave_room(const struct hak_span *span)
{
    hak__lock_acquire(&hak__huge_lock);
    struct hak_span *room = room_locked(span);
    if (room != NULL)
        room->room = false;
    hak__lock_release(&hak__huge_lock);
}

/* Memory for a mapping that the page map can show, or NULL. */
static void *map(size_t size, size_t alignment)
{
    void *base = hak__os_map_aligned(size, alignment);
    if (base == NULL || hak__pieces_ensure((uintptr_t)base, granules(size)))
        return base;
    hak__os_unmap_unused(base, size);
    return NULL;
}

/*
 * Counted once it is there: a size that the system refuses must not show in the sum for a moment,
 * or others purge and are refused because of it.
 */
static struct hak_span *take_new(size_t size, size_t alignment)
{
    struct hak_span *span = hak__memory_is_allowed(size) ? hak__span_acquire() : NULL;
    if (span == NULL)
        return NULL;
    void *base = map(size, alignment);
    if (base == NULL || !hak__memory_take(size)) {
        if (base != NULL)
            hak__os_unmap_unused(base, size);
        hak__span_release(span);
        return NULL;
    }
    hak__annotate_hide(base, size);
    span->base = (uintptr_t)base;
    span->units = 0;
    span->size = size;
    hak_store_relaxed(&span->offset, 0);
    span->dirty = span->pinned = span->advised = span->room = false;
    hak__retain_missed(size);
    return span;
}

static struct hak_span *take_locked(struct hak_span *span)
{
    if (span != NULL) {
        unlink_locked(span);
        span->pinned = span->room = false;
    }
    return span;
}

/* A kept mapping, or NULL, that was taken for a block; NULL when it gets no memory. */
static struct hak_span *with_memory(struct hak_span *span)
{
    if (span == NULL)
        return NULL;
    if (span->dirty) {
        hak__retained_sub(span->size);
    } else if (!hak__memory_take(span->size)) {
        keep(span);
        return NULL;
    }
    hak__count(HAK_COUNTER_HUGE_REUSES, 1);
    return span;
}

static size_t at_least_a_granule(size_t alignment)
{
    return alignment < HAK_GRANULE ? HAK_GRANULE : alignment;
}

static struct hak_span *begin(struct hak_span *span, size_t size)
{
    if (span != NULL) {
        hak__count(HAK_COUNTER_HUGE_ALLOCATIONS, 1);
        span->asked = size;
        show(span);
    }
    return span;
}

struct hak_span *hak__huge_alloc(size_t size, size_t alignment)
{
    size = hak__align_up(size, hak__os_page_size());
    alignment = at_least_a_granule(alignment);
    hak__lock_acquire(&hak__huge_lock);
    struct hak_span *span = take_locked(fitting_locked(size, alignment));
    hak__lock_release(&hak__huge_lock);
    span = with_memory(span);
    return begin(span != NULL ? span : take_new(size, alignment), size);
}

struct hak_span *hak__huge_reuse_to_grow(size_t size, size_t least)
{
    size = hak__align_up(size, hak__os_page_size());
    hak__lock_acquire(&hak__huge_lock);
    struct hak_span *span = take_locked(largest_locked(least));
    hak__lock_release(&hak__huge_lock);
    span = with_memory(span);
    if (span != NULL)
        split(span, size);
    return begin(span, size);
}

bool hak__huge_has_to_grow(size_t least)
{
    hak__lock_acquire(&hak__huge_lock);
    bool has = largest_locked(least) != NULL;
    hak__lock_release(&hak__huge_lock);
    return has;
}

struct hak_span *hak__huge_alloc_advised(size_t size, size_t alignment, bool huge_pages)
{
    size = hak__align_up(size, hak__os_page_size());
    if (alignment < HAK_SUPERSLAB)
        alignment = HAK_SUPERSLAB;
    struct hak_span *span = take_new(size, alignment);
    if (span != NULL) {
        hak__os_huge_pages((void *)span->base, size, huge_pages);
        span->advised = true;
    }
    return begin(span, size);
}

/*
 * Gives a mapping that is on no list back; when that fails it is kept without memory behind it, or
 * if need be with. False when its memory stays.
 */
static bool discard(struct hak_span *span)
{
    size_t size = span->size;
    bool dirty = span->dirty;
    bool unmapped = hak__os_unmap((void *)span->base, size);
    bool gone = unmapped || !dirty || hak__os_purge((void *)span->base, size);
    if (dirty && gone)
        hak__memory_return(size);
    if (!gone)
        hak__retained_add(size);
    if (unmapped) {
        hak__span_release(span);
    } else {
        span->dirty = span->pinned = !gone;
        span->room = false;
        keep(span);
    }
    if (!gone)
        hak_add_relaxed(&hak__purges_refused, 1);
    return gone;
}

void hak__huge_free(struct hak_span *span)
{
    hide(span);
    span->dirty = true;
    hak__retained_add(span->size);
    take_room(span, SIZE_MAX, false);
    size_t size = span->size;
    if (!span->advised && size <= hak__retain_limit()) {
        keep(span);
        return;
    }
    hak__retained_sub(size);
    if (discard(span))
        hak__retain_purged(size); /* to be regretted where it is needed again each time */
}

/*
 * Moves the pages to a fresh aligned place. What was reserved for a move that fails is left alone:
 * it may be another thread's by then. If it is not, it costs address space.
 */
static bool move(struct hak_span *span, size_t size)
{
    void *target = hak__os_reserve(size, HAK_GRANULE);
    if (target == NULL)
        return false;
    if (!hak__pieces_ensure((uintptr_t)target, granules(size))) {
        hak__os_unmap_unused(target, size);
        return false;
    }
    if (!hak__os_move((void *)span->base, span->size, size, target))
        return false;
    span->base = (uintptr_t)target;
    return true;
}

static enum hak_resized grow_in_place(struct hak_span *span, size_t size)
{
    if (!hak__pieces_ensure(span->base, granules(size)))
        return HAK_RESIZE_NO_ROOM;
    enum hak_resized resized = hak__os_resize((void *)span->base, span->size, size);
    if (resized == HAK_RESIZED)
        set_size(span, size);
    return resized;
}

/* Hidden before the address space is given up, since another thread may get it at once. */
static bool shrink(struct hak_span *span, size_t size)
{
    size_t old = span->size;
    if (!hak__pieces_ensure(span->base, granules(size)))
        return false;
    leave_room(span);
    set_size(span, size);
    if (hak__os_resize((void *)span->base, old, size) != HAK_RESIZED) {
        set_size(span, old);
        return false;
    }
    hak__memory_return(old - size);
    return true;
}

static bool grow(struct hak_span *span, size_t size, bool may_move)
{
    enum hak_resized resized = grow_in_place(span, size);
    if (resized != HAK_RESIZE_NO_ROOM || !may_move)
        return resized == HAK_RESIZED;
    hide(span); /* as in shrink, before its address space is given up */
    bool moved = move(span, size);
    if (moved)
        span->size = size;
    show(span);
    return moved;
}

static bool resize(struct hak_span *span, size_t size, bool may_move)
{
    size_t room = take_room(span, size, true);
    if (room != 0) {
        hak__retained_sub(room);
        hak__live_add(room);
        hak_add_relaxed(&hak__huge_bytes, room);
    }
    size_t old = span->size;
    if (old >= size)
        return true;
    /* without a limit it is counted when it is there, as in take_new; a move cannot be taken back */
    bool limited = hak__option(HAK_OPTION_LIMIT_HARD) != 0;
    if (limited && !hak__memory_take(size - old))
        return false;
    bool grown = grow(span, size, may_move);
    if (grown && !limited)
        hak__memory_add(size - old);
    if (grown)
        hak__retain_missed(size - old);
    if (!grown && limited)
        hak__memory_return(size - old);
    return grown;
}

/*
 * What grows in small steps gets a little more each time, so that a step is no system call; no more
 * than is lost in the granules of other blocks. What goes on growing within its size keeps it.
 */
bool hak__huge_resize(struct hak_span *span, size_t size, bool may_move)
{
    enum { SHARE_AHEAD = 32 };
    size = hak__align_up(size, hak__os_page_size());
    bool stays = size == span->size || (size < span->size && size >= span->asked);
    size_t ahead = hak__align_down(span->size / SHARE_AHEAD, hak__os_page_size());
    bool done = stays;
    if (!stays && size < span->size)
        done = shrink(span, size);
    else if (!stays)
        done = (may_move && size - span->size < ahead && resize(span, span->size + ahead, may_move)) ||
               resize(span, size, may_move);
    if (done)
        span->asked = size;
    return done;
}

/* The oldest of the kept mappings; of those that are not pinned, if need be. */
static struct hak_span *take_oldest(bool pinned_too)
{
    hak__lock_acquire(&hak__huge_lock);
    struct hak_span *span = oldest;
    while (span != NULL && span->pinned && !pinned_too)
        span = span->prev;
    if (span != NULL)
        unlink_locked(span);
    hak__lock_release(&hak__huge_lock);
    return span;
}

/* What is left has pieces that begin where the whole had none. */
static bool can_be_cut(const struct hak_span *span)
{
    return span->size > HAK_PURGE_STEP &&
           hak__pieces_ensure(span->base, granules(span->size - HAK_PURGE_STEP));
}

/* Unmaps the end of a mapping that is on no list; how much of it. */
static size_t cut(struct hak_span *span)
{
    size_t rest = span->size - HAK_PURGE_STEP;
    if (!hak__os_unmap((void *)(span->base + rest), HAK_PURGE_STEP)) {
        span->pinned = span->dirty;
        hak_add_relaxed(&hak__purges_refused, 1);
        return 0;
    }
    span->size = rest;
    return HAK_PURGE_STEP;
}

/* Returns a kept mapping, or the end of it, to the system; how many bytes of memory. */
static size_t purge_one(struct hak_span *span, bool by_steps)
{
    bool dirty = span->dirty;
    size_t size = span->size;
    if (by_steps && can_be_cut(span)) {
        size = cut(span);
        if (dirty && size != 0) {
            hak__retained_sub(size);
            hak__memory_return(size);
        }
        keep(span);
        return dirty ? size : 0;
    }
    if (dirty)
        hak__retained_sub(size);
    return discard(span) && dirty ? size : 0;
}

/* Each is tried once, by steps as often as these are taken: what the system does not take is kept. */
size_t hak__huge_purge(size_t bytes, int64_t until, bool pinned_too)
{
    bool by_steps = until != HAK_NEVER;
    size_t done = 0;
    hak__lock_acquire(&hak__huge_lock);
    size_t left = kept_count;
    hak__lock_release(&hak__huge_lock);
    while (left > 0 && done < bytes && !hak__os_is_past(until)) {
        struct hak_span *span = take_oldest(pinned_too);
        if (span == NULL)
            break;
        span->pinned = false;
        bool whole = !by_steps || span->size <= HAK_PURGE_STEP;
        size_t gone = purge_one(span, by_steps);
        if (whole || gone == 0)
            left--;
        if (gone == 0)
            continue;
        hak__purge_count(gone);
        done += gone;
    }
    return done;
}

size_t hak__huge_cached_bytes(void)
{
    size_t bytes = 0;
    hak__lock_acquire(&hak__huge_lock);
    for (struct hak_span *span = hak__huge_newest; span != NULL; span = span->next)
        bytes += span->dirty ? span->size : 0;
    hak__lock_release(&hak__huge_lock);
    return bytes;
}

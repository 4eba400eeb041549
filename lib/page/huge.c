/* SPDX-License-Identifier: MIT */
#include "page/huge.h"

#include "base/bits.h"
#include "base/params.h"
#include "core/stats.h"
#include "os/os.h"
#include "page/arena.h"
#include "page/pagemap.h"
#include "page/retain.h"

struct hak_lock hak__huge_lock;

/* The kept mappings, newest first, and their number; under hak__huge_lock. */
static struct hak_span *newest, *oldest;
static size_t kept_count;

static _Atomic size_t live_bytes, live_count; /* any thread adds; only reported */

static void unlink_locked(struct hak_span *span)
{
    kept_count--;
    if (span->prev != NULL)
        span->prev->next = span->next;
    else
        newest = span->next;
    if (span->next != NULL)
        span->next->prev = span->prev;
    else
        oldest = span->prev;
}

static void keep_locked(struct hak_span *span)
{
    span->state = HAK_SPAN_FREE;
    span->prev = NULL;
    span->next = newest;
    if (newest != NULL)
        newest->prev = span;
    else
        oldest = span;
    newest = span;
    kept_count++;
}

static size_t granules(size_t size)
{
    return (size + HAK_GRANULE - 1) >> HAK_GRANULE_SHIFT;
}

static void live_more(size_t bytes)
{
    hak__live_add(bytes);
    hak_add_relaxed(&live_bytes, bytes);
}

static void live_less(size_t bytes)
{
    hak__live_sub(bytes);
    hak_sub_relaxed(&live_bytes, bytes);
}

static void show(struct hak_span *span)
{
    span->state = HAK_SPAN_LIVE;
    hak__pagemap_show(span->base, granules(span->size), HAK_CODE_HUGE, span);
    live_more(span->size);
    hak_add_relaxed(&live_count, 1);
}

static void hide(struct hak_span *span)
{
    hak__pagemap_set_words(span->base, granules(span->size), HAK_CODE_NONE);
    live_less(span->size);
    hak_sub_relaxed(&live_count, 1);
}

/* The best fitting kept mapping that wastes at most an eighth, or NULL. */
static struct hak_span *reuse(size_t size, size_t alignment)
{
    struct hak_span *best = NULL;
    hak__lock_acquire(&hak__huge_lock);
    for (struct hak_span *span = newest; span != NULL; span = span->next)
        if (span->size >= size && span->size - size <= size / 8 &&
            (span->base & (alignment - 1)) == 0 && (best == NULL || span->size < best->size))
            best = span;
    if (best != NULL)
        unlink_locked(best);
    hak__lock_release(&hak__huge_lock);
    if (best != NULL && best->dirty)
        hak__retained_sub(best->size);
    return best;
}

static struct hak_span *map_new(size_t size, size_t alignment)
{
    struct hak_span *span = hak__span_acquire();
    if (span == NULL)
        return NULL;
    void *base = hak__os_map_aligned(size, alignment);
    if (base == NULL || !hak__pagemap_ensure((uintptr_t)base, size)) {
        if (base != NULL)
            hak__os_unmap(base, size);
        hak__span_release(span);
        return NULL;
    }
    span->base = (uintptr_t)base;
    span->units = 0;
    span->size = size;
    span->dirty = false;
    return span;
}

struct hak_span *hak__huge_alloc(size_t size, size_t alignment)
{
    size = hak__align_up(size, hak__os_page_size());
    if (alignment < HAK_GRANULE)
        alignment = HAK_GRANULE;
    struct hak_span *span = reuse(size, alignment);
    if (span != NULL)
        hak__count(HAK_COUNTER_HUGE_REUSES, 1);
    else {
        hak__retain_missed(size);
        span = map_new(size, alignment);
    }
    if (span != NULL) {
        hak__count(HAK_COUNTER_HUGE_ALLOCATIONS, 1);
        show(span);
    }
    return span;
}

/*
 * Gives a mapping that is on no list back; when that fails it is kept without memory behind it, or
 * if need be with. False when its memory stays.
 */
static bool discard(struct hak_span *span)
{
    if (hak__os_unmap((void *)span->base, span->size)) {
        hak__span_release(span);
        return true;
    }
    bool purged = !span->dirty || hak__os_purge((void *)span->base, span->size);
    span->dirty = !purged;
    if (!purged)
        hak__retained_add(span->size);
    hak__lock_acquire(&hak__huge_lock);
    keep_locked(span);
    hak__lock_release(&hak__huge_lock);
    return purged;
}

void hak__huge_free(struct hak_span *span)
{
    hide(span);
    span->dirty = true;
    if (span->size > hak__retain_limit() / 2) {
        discard(span);
        return;
    }
    hak__retained_add(span->size);
    hak__lock_acquire(&hak__huge_lock);
    keep_locked(span);
    hak__lock_release(&hak__huge_lock);
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
    if (!hak__pagemap_ensure((uintptr_t)target, size)) {
        hak__os_unmap(target, size);
        return false;
    }
    if (!hak__os_move((void *)span->base, span->size, size, target))
        return false;
    span->base = (uintptr_t)target;
    return true;
}

/* Shows or hides the granules from the one behind size bytes up to the one behind end bytes. */
static void set_rest(const struct hak_span *span, size_t size, size_t end, uint32_t word)
{
    size_t first = granules(size), last = granules(end);
    if (last > first)
        hak__pagemap_set_words(span->base + first * HAK_GRANULE, last - first, word);
}

static enum hak_resized grow_in_place(struct hak_span *span, size_t size)
{
    if (!hak__pagemap_ensure(span->base, size))
        return HAK_RESIZE_NO_ROOM;
    enum hak_resized resized = hak__os_resize((void *)span->base, span->size, size);
    if (resized != HAK_RESIZED)
        return resized;
    set_rest(span, span->size, size, HAK_CODE_INSIDE);
    live_more(size - span->size);
    span->size = size;
    return HAK_RESIZED;
}

/* Hidden before the address space is given up, since another thread may get it at once. */
static bool shrink(struct hak_span *span, size_t size)
{
    set_rest(span, size, span->size, HAK_CODE_NONE);
    if (hak__os_resize((void *)span->base, span->size, size) != HAK_RESIZED) {
        set_rest(span, size, span->size, HAK_CODE_INSIDE);
        return false;
    }
    live_less(span->size - size);
    span->size = size;
    return true;
}

bool hak__huge_resize(struct hak_span *span, size_t size)
{
    size = hak__align_up(size, hak__os_page_size());
    if (size <= span->size)
        return size == span->size || shrink(span, size);
    enum hak_resized resized = grow_in_place(span, size);
    if (resized != HAK_RESIZE_NO_ROOM)
        return resized == HAK_RESIZED;
    hide(span); /* as in shrink, before its address space is given up */
    bool moved = move(span, size);
    if (moved)
        span->size = size;
    show(span);
    return moved;
}

static struct hak_span *take_oldest(void)
{
    hak__lock_acquire(&hak__huge_lock);
    struct hak_span *span = oldest;
    if (span != NULL)
        unlink_locked(span);
    hak__lock_release(&hak__huge_lock);
    return span;
}

/* Each is tried once: what the system does not take is kept again. */
size_t hak__huge_purge(size_t bytes)
{
    hak__lock_acquire(&hak__huge_lock);
    size_t done = 0, left = kept_count;
    hak__lock_release(&hak__huge_lock);
    for (; left > 0 && done < bytes; left--) {
        struct hak_span *span = take_oldest();
        if (span == NULL)
            break;
        size_t size = span->dirty ? span->size : 0;
        if (size != 0)
            hak__retained_sub(size);
        if (!discard(span) || size == 0)
            continue;
        hak__count(HAK_COUNTER_PURGES, 1);
        hak__count(HAK_COUNTER_PURGED_BYTES, size);
        done += size;
    }
    return done;
}

size_t hak__huge_kept(void)
{
    size_t bytes = 0;
    hak__lock_acquire(&hak__huge_lock);
    for (struct hak_span *span = newest; span != NULL; span = span->next)
        bytes += span->dirty ? span->size : 0;
    hak__lock_release(&hak__huge_lock);
    return bytes;
}

size_t hak__huge_live(size_t *count)
{
    *count = hak_load_relaxed(&live_count);
    return hak_load_relaxed(&live_bytes);
}

/* SPDX-License-Identifier: MIT */
#include "page/guarded.h"

#include <string.h>

#include "base/bits.h"
#include "base/params.h"
#include "core/meta.h"
#include "core/options.h"
#include "core/stats.h"
#include "os/os.h"
#include "page/huge.h"
#include "page/locked.h"
#include "page/pagemap.h"
#include "page/pieces.h"
#include "page/retain.h"

enum { STRIDE = HAK_GUARDED_MAX + HAK_GRANULE, PATTERN = 0xa7 };

HAK_READ_MOSTLY _Atomic(struct hak_guards *) hak__guards;

/* Blocks that are live or about to be, and frees so far. */
static HAK_WRITTEN_OFTEN _Atomic uint32_t live_count;
static _Atomic uint64_t frees;

/* ---- the slots --------------------------------------------------------- */

static uintptr_t slot_start(const struct hak_guards *guards, const struct hak_guard *guard)
{
    return guards->start + (uintptr_t)(guard - guards->slots) * STRIDE;
}

static size_t reservation(size_t count)
{
    return count * STRIDE + HAK_GRANULE;
}

/* As many as a part of the address space that the process may have. */
static size_t wanted(void)
{
    enum { PART = 16 };
    size_t count = (size_t)hak__option(HAK_OPTION_GUARD_SLOTS), limit = hak__os_space_limit() / PART;
    return reservation(count) <= limit ? count : limit / STRIDE;
}

static struct hak_guards *prepare(void)
{
    size_t count = wanted();
    struct hak_guards *guards = count != 0 ? hak__meta_alloc(sizeof *guards, _Alignof(struct hak_guards)) : NULL;
    struct hak_guard *slots =
        guards != NULL ? hak__meta_alloc(count * sizeof *slots, _Alignof(struct hak_guard)) : NULL;
    char *space = slots != NULL ? hak__os_reserve(reservation(count), HAK_GRANULE) : NULL;
    if (space == NULL)
        return NULL;
    if (!hak__pagemap_ensure((uintptr_t)space, reservation(count))) {
        hak__os_unmap_unused(space, reservation(count));
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        slots[i].span = (struct hak_span){.guarded = true, .bare = true};
    *guards = (struct hak_guards){(uintptr_t)space + HAK_GRANULE, STRIDE, slots, (uint32_t)count};
    return guards;
}

/* One thread prepares them, once; who comes meanwhile goes without. */
static struct hak_guards *guards_now(void)
{
    static _Atomic bool begun;
    struct hak_guards *guards = hak_load_acquire(&hak__guards);
    if (hak_likely(guards != NULL) || hak_swap_acq_rel(&begun, true))
        return guards;
    guards = prepare();
    hak_store_release(&hak__guards, guards);
    return guards;
}

static bool is_ready(uint64_t word)
{
    return word % HAK_GUARD_STATES == HAK_GUARD_UNUSED || word % HAK_GUARD_STATES == HAK_GUARD_FREED;
}

/* The one that was freed first, or never used. */
static struct hak_guard *oldest(struct hak_guards *guards, uint64_t *word)
{
    struct hak_guard *found = NULL;
    for (uint32_t i = 0; i < guards->count; i++) {
        uint64_t other = hak_load_relaxed(&guards->slots[i].word);
        if (is_ready(other) && (found == NULL || other < *word)) {
            found = &guards->slots[i];
            *word = other;
        }
    }
    return found;
}

static bool may_be_live(const struct hak_guards *guards)
{
    enum { FREED_PART = 4 };
    if (hak_add_relaxed(&live_count, 1) < guards->count - guards->count / FREED_PART)
        return true;
    hak_sub_relaxed(&live_count, 1);
    return false;
}

static struct hak_guard *take_slot(struct hak_guards *guards, uint64_t *before)
{
    if (!may_be_live(guards))
        return NULL;
    struct hak_guard *guard;
    while ((guard = oldest(guards, before)) != NULL)
        if (hak_cas_acquire(&guard->word, before, HAK_GUARD_TAKEN))
            return guard;
    hak_sub_relaxed(&live_count, 1);
    return NULL;
}

/* ---- what is accessible ------------------------------------------------ */

struct pages {
    uintptr_t start;
    size_t size;
};

static struct pages pages_at(uintptr_t block, size_t size)
{
    size_t page = hak__os_page_size();
    uintptr_t start = hak__align_down(block, page);
    return (struct pages){start, hak__align_up(block + size, page) - start};
}

static struct pages pages_of(const struct hak_guard *guard)
{
    return pages_at(hak__guard_block(guard), guard->span.asked);
}

/* Makes all of a slot and the gap behind it a reservation; if refused, that is tried again before the slot serves. */
static bool strip(struct hak_guard *guard, uintptr_t slot)
{
    guard->span.bare = hak__os_strip((void *)slot, STRIDE);
    guard->span.dirty = !guard->span.bare;
    return guard->span.bare;
}

/* Makes all of that pages that the system can guard one by one, and guards them: slots then are one mapping. */
static bool mark_slot(struct hak_guard *guard, uintptr_t slot)
{
    if (!hak__os_may_guard() || !hak__os_commit((void *)slot, STRIDE))
        return false;
    guard->span.bare = false;
    if (hak__os_guard((void *)slot, STRIDE))
        return true;
    strip(guard, slot);
    return false;
}

/* In a sandbox the system cannot be asked any more for what it has marked. */
static bool open(struct hak_guard *guard, uintptr_t slot, struct pages pages)
{
    if (guard->span.dirty && !strip(guard, slot))
        return false;
    if (pages.size == 0)
        return true;
    if ((!guard->span.bare || mark_slot(guard, slot)) && hak__os_unguard((void *)pages.start, pages.size))
        return true;
    return (guard->span.bare || strip(guard, slot)) && hak__os_commit((void *)pages.start, pages.size);
}

/* What the system does not make inaccessible, or only in part, has no memory at least. */
static void close(struct hak_guard *guard, uintptr_t slot, struct pages pages)
{
    if (pages.size == 0 || (!guard->span.bare && hak__os_guard((void *)pages.start, pages.size)))
        return;
    if (!strip(guard, slot))
        hak__os_purge_unseen((void *)pages.start, pages.size);
}

/* ---- blocks ------------------------------------------------------------ */

/* Where a block of a size and an alignment is in a slot; 0 if it has no room. */
static uintptr_t place(uintptr_t slot, size_t size, size_t alignment, bool at_end)
{
    uintptr_t end = slot + HAK_GUARDED_MAX;
    if (size > HAK_GUARDED_MAX || alignment > HAK_GUARDED_MAX)
        return 0;
    uintptr_t block = at_end ? hak__align_down(end - size, alignment) : hak__align_up(slot, alignment);
    return block >= slot && block <= end - size ? block : 0;
}

static void set_block(struct hak_guard *guard, uintptr_t block, size_t size)
{
    struct hak_span *span = &guard->span;
    span->base = hak__align_down(block, HAK_GRANULE);
    hak_store_relaxed(&span->offset, (uint32_t)(block - span->base));
    span->size = size != 0 ? size : 1;
    span->asked = size;
    span->state = HAK_SPAN_LIVE;
    guard->freed.depth = 0;
}

static void set_pattern(const struct hak_guard *guard, struct pages pages)
{
    uintptr_t block = hak__guard_block(guard), end = block + guard->span.asked;
    if (pages.size == 0)
        return;
    memset((void *)pages.start, PATTERN, block - pages.start);
    memset((void *)end, PATTERN, pages.start + pages.size - end);
}

/* The slot is as it was: of the block that it had before everything is known still. */
static struct hak_guard *give_up(struct hak_guard *guard, uint64_t before)
{
    hak_sub_relaxed(&live_count, 1);
    hak_store_release(&guard->word, before);
    return NULL;
}

struct hak_guard *hak__guard_take(size_t size, size_t alignment, bool at_end)
{
    if (size > HAK_GUARDED_MAX || hak__locked_in_future() || hak_load_relaxed(&hak__memory_is_locked))
        return NULL;
    struct hak_guards *guards = guards_now();
    uint64_t before = 0;
    struct hak_guard *guard = guards != NULL ? take_slot(guards, &before) : NULL;
    if (guard == NULL)
        return NULL;
    uintptr_t slot = slot_start(guards, guard), block = place(slot, size, alignment, at_end);
    struct pages pages = pages_at(block, size);
    if (block == 0 || !hak__memory_take(pages.size))
        return give_up(guard, before);
    if (!open(guard, slot, pages)) {
        hak__memory_return(pages.size);
        return give_up(guard, before);
    }
    set_block(guard, block, size);
    set_pattern(guard, pages);
    hak__live_add(pages.size);
    hak_add_relaxed(&hak__huge_bytes, pages.size);
    hak_add_relaxed(&hak__huge_blocks, 1);
    return guard;
}

static size_t granules(const struct hak_span *span)
{
    return (hak_load_relaxed(&span->offset) + span->size + HAK_GRANULE - 1) >> HAK_GRANULE_SHIFT;
}

void hak__guard_show(struct hak_guard *guard)
{
    struct hak_span *span = &guard->span;
    hak__lock_acquire(&hak__huge_lock);
    hak__pieces_show(span->base, granules(span), HAK_CODE_HUGE, span);
    hak__lock_release(&hak__huge_lock);
    hak_store_release(&guard->word, HAK_GUARD_LIVE);
}

bool hak__guard_claim(struct hak_guard *guard)
{
    uint64_t word = HAK_GUARD_LIVE;
    return hak_cas_acquire(&guard->word, &word, HAK_GUARD_TAKEN);
}

/* The first byte of a range that is not the pattern, or NULL. */
static const unsigned char *first_other(uintptr_t from, uintptr_t to)
{
    for (const unsigned char *at = (const unsigned char *)from; at < (const unsigned char *)to; at++)
        if (*at != PATTERN)
            return at;
    return NULL;
}

const void *hak__guard_written(const struct hak_guard *guard)
{
    struct pages pages = pages_of(guard);
    uintptr_t block = hak__guard_block(guard), end = block + guard->span.asked;
    if (pages.size == 0)
        return NULL;
    const unsigned char *before = first_other(pages.start, block);
    return before != NULL ? before : first_other(end, pages.start + pages.size);
}

void hak__guard_free(struct hak_guard *guard)
{
    struct hak_guards *guards = hak_load_acquire(&hak__guards);
    struct hak_span *span = &guard->span;
    struct pages pages = pages_of(guard);
    hak__lock_acquire(&hak__huge_lock);
    hak__pieces_hide(span->base, granules(span));
    hak__lock_release(&hak__huge_lock);
    hak_sub_relaxed(&hak__huge_bytes, pages.size);
    hak_sub_relaxed(&hak__huge_blocks, 1);
    span->state = HAK_SPAN_FREE;
    close(guard, slot_start(guards, guard), pages);
    hak__live_sub(pages.size);
    hak__memory_return(pages.size);
    hak_sub_relaxed(&live_count, 1);
    uint64_t number = hak_add_relaxed(&frees, 1) + 1;
    hak_store_release(&guard->word, number * HAK_GUARD_STATES + HAK_GUARD_FREED);
}

/* ---- from addresses ---------------------------------------------------- */

ptrdiff_t hak__guard_distance(const struct hak_guard *guard, uintptr_t address)
{
    uintptr_t block = hak__guard_block(guard), end = block + guard->span.asked;
    if (address < block)
        return -(ptrdiff_t)(block - address);
    return address < end ? 0 : (ptrdiff_t)(address - end) + 1;
}

static size_t far(const struct hak_guard *guard, uintptr_t address)
{
    if (hak__guard_state(guard) == HAK_GUARD_UNUSED || guard->span.base == 0)
        return SIZE_MAX;
    ptrdiff_t distance = hak__guard_distance(guard, address);
    return distance < 0 ? (size_t)-distance : (size_t)distance;
}

/* Of a gap each side is behind one slot and in front of the next. */
struct hak_guard *hak__guard_near(uintptr_t address)
{
    struct hak_guards *guards = hak_load_acquire(&hak__guards);
    if (guards == NULL || address - (guards->start - HAK_GRANULE) >= reservation(guards->count))
        return NULL;
    size_t from_start = address - (guards->start - HAK_GRANULE);
    size_t number = from_start / STRIDE, offset = from_start % STRIDE;
    struct hak_guard *next = number < guards->count ? &guards->slots[number] : NULL;
    struct hak_guard *last = number > 0 && offset < HAK_GRANULE ? &guards->slots[number - 1] : NULL;
    size_t to_next = next != NULL ? far(next, address) : SIZE_MAX;
    size_t to_last = last != NULL ? far(last, address) : SIZE_MAX;
    if (to_next == SIZE_MAX && to_last == SIZE_MAX)
        return NULL;
    return to_next < to_last ? next : last;
}

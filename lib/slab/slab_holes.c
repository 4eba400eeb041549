/* SPDX-License-Identifier: MIT */
#include "slab/slab_holes.h"

#include "base/bits.h"
#include "base/check.h"
#include "core/race.h"
#include "core/stats.h"
#include "os/deadline.h"
#include "os/os.h"
#include "page/locked.h"
#include "page/purge.h"
#include "page/retain.h"
#include "slab/shared_pool.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/slab_pages.h"
#include "slab/superslab.h"

HAK_WRITTEN_OFTEN struct hak_lock hak__holes_lock;

/* Blocks of a slab, a bit each. */
struct blocks {
    uint64_t bit[4096 / 64];
};

static void blocks_add(struct blocks *blocks, uint32_t index)
{
    blocks->bit[index / 64] |= (uint64_t)1 << index % 64;
}

static bool blocks_have(const struct blocks *blocks, uint32_t index)
{
    return (blocks->bit[index / 64] >> index % 64 & 1) != 0;
}

/* ---- pages and blocks -------------------------------------------------- */

static size_t first_page(const TinySlabMeta *slab, uint32_t index, unsigned shift)
{
    return (size_t)index * slab->size >> shift;
}

static size_t last_page(const TinySlabMeta *slab, uint32_t index, unsigned shift)
{
    return (((size_t)index + 1) * slab->size - 1) >> shift;
}

static bool lies_in_hole(const TinySlabMeta *slab, uint32_t index, unsigned shift)
{
    size_t last = last_page(slab, index, shift);
    for (size_t page = first_page(slab, index, shift); page <= last; page++)
        if (!hak__page_has(slab, page, shift))
            return true;
    return false;
}

bool hak__holes_have(const TinySlabMeta *slab, uint32_t index)
{
    return hak_unlikely(hak_load_relaxed(&slab->holes) != 0) &&
           lies_in_hole(slab, index, hak__page_shift());
}

/* Adds the blocks that lie on pages without memory; how many. */
static uint32_t add_holes(const TinySlabMeta *slab, uint32_t carved, struct blocks *blocks)
{
    unsigned shift = hak__page_shift();
    uint32_t count = 0;
    for (uint32_t i = 0; i < carved; i++)
        if (lies_in_hole(slab, i, shift)) {
            blocks_add(blocks, i);
            count++;
        }
    return count;
}

uint32_t hak__holes_count(const TinySlabMeta *slab, uint32_t carved)
{
    struct blocks blocks = {0};
    return add_holes(slab, carved, &blocks);
}

/* ---- taking ------------------------------------------------------------ */

/*
 * The end of the blocks to take with the first one, and the last page that gets memory. A block that
 * would lie on no page without memory any more must be taken: it could not be told from one that is
 * out. One that goes on in the hole may stay there.
 */
static uint32_t end_of_run(const TinySlabMeta *slab, uint32_t first, uint32_t want, uint32_t carved,
                           size_t *last)
{
    unsigned shift = hak__page_shift();
    uint32_t end = first + 1;
    *last = last_page(slab, first, shift);
    for (bool in_hole = !hak__page_has(slab, *last, shift); in_hole && end < carved; end++) {
        size_t to = last_page(slab, end, shift);
        bool goes_on = false;
        for (size_t page = *last + 1; page <= to; page++)
            goes_on |= !hak__page_has(slab, page, shift);
        if (first_page(slab, end, shift) > *last && !goes_on)
            break; /* it lies behind the hole */
        if (goes_on && end - first >= want)
            break;
        if (to > *last)
            in_hole = !hak__page_has(slab, to, shift);
        *last = to;
    }
    return end;
}

uint32_t hak__holes_take(TinySlabMeta *slab, uint32_t want, uint32_t *first)
{
    uint32_t holes = hak_load_relaxed(&slab->holes);
    if (hak_likely(holes == 0))
        return 0;
    uint32_t carved = slab_freelist_view(slab).carved;
    unsigned shift = hak__page_shift();
    size_t page = 0, last = 0;
    while (hak__page_has(slab, page, shift))
        page++;
    *first = (uint32_t)((page << shift) / slab->size);
    uint32_t count = end_of_run(slab, *first, want, carved, &last) - *first;
    HAK_ASSERT(*first + count <= carved && count <= holes);
    if (!hak__pages_count(slab, page << shift, (last + 1) << shift))
        return 0;
    hak_store_relaxed(&slab->holes, (uint16_t)(holes - count));
    slab_freelist_take_holes(slab, count);
    return count;
}

/* ---- making ------------------------------------------------------------ */

/* The list leads to and fro, and would miss the cache at each step. */
static void prefetch_blocks(const TinySlabMeta *slab, uint32_t carved)
{
    size_t step = slab->size < HAK_CACHE_LINE ? HAK_CACHE_LINE : slab->size;
    uintptr_t end = slab->base + (size_t)carved * slab->size;
    for (uintptr_t block = slab->base; block < end; block += step)
        __builtin_prefetch((const void *)block);
}

/* Takes the list of a CURRENT slab; its blocks in *free. */
static void take_list(TinySlabMeta *slab, struct blocks *free, uint32_t *carved)
{
    uint32_t count = 0;
    const void *node = slab_freelist_take_all(slab, &count, carved);
    prefetch_blocks(slab, *carved);
    for (uint32_t i = 0; i < count; i++) {
        blocks_add(free, slab_freelist_index(slab, node));
        uint32_t next = slab_freelist_next(slab, node, *carved, i + 1 == count);
        if (i + 1 < count)
            node = slab_freelist_block(slab, next);
    }
}

/* Gives back what of these blocks is in no hole, as a list in the order of addresses. */
static void give_list(TinySlabMeta *slab, const struct blocks *free, const struct blocks *in_holes,
                      uint32_t carved, uint32_t more_holes)
{
    uint32_t head = HAK_SLAB_NO_BLOCK, count = 0;
    void *last = NULL;
    for (uint32_t i = carved; i-- > 0;) {
        if (!blocks_have(free, i) || blocks_have(in_holes, i))
            continue;
        void *block = slab_freelist_block(slab, i);
        if (last == NULL)
            last = block;
        else
            slab_freelist_link(slab, block, head);
        head = i;
        count++;
    }
    slab_freelist_give_back(slab, head, last, count, more_holes);
}

/*
 * The pages of a slab that have memory and nothing but free blocks, those of each slot by bits; how
 * many. The page on which carving goes on is left alone: what is carved there next would give it
 * memory without the blocks in front.
 */
static unsigned find_idle(const TinySlabMeta *slab, const struct blocks *free, uint32_t carved,
                          uint16_t *idle)
{
    unsigned shift = hak__page_shift(), in_slot = HAK_GRANULE_SHIFT - shift, count = 0;
    size_t end = (size_t)carved * slab->size, on_page = ((size_t)1 << in_slot) - 1;
    for (unsigned slot = 0; slot < slab->units; slot++)
        idle[slot] = hak_load_relaxed(&slab[slot].pages);
    if (carved < slab->capacity && (end & (((size_t)1 << shift) - 1)) != 0)
        idle[end >> HAK_GRANULE_SHIFT] &= (uint16_t)~(1u << (end >> shift & on_page));
    for (uint32_t i = 0; i < carved; i++) {
        if (blocks_have(free, i))
            continue;
        for (size_t page = first_page(slab, i, shift); page <= last_page(slab, i, shift); page++)
            idle[page >> in_slot] &= (uint16_t)~(1u << (page & on_page));
    }
    for (unsigned slot = 0; slot < slab->units; slot++)
        count += hak__count_bits(idle[slot]);
    return count;
}

/*
 * Returns a run of pages of a slot to the system; how many. If some of them are refused each is tried
 * alone, for it has to be known what became of it: one that is refused is as it was.
 */
static unsigned purge_run(TinySlabMeta *slot, uintptr_t base, unsigned first, unsigned length)
{
    size_t size = hak__page_counted();
    unsigned gone = 0;
    if (hak__os_purge((void *)(base + first * size), length * size))
        return length;
    hak_add_relaxed(&hak__purges_refused, 1);
    for (unsigned page = first; page < first + length; page++)
        if (length > 1 && hak__os_purge((void *)(base + page * size), size))
            gone++;
        else
            hak__pages_set(slot, hak_load_relaxed(&slot->pages) | (uint16_t)(1u << page));
    return gone;
}

/* The bits go first: who looks at a block meanwhile finds its mark, or that it is in a hole. */
static size_t purge_idle(TinySlabMeta *slab, const uint16_t *idle)
{
    unsigned gone = 0;
    for (unsigned slot = 0; slot < slab->units; slot++) {
        TinySlabMeta *at = &slab[slot];
        hak__pages_set(at, hak_load_relaxed(&at->pages) & (uint16_t)~idle[slot]);
        for (uint32_t rest = idle[slot]; rest != 0;) {
            unsigned length = 0, first = hak__take_run(&rest, &length);
            gone += purge_run(at, slab->base + slot * HAK_GRANULE, first, length);
        }
    }
    return gone * hak__page_counted();
}

/* A slab that the caller has made CURRENT; how many bytes went. */
static size_t make_holes(TinySlabMeta *slab, unsigned least)
{
    struct blocks free = {0}, in_holes = {0};
    uint16_t idle[1 << (HAK_ORDERS - 1)] = {0};
    uint32_t carved = 0, before = hak_load_relaxed(&slab->holes);
    size_t gone = 0;
    take_list(slab, &free, &carved);
    if (before != 0) {
        add_holes(slab, carved, &in_holes);
        for (size_t i = 0; i < sizeof free.bit / sizeof *free.bit; i++)
            free.bit[i] |= in_holes.bit[i];
    }
    uint32_t holes = before;
    if (find_idle(slab, &free, carved, idle) >= least) {
        hak_store_relaxed(&slab->holes, (uint16_t)carved); /* at most; any number makes it nobody's */
        hak__pool_show(slab, 0);
        gone = purge_idle(slab, idle);
        slab->cold = true;
        holes = add_holes(slab, carved, &in_holes);
        hak_store_relaxed(&slab->holes, (uint16_t)holes);
        hak__pool_show(slab, 0);
        hak__live_sub(gone);
        hak__memory_return(gone);
    }
    give_list(slab, &free, &in_holes, carved, holes - before);
    return gone;
}

/* Of a slab as anybody sees it: whether pages may be idle. */
static bool may_have_idle(const TinySlabMeta *slab, struct slab_view view)
{
    uint32_t listed = view.free - hak_load_relaxed(&slab->holes);
    return view.state == SLAB_PARTIAL && listed <= view.free &&
           listed * hak__class_size(view.class_idx) >= hak__page_counted();
}

/*
 * Whether it pays: half of it is free, and no more blocks are out than there are pages. Where small blocks
 * are freed at random a page keeps one of them for long, and to find that out is to follow the whole list.
 */
static bool is_sparse(const TinySlabMeta *slab, struct slab_view view)
{
    enum { PAGES = 4 };
    const struct hak_class_info *info = &hak__class_info[view.class_idx];
    size_t listed = (view.free - hak_load_relaxed(&slab->holes)) * (size_t)info->size;
    size_t memory = hak__pages_bytes(slab, 1u << (info->slab_shift - HAK_GRANULE_SHIFT));
    return listed >= PAGES * hak__page_counted() && listed >= memory / 2 &&
           (view.carved - view.free) * hak__page_counted() <= memory;
}

static size_t purge_slab(TinySlabMeta *slab, struct slab_view view, unsigned least)
{
    if (!slab_freelist_claim(slab, SLAB_PARTIAL, view.class_idx, NULL))
        return 0;
    hak__race_point("make holes");
    size_t gone = make_holes(slab, least);
    hak__pool_abandon(slab, view.class_idx);
    if (gone != 0)
        hak__purge_count(gone);
    return gone;
}

/* Memory that is locked never faults, and pages that the system refuses are not asked for again. */
size_t hak__holes_purge(size_t bytes, int64_t until)
{
    size_t done = 0;
    int refused = 0;
    if (hak_load_relaxed(&hak__memory_is_locked) || !hak__lock_try(&hak__holes_lock))
        return 0;
    for (SuperSlab *super = hak__superslab_after(NULL);
         super != NULL && done < bytes && refused < HAK_PURGE_REFUSALS && !hak__os_is_past(until);
         super = hak__superslab_after(super))
        for (unsigned slot = 0; slot < HAK_SUPERSLAB_UNITS && refused < HAK_PURGE_REFUSALS; slot++) {
            TinySlabMeta *slab = &super->slabs[slot];
            struct slab_view view = slab_freelist_view(slab);
            if (!may_have_idle(slab, view))
                continue;
            uint32_t before = hak__purge_moment();
            size_t gone = purge_slab(slab, view, 1);
            refused += gone == 0 && hak__purge_refused_since(before);
            done += gone;
        }
    hak__lock_release(&hak__holes_lock);
    return done;
}

/* What identifies a slab's state from one look to the next. */
static uint16_t look_of(struct slab_view view)
{
    return (uint16_t)(view.tag * 8191 + view.free);
}

size_t hak__holes_purge_some(size_t bytes)
{
    enum { PAUSE_MS = 1000, LEAST = 3 };
    static SuperSlab *at;        /* under hak__holes_lock */
    static unsigned slot;        /* the next to look at; likewise */
    static int64_t paused_until; /* likewise; the system has refused */
    size_t done = 0;
    if (hak_load_relaxed(&hak__memory_is_locked) || !hak__lock_try(&hak__holes_lock))
        return 0;
    if (slot % HAK_SUPERSLAB_UNITS == 0) {
        at = hak__superslab_after(at);
        slot = 0;
    }
    while (at != NULL && slot < HAK_SUPERSLAB_UNITS && done < bytes) {
        TinySlabMeta *slab = &at->slabs[slot++];
        struct slab_view view = slab_freelist_view(slab);
        if (!may_have_idle(slab, view) || !is_sparse(slab, view))
            continue;
        if (slab->looked != look_of(view)) {
            slab->looked = look_of(view);
            continue;
        }
        if (hak_unlikely(paused_until != 0) && hak__os_now_ms() < paused_until)
            break;
        uint32_t before = hak__purge_moment();
        done += purge_slab(slab, view, LEAST);
        paused_until = hak__purge_refused_since(before) ? hak__os_now_ms() + PAUSE_MS : 0;
    }
    hak__lock_release(&hak__holes_lock);
    return done;
}

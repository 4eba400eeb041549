/* SPDX-License-Identifier: MIT */
/* From slabs to a thread cache: batch refill, carve. */
#include "cache/refill.h"

#include "cache/bins.h"
#include "cache/enter.h"
#include "cache/heap_life.h"
#include "cache/heap_poll.h"
#include "cache/heap_pool.h"
#include "cache/l0.h"
#include "cache/reclaim.h"
#include "cache/thread_cache.h"
#include "cache/unpack.h"
#include "core/race.h"
#include "core/stats.h"
#include "harden/harden.h"
#include "slab/shared_pool.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/slab_holes.h"
#include "slab/slab_pages.h"

/* Debug builds recognise later writes to a block that was never handed out, too. */
HAK_INLINE void prepare_fresh(uint64_t secret, size_t size, void *block)
{
    *hak__block_mark(block) = hak__mark_of(secret, block);
    if (HAK_HARDENED)
        *hak__block_link(block) = 0;
    if (HAK_DEBUG)
        hak__block_poison(block, size);
}

/* The heap's current slab has been carved, or is another one: free has to know how far it goes. */
static void note_carved(struct hak_heap *heap, unsigned class_idx, TinySlabMeta *slab)
{
    uint32_t carved = slab_freelist_view(slab).carved;
    heap->bound[HAK_GROWING + class_idx] = hak__start_bound(class_idx, carved);
    if (carved == slab->capacity)
        hak__pool_show(slab, heap->id);
}

/* Fresh blocks with memory; fewer than wanted at the end of a step, none where limit_hard forbids it. */
static uint32_t carve_counted(TinySlabMeta *slab, uint32_t want, uint32_t *first)
{
    uint32_t carved = slab_freelist_view(slab).carved;
    if (carved == slab->capacity)
        return 0;
    if (HAK_HARDENED && hak__harden.zero)
        hak__pages_clear(slab, carved, want);
    return slab_freelist_carve(slab, hak__pages_for_blocks(slab, carved, want), first);
}

/*
 * Before any of these blocks is in the bin, for memset may be a function that allocates from it. How many
 * still find room; the others go on the slab's list.
 */
static uint32_t poison_fresh(const struct hak_heap *heap, unsigned class_idx, TinySlabMeta *slab,
                             uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        prepare_fresh(heap->secret, slab->size, slab_freelist_block(slab, first + i));
    while (count > (uint32_t)(heap->limit[class_idx] - heap->top[class_idx]))
        slab_freelist_push_lockfree(slab, (int)class_idx, slab_freelist_block(slab, first + --count));
    return count;
}

/*
 * The lowest on top. What the loop uses is at hand: for all that the compiler knows a mark may be stored
 * over the heap or the record. Memory that serves again is far away by then, so it is asked for ahead.
 */
static void put_fresh(struct hak_heap *heap, unsigned class_idx, TinySlabMeta *slab, uint32_t first,
                      uint32_t count)
{
    enum { AHEAD = 1024, BLOCKS_AHEAD = 8 };
    char *block = slab_freelist_block(slab, first);
    size_t size = slab->size, ahead = size * BLOCKS_AHEAD > AHEAD ? size * BLOCKS_AHEAD : AHEAD;
    uint64_t secret = heap->secret;
    if (HAK_DEBUG)
        count = poison_fresh(heap, class_idx, slab, first, count);
    void **top = heap->top[class_idx];
    heap->top[class_idx] = top + count;
    for (void **place = top + count; place != top; block += size) {
        *--place = block;
        hak_prefetch(block + ahead);
        if (HAK_HARDENED)
            *hak__block_link(block) = 0;
        if (!HAK_DEBUG)
            *hak__block_mark(block) = hak__mark_of(secret, block);
    }
}

/* Puts fresh blocks into the bin; what does not fit is rolled back. */
static uint32_t carve(struct hak_heap *heap, unsigned class_idx, TinySlabMeta *slab, uint32_t want)
{
    uint32_t first = 0;
    uint32_t count = carve_counted(slab, want, &first);
    uint32_t room = (uint32_t)(heap->limit[class_idx] - heap->top[class_idx]);
    if (hak_unlikely(count > room)) {
        slab_freelist_uncarve(slab, count - room);
        count = room;
    }
    if (count > 0)
        note_carved(heap, class_idx, slab);
    put_fresh(heap, class_idx, slab, first, count);
    return count;
}

/*
 * Puts blocks that were in a hole into the bin, the lowest on top. They come by the page: what does
 * not fit goes on the slab's list.
 */
static uint32_t fill_hole(struct hak_heap *heap, unsigned class_idx, TinySlabMeta *slab, uint32_t want)
{
    uint32_t first = 0, count = hak__holes_take(slab, want, &first);
    uint32_t room = (uint32_t)(heap->limit[class_idx] - heap->top[class_idx]);
    uint32_t kept = count < room ? count : room;
    if (hak_likely(count == 0))
        return 0;
    for (uint32_t i = count; i-- > 0;) {
        void *block = slab_freelist_block(slab, first + i);
        prepare_fresh(heap->secret, slab->size, block);
        if (i < kept)
            *heap->top[class_idx]++ = block;
        else
            slab_freelist_push_lockfree(slab, (int)class_idx, block);
    }
    if (hak_load_relaxed(&slab->holes) == 0)
        hak__pool_show(slab, heap->id); /* frees of its blocks are fast again */
    return kept;
}

static uint32_t take(struct hak_heap *heap, unsigned class_idx, TinySlabMeta *slab, uint32_t want)
{
    uint32_t count = slab_freelist_pop_batch(slab, heap->top[class_idx], want);
    for (uint32_t i = 0; HAK_HARDENED && i < count; i++)
        *hak__block_link(heap->top[class_idx][i]) = 0;
    heap->top[class_idx] += count;
    if (count == 0)
        count = fill_hole(heap, class_idx, slab, want);
    return count > 0 ? count : carve(heap, class_idx, slab, want);
}

/*
 * A slab of the pool; whether it needs memory. A thread that has begun some slabs of a class in a row
 * is growing, and fills the next one, too.
 */
static bool begin_slab(struct hak_heap *heap, unsigned class_idx, TinySlabMeta *slab)
{
    enum { IN_A_ROW = 4 };
    bool fresh = slab->cold && slab_freelist_view(slab).carved == 0;
    note_carved(heap, class_idx, slab);
    if (!fresh)
        heap->begun[class_idx] = 0;
    else if (heap->begun[class_idx] < IN_A_ROW)
        heap->begun[class_idx]++;
    else
        hak__pages_for_filled(slab);
    return fresh;
}

/* *grows: memory will be needed for the slab that the system has to give. */
static TinySlabMeta *next_slab(struct hak_heap *heap, unsigned class_idx, bool *grows)
{
    TinySlabMeta *slab = hak__l0_take(heap, class_idx);
    if (slab != NULL) {
        hak__count(HAK_COUNTER_STAGE0_L0, 1);
        HAK_TRACE("STAGE0_L0", slab);
    } else {
        slab = hak__pool_acquire(class_idx, heap->id);
        if (slab != NULL)
            *grows |= begin_slab(heap, class_idx, slab);
    }
    hak__race_point("next slab");
    heap->current[class_idx] = slab;
    return slab;
}

void *hak__slab_block(TinySlabMeta *slab, unsigned class_idx, bool *carved)
{
    void *block = slab_freelist_pop_lockfree(slab, (int)class_idx);
    uint32_t first = 0;
    if (HAK_HARDENED && block != NULL)
        *hak__block_link(block) = 0;
    *carved = block == NULL && carve_counted(slab, 1, &first) == 1;
    if (*carved) {
        block = slab_freelist_block(slab, first);
        prepare_fresh(hak__heap_secret, slab->size, block);
    }
    return block;
}

static void *bypass(struct hak_heap *heap, unsigned class_idx)
{
    TinySlabMeta *slab = heap->current[class_idx];
    bool carved = false;
    void *block = slab != NULL ? hak__slab_block(slab, class_idx, &carved) : NULL;
    if (carved)
        note_carved(heap, class_idx, slab);
    return block;
}

/* A block for which the bin is left as it is, or NULL when the current slab has none. */
void *hak__cache_bypass(struct hak_heap *heap, unsigned class_idx)
{
    bool busy = hak__heap_enter(heap);
    void *block = bypass(heap, class_idx);
    hak__heap_leave(heap, busy);
    return block;
}

/* For the slab that the bin will take if the current one has no blocks left. */
static void make_room(struct hak_heap *heap, unsigned class_idx)
{
    const struct hak_class_info *info = &hak__class_info[class_idx];
    TinySlabMeta *slab = heap->current[class_idx];
    if (slab != NULL) {
        struct slab_view view = slab_freelist_view(slab);
        if (view.free > 0 || view.carved < info->capacity)
            return;
    }
    hak__reclaim_make_room((size_t)1 << info->slab_shift);
}

/* Fills the bin from the current slab or the next that has blocks. */
static bool fill(struct hak_heap *heap, unsigned class_idx, uint32_t want, bool *grows)
{
    TinySlabMeta *slab = heap->current[class_idx];
    while (slab != NULL || (slab = next_slab(heap, class_idx, grows)) != NULL) {
        if (take(heap, class_idx, slab, want) > 0)
            return true;
        heap->current[class_idx] = NULL;
        if (slab_freelist_retire(slab)) {
            slab = NULL;
        } else {
            heap->current[class_idx] = slab; /* somebody pushed just now, or there is no memory */
            if (slab_freelist_is_empty(slab))
                return false;
        }
    }
    return false;
}

/*
 * What purges stands in front of everything and behind it: an interposer that is told of it may
 * allocate from the same bin. Nor is it done for the heap that threads share under a lock.
 */
static bool refill(struct hak_heap *heap, unsigned class_idx)
{
    bool own = heap == hak__heap;
    if (own)
        make_room(heap, class_idx);
    hak__count(HAK_COUNTER_REFILLS, 1);
    hak__heap_handle_requests(heap);
    bool first = heap->limit[class_idx] == NULL;
    hak__cache_grow_for_refill(heap, class_idx);
    /* half of the bin stays free for what comes back, but the first page is dirty anyway */
    uint32_t want = (uint32_t)(heap->limit[class_idx] - heap->base[class_idx]);
    if (!first)
        want = (want + 1) / 2;
    if (want == 0)
        return false;
    bool grows = false;
    if (!hak__unpack(heap, class_idx, want) && !fill(heap, class_idx, want, &grows))
        return false;
    if (HAK_HARDENED && hak__harden.random)
        hak__rests_shuffle(hak__heap_rests(heap), heap->base[class_idx],
                           (size_t)(heap->top[class_idx] - heap->base[class_idx]));
    if (hak_unlikely(grows) && own)
        hak__reclaim_growth((size_t)1 << hak__class_info[class_idx].slab_shift);
    if (own) {
        hak__heap_poll(heap);
        if (heap->polls % HAK_POLLS_A_CLOCK == 0)
            hak__heap_decay_orphans();
    }
    return true;
}

bool hak__cache_refill(struct hak_heap *heap, unsigned class_idx)
{
    bool busy = hak__heap_enter(heap);
    bool refilled = refill(heap, class_idx);
    hak__heap_leave(heap, busy);
    return refilled;
}

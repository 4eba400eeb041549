/* SPDX-License-Identifier: MIT */
#include "cache/flush.h"

#include "base/bits.h"
#include "cache/enter.h"
#include "cache/heap_poll.h"
#include "cache/l0.h"
#include "core/race.h"
#include "core/stats.h"
#include "page/pagemap.h"
#include "slab/shared_pool.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/superslab.h"
#include "slab/superslab_partial.h"

/*
 * After the push the slab may be anybody's: only what the push told is used then. A slab that becomes
 * FULL meanwhile is not kept. True when the slab went back, empty.
 */
static bool push(struct hak_heap *heap, struct hak_chain *chain)
{
    TinySlabMeta *slab = chain->slab;
    unsigned class_idx = slab->class_idx;
    bool keep = slab_freelist_view(slab).state == SLAB_FULL &&
                hak__owner_of(hak__pagemap_word(slab->base)) == heap->id && hak__l0_has_room(heap, class_idx);
    struct slab_view now;
    enum slab_state before =
        slab_freelist_push_chain(slab, chain->first, chain->last, chain->count, chain->highest,
                                 keep ? SLAB_OWNED : SLAB_PARTIAL, &now);
    chain->slab = NULL;
    hak__race_point("pushed");
    if (now.state == SLAB_CLAIMED)
        hak__pool_release(slab);
    else if (before == SLAB_FULL && keep)
        hak__l0_add(heap, class_idx, slab, now.tag);
    else if (before == SLAB_FULL)
        hak__superslab_show(slab, class_idx);
    hak__count(HAK_COUNTER_REMOTE_CHAINS, 1);
    hak__count(HAK_COUNTER_REMOTE_BLOCKS, chain->count);
    return now.state == SLAB_CLAIMED;
}

static void begin(struct hak_chain *chain, TinySlabMeta *slab, void *block)
{
    chain->slab = slab;
    chain->last = block;
    chain->first = chain->highest = slab_freelist_index(slab, block);
    chain->count = 1;
}

/*
 * Appends the first blocks of a list that are of the chain's slab; how many. What the loop uses is at
 * hand: for all that the compiler knows a link may be stored over the chain or the record.
 */
static size_t append(struct hak_chain *chain, void *const *block, size_t count)
{
    const TinySlabMeta *slab = chain->slab;
    uintptr_t base = slab->base, end = slab->units * HAK_GRANULE;
    uint32_t first = chain->first, highest = chain->highest;
    size_t i = 0;
    for (; i < count && (uintptr_t)block[i] - base < end; i++) {
        slab_freelist_link(slab, block[i], first);
        first = slab_freelist_index(slab, block[i]);
        if (first > highest)
            highest = first;
    }
    chain->first = first;
    chain->highest = highest;
    chain->count += (uint32_t)i;
    return i;
}

/* Makes a place that may be another slab's begin a chain with a block. */
static void take_place(struct hak_heap *heap, unsigned place, TinySlabMeta *slab, void *block)
{
    struct hak_chain *chain = &heap->chains[place];
    if (chain->slab != NULL)
        push(heap, chain);
    begin(chain, slab, block);
    heap->chains_used |= 1u << place;
    heap->chains_begun++;
}

/* Neighbours in a bin are often neighbours in a slab: these need not be looked up again. */
void hak__flush_add(struct hak_heap *heap, void *const *block, size_t count)
{
    for (size_t i = 0; i < count;) {
        TinySlabMeta *slab = hak__pagemap_record((uintptr_t)block[i]);
        unsigned place = (uintptr_t)slab / sizeof *slab % HAK_CHAINS;
        if (heap->chains[place].slab != slab)
            take_place(heap, place, slab, block[i++]);
        i += append(&heap->chains[place], block + i, count - i);
    }
}

void hak__flush_chains(struct hak_heap *heap)
{
    for (uint32_t used = heap->chains_used; used != 0; used &= used - 1) {
        struct hak_chain *chain = &heap->chains[hak__lowest_bit(used)];
        if (chain->slab != NULL)
            push(heap, chain);
    }
    heap->chains_used = 0;
}

void hak__flush_block(struct hak_heap *heap, void *block)
{
    TinySlabMeta *slab = hak__pagemap_record((uintptr_t)block);
    struct hak_chain chain;
    begin(&chain, slab, block);
    bool real = hak__heap_is_real(heap), busy = real && hak__heap_enter(heap);
    if (push(heap, &chain))
        hak__heap_poll(heap);
    if (real)
        hak__heap_leave(heap, busy);
}

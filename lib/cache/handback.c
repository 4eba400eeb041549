/* SPDX-License-Identifier: MIT */
#include "cache/handback.h"

#include "base/bits.h"
#include "cache/enter.h"
#include "cache/l0.h"
#include "core/race.h"
#include "core/stats.h"
#include "page/pagemap.h"
#include "slab/shared_pool.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/superslab.h"

/*
 * After the push the slab may be anybody's: only what the push told is used then. True when the
 * slab went back, empty.
 */
static bool push(struct hak_heap *heap, struct hak_chain *chain)
{
    TinySlabMeta *slab = chain->slab;
    unsigned class_idx = slab->class_idx;
    bool keep = chain->owner == heap->id && hak__l0_has_room(heap, class_idx);
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

static void begin(struct hak_chain *chain, TinySlabMeta *slab, void *block, uint32_t word)
{
    chain->slab = slab;
    chain->last = block;
    chain->first = chain->highest = slab_freelist_index(slab, block);
    chain->count = 1;
    chain->owner = hak__owner_of(word);
}

/* The block is of the chain's slab. */
HAK_INLINE void append(struct hak_chain *chain, void *block)
{
    uint32_t index = slab_freelist_index(chain->slab, block);
    slab_freelist_link(chain->slab, block, chain->first);
    chain->first = index;
    if (index > chain->highest)
        chain->highest = index;
    chain->count++;
}

/* The chain to which the block was added. */
static struct hak_chain *add(struct hak_heap *heap, void *block)
{
    TinySlabMeta *slab = hak__pagemap_record((uintptr_t)block);
    unsigned place = (uintptr_t)slab / sizeof *slab % HAK_CHAINS;
    struct hak_chain *chain = &heap->chains[place];
    if (chain->slab == slab) {
        append(chain, block);
    } else {
        if (chain->slab != NULL)
            push(heap, chain);
        begin(chain, slab, block, hak__pagemap_word((uintptr_t)block));
        heap->chains_used |= 1u << place;
        heap->chains_begun++;
    }
    return chain;
}

/* Neighbours in a bin are often neighbours in a slab: these need not be looked up again. */
void hak__handback_add(struct hak_heap *heap, void *const *block, size_t count)
{
    struct hak_chain *chain = NULL;
    for (size_t i = 0; i < count; i++) {
        uintptr_t address = (uintptr_t)block[i];
        if (chain != NULL && address - chain->slab->base < chain->slab->units * HAK_GRANULE)
            append(chain, block[i]);
        else
            chain = add(heap, block[i]);
    }
}

void hak__handback_flush(struct hak_heap *heap)
{
    for (uint32_t used = heap->chains_used; used != 0; used &= used - 1) {
        struct hak_chain *chain = &heap->chains[hak__lowest_bit(used)];
        if (chain->slab != NULL)
            push(heap, chain);
    }
    heap->chains_used = 0;
}

void hak__handback_now(struct hak_heap *heap, void *block, uint32_t word)
{
    TinySlabMeta *slab = hak__pagemap_record((uintptr_t)block);
    struct hak_chain chain;
    begin(&chain, slab, block, word);
    bool real = hak__heap_is_real(heap), busy = real && hak__heap_enter(heap);
    if (push(heap, &chain))
        hak__heap_poll(heap);
    if (real)
        hak__heap_leave(heap, busy);
}

/* SPDX-License-Identifier: MIT */
#include "cache/sampled.h"

#include "base/params.h"
#include "cache/heap.h"
#include "cache/heap_poll.h"
#include "cache/refill.h"
#include "page/pagemap.h"
#include "slab/shared_pool.h"
#include "slab/slab_freelist_atomic.h"

HAK_WRITTEN_OFTEN struct hak_lock hak__sampled_lock;

/* What is known of a class; all under the lock. */
static HAK_SPARSE struct known {
    TinySlabMeta *serving;
    TinySlabMeta *first;    /* of those that have room, linked by next_sampled */
    uint32_t listed, empty; /* how many these are, and of how many of them nothing is out, about */
} of_class[HAK_CLASS_COUNT];

enum { LAST = 1 }; /* ends the list; slabs in none have 0 */

static bool is_empty(TinySlabMeta *slab)
{
    struct slab_view view = slab_freelist_view(slab);
    return view.free == view.carved;
}

/* ---- the list ---------------------------------------------------------- */

static void list(struct known *known, TinySlabMeta *slab)
{
    slab->next_sampled = known->first != NULL ? (uint32_t)(known->first->base >> HAK_GRANULE_SHIFT) : LAST;
    known->first = slab;
    known->listed++;
    known->empty += is_empty(slab);
}

/* The first slab of the list; NULL when there is none. */
static TinySlabMeta *unlist(struct known *known)
{
    TinySlabMeta *slab = known->first;
    if (slab == NULL)
        return NULL;
    uintptr_t next = (uintptr_t)slab->next_sampled << HAK_GRANULE_SHIFT;
    known->first = slab->next_sampled != LAST ? hak__pagemap_record(next) : NULL;
    slab->next_sampled = 0;
    known->listed--;
    known->empty -= known->empty != 0 && is_empty(slab);
    return slab;
}

/* Gives back the slabs of the list of which nothing is out. */
static void give_back_empty(struct known *known, unsigned class_idx)
{
    struct known kept = {.serving = known->serving};
    for (TinySlabMeta *slab; (slab = unlist(known)) != NULL;)
        if (is_empty(slab))
            hak__pool_abandon(slab, class_idx);
        else
            list(&kept, slab);
    *known = kept;
}

/* ---- taking and giving ------------------------------------------------- */

static void *take_from(TinySlabMeta *slab, unsigned class_idx)
{
    bool carved = false;
    void *block = hak__slab_block(slab, class_idx, &carved);
    if (carved && slab_freelist_view(slab).carved == slab->capacity)
        hak__pool_show(slab, HAK_OWNER_SAMPLED);
    return block;
}

/* From a slab that has room, or a new one: where that gets no memory for one block, there is none. */
static void *take_from_next(struct known *known, unsigned class_idx)
{
    TinySlabMeta *slab = unlist(known);
    if (slab == NULL)
        slab = hak__pool_acquire(class_idx, HAK_OWNER_SAMPLED);
    void *block = slab != NULL ? take_from(slab, class_idx) : NULL;
    if (block != NULL)
        known->serving = slab;
    else if (slab != NULL && is_empty(slab))
        hak__pool_abandon(slab, class_idx);
    return block;
}

void *hak__sampled_take(unsigned class_idx)
{
    if (hak__lock_is_mine(&hak__sampled_lock))
        return NULL;
    hak__lock_acquire(&hak__sampled_lock);
    struct known *known = &of_class[class_idx];
    void *block = known->serving != NULL ? take_from(known->serving, class_idx) : NULL;
    if (block == NULL)
        block = take_from_next(known, class_idx);
    hak__lock_release(&hak__sampled_lock);
    return block;
}

/*
 * A slab to which a block has come back. Those that are empty wait in the list until they are a part of it
 * that makes up for looking at all of it.
 */
static void look_at_locked(TinySlabMeta *slab, unsigned class_idx)
{
    enum { MOST_EMPTY = 2, PART = 8 };
    struct known *known = &of_class[class_idx];
    if (slab == known->serving)
        return;
    if (slab->next_sampled == 0)
        list(known, slab);
    else
        known->empty += is_empty(slab);
    if (known->empty > MOST_EMPTY + known->listed / PART)
        give_back_empty(known, class_idx);
}

/* The push needs no lock; without one the slab may be gone behind it. */
void hak__sampled_give(void *block, unsigned class_idx)
{
    TinySlabMeta *slab = hak__pagemap_record((uintptr_t)block);
    bool interrupted = hak__lock_is_mine(&hak__sampled_lock);
    if (!interrupted)
        hak__lock_acquire(&hak__sampled_lock);
    slab_freelist_push_lockfree(slab, (int)class_idx, block);
    if (interrupted)
        return;
    look_at_locked(slab, class_idx);
    hak__lock_release(&hak__sampled_lock);
    hak__heap_poll(hak__heap);
}

void hak__sampled_flush(void)
{
    if (!hak__lock_try(&hak__sampled_lock))
        return;
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        struct known *known = &of_class[i];
        if (known->serving != NULL && is_empty(known->serving)) {
            hak__pool_abandon(known->serving, i);
            known->serving = NULL;
        }
        if (known->empty != 0)
            give_back_empty(known, i);
    }
    hak__lock_release(&hak__sampled_lock);
}

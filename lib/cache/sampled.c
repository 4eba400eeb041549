/* SPDX-License-Identifier: MIT */
#include "cache/sampled.h"

#include "cache/heap.h"
#include "page/pagemap.h"
#include "slab/shared_pool.h"
#include "slab/slab_freelist_atomic.h"

HAK_WRITTEN_OFTEN struct hak_lock hak__sampled_lock;

/* Both under the lock; NULL: none. */
static HAK_SPARSE TinySlabMeta *serving[HAK_CLASS_COUNT], *with_room[HAK_CLASS_COUNT];

static bool is_empty(TinySlabMeta *slab)
{
    struct slab_view view = slab_freelist_view(slab);
    return view.free == view.carved;
}

static void *take_from(TinySlabMeta *slab, unsigned class_idx)
{
    bool carved = false;
    void *block = hak__slab_block(slab, class_idx, &carved);
    if (carved && slab_freelist_view(slab).carved == slab->capacity)
        hak__pool_show(slab, HAK_OWNER_SAMPLED);
    return block;
}

/* From a slab that has not been looked at: where that has no memory for one block, there is none. */
static void *take_from_next(unsigned class_idx)
{
    TinySlabMeta *slab = with_room[class_idx];
    with_room[class_idx] = NULL;
    if (slab == NULL)
        slab = hak__pool_acquire(class_idx, HAK_OWNER_SAMPLED);
    void *block = slab != NULL ? take_from(slab, class_idx) : NULL;
    if (block != NULL)
        serving[class_idx] = slab;
    else if (slab != NULL && is_empty(slab))
        hak__pool_let_go(slab, class_idx);
    return block;
}

void *hak__sampled_take(unsigned class_idx)
{
    if (hak__lock_is_mine(&hak__sampled_lock))
        return NULL;
    hak__lock_acquire(&hak__sampled_lock);
    TinySlabMeta *slab = serving[class_idx];
    void *block = slab != NULL ? take_from(slab, class_idx) : NULL;
    if (block == NULL)
        block = take_from_next(class_idx);
    hak__lock_release(&hak__sampled_lock);
    return block;
}

/* A slab to which a block has come back. */
static void look_at_locked(TinySlabMeta *slab, unsigned class_idx)
{
    if (slab == serving[class_idx])
        return;
    with_room[class_idx] = slab;
    if (!is_empty(slab))
        return;
    with_room[class_idx] = NULL;
    hak__pool_let_go(slab, class_idx);
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
        TinySlabMeta *slab = serving[i];
        if (slab != NULL && is_empty(slab)) {
            serving[i] = NULL;
            hak__pool_let_go(slab, i);
        }
    }
    hak__lock_release(&hak__sampled_lock);
}

/* SPDX-License-Identifier: MIT */
#include "slab/starter.h"

#include "page/locked.h"
#include "page/pagemap.h"
#include "slab/shared_pool.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/slab_pages.h"

enum {
    LARGEST = 4096, /* a block of more is not handed out */
    LONGEST = LARGEST / HAK_ALIGNMENT,
    SHARE = 12 * 1024 /* bytes for a class */
};
static_assert((int)HAK_STARTER_PLACES < (int)HAK_STARTER_KINDS, "the slab is never full");
static_assert(HAK_STARTER_PLACES <= HAK_SLAB_FIELD, "its word can count them");

HAK_READ_MOSTLY _Atomic(struct hak_starter *) hak__starter;

static uint32_t place_of(uintptr_t address)
{
    return (uint32_t)(address % HAK_STARTER_SIZE / HAK_ALIGNMENT);
}

static uint32_t places(unsigned class_idx)
{
    return (uint32_t)(hak__class_size(class_idx) / HAK_ALIGNMENT);
}

/* Memory is taken by the page, not in steps: most processes stay small. */
static bool has_memory(TinySlabMeta *slab, uint32_t first, uint32_t count)
{
    size_t from = first * HAK_ALIGNMENT, to = from + count * HAK_ALIGNMENT;
    if (!slab->cold || hak__pages_have(slab, from, to))
        return true;
    return hak_unlikely(hak_load_relaxed(&hak__memory_is_locked))
               ? hak__pages_count(slab, 0, HAK_STARTER_SIZE)
               : hak__pages_count(slab, from, to);
}

static _Atomic uint8_t *kind_of(struct hak_starter *starter, uint32_t place)
{
    return &starter->kind[place];
}

/*
 * Once; NULL if there was no memory then. A function in front of one of the system's may allocate
 * meanwhile, and finds that there is none.
 */
static struct hak_starter *begin(void)
{
    static HAK_STARTER struct hak_starter only;
    static bool begun; /* by the thread of the first heap */
    if (begun)
        return NULL;
    begun = true;
    only.slab = hak__pool_acquire(HAK_CLASS_STARTER, 0);
    if (only.slab == NULL)
        return NULL;
    hak_store_relaxed(&only.holds, 1);
    hak_store_release(&hak__starter, &only);
    return &only;
}

/* The order hands over what all have done with the memory. */
static void let_go(struct hak_starter *starter, TinySlabMeta *slab)
{
    if (hak_sub_acq_rel(&starter->holds, 1) != 1)
        return;
    slab_freelist_uncarve(slab, slab_freelist_view(slab).carved);
    hak__pool_abandon(slab, HAK_CLASS_STARTER);
}

void hak__starter_close(void)
{
    struct hak_starter *starter = hak_load_relaxed(&hak__starter);
    TinySlabMeta *slab = starter != NULL ? starter->slab : NULL;
    if (slab == NULL)
        return;
    starter->slab = NULL;
    let_go(starter, slab);
}

void *hak__starter_take(unsigned class_idx)
{
    struct hak_starter *starter = hak_load_relaxed(&hak__starter);
    if (hak__class_size(class_idx) > LARGEST || (starter == NULL && (starter = begin()) == NULL))
        return NULL;
    uint32_t count = places(class_idx), first = 0;
    size_t taken = starter->taken[class_idx] + hak__class_size(class_idx);
    TinySlabMeta *slab = starter->slab;
    if (slab == NULL || taken > SHARE)
        return NULL;
    uint32_t carved = slab_freelist_view(slab).carved;
    if (carved + count > HAK_STARTER_PLACES) {
        hak__starter_close(); /* a process that goes on gets the memory back, with the last of the blocks */
        return NULL;
    }
    if (!has_memory(slab, carved, count))
        return NULL;
    hak_add_relaxed(&starter->holds, 1); /* first: a signal handler may close it */
    if (slab_freelist_carve(slab, count, &first) != count || first != carved) {
        let_go(starter, slab); /* one has allocated just now */
        return NULL;
    }
    starter->taken[class_idx] = (uint16_t)taken;
    hak_store_relaxed(kind_of(starter, first), (uint8_t)(class_idx + 1));
    return slab_freelist_block(slab, first);
}

bool hak__starter_begins(uintptr_t address, struct hak_starter_block *block)
{
    struct hak_starter *starter = hak_load_acquire(&hak__starter);
    uint8_t kind = starter != NULL ? hak_load_relaxed(kind_of(starter, place_of(address))) : 0;
    if (kind == 0 || address % HAK_ALIGNMENT != 0)
        return false;
    unsigned class_idx = (kind & ~(unsigned)HAK_STARTER_FREED) - 1;
    *block = (struct hak_starter_block){address, class_idx, (kind & HAK_STARTER_FREED) == 0};
    return true;
}

bool hak__starter_find(uintptr_t address, struct hak_starter_block *block)
{
    uintptr_t start = address & ~(uintptr_t)(HAK_ALIGNMENT - 1);
    uint32_t place = place_of(address), steps = 0;
    while (!hak__starter_begins(start, block)) {
        if (place == steps || steps == LONGEST)
            return false;
        start -= HAK_ALIGNMENT;
        steps++;
    }
    return steps < places(block->class_idx);
}

bool hak__starter_free(uintptr_t start)
{
    struct hak_starter *starter = hak_load_acquire(&hak__starter);
    _Atomic uint8_t *shown = kind_of(starter, place_of(start));
    uint8_t kind = hak_load_relaxed(shown);
    TinySlabMeta *slab = hak__pagemap_record(start);
    if ((kind & HAK_STARTER_FREED) != 0 || !hak_cas_relaxed(shown, &kind, kind | HAK_STARTER_FREED))
        return false;
    let_go(starter, slab);
    return true;
}

void hak__starter_count(size_t *blocks, size_t *freed)
{
    const struct hak_starter *starter = hak_load_acquire(&hak__starter);
    *blocks = *freed = 0;
    if (starter == NULL)
        return; /* another thread has forked while the slab was without its record */
    for (size_t i = 0; i < HAK_STARTER_KINDS; i++) {
        uint8_t kind = hak_load_relaxed(&starter->kind[i]);
        *blocks += kind != 0;
        *freed += (kind & HAK_STARTER_FREED) != 0;
    }
}

/* SPDX-License-Identifier: MIT */
#include "slab/superslab.h"

#include "base/bits.h"
#include "base/check.h"
#include "core/meta.h"
#include "page/pagemap.h"
#include "page/retain.h"
#include "slab/slab_freelist_atomic.h"

/* Under the lock of the shared pool. */
static SuperSlab *available; /* those with an unused slot */
static SuperSlab *spare;     /* records without a span */
static SuperSlab *newest;    /* all records */

static _Atomic size_t count; /* written under the lock, read by any thread */

static void list_insert(SuperSlab *super)
{
    super->prev = NULL;
    super->next = available;
    if (available != NULL)
        available->prev = super;
    available = super;
}

static void list_remove(SuperSlab *super)
{
    if (super->prev != NULL)
        super->prev->next = super->next;
    else
        available = super->next;
    if (super->next != NULL)
        super->next->prev = super->prev;
}

SuperSlab *hak__superslab_create_locked(struct hak_span *span)
{
    SuperSlab *super = spare;
    if (super != NULL) {
        spare = super->next;
    } else {
        super = hak__meta_alloc(sizeof *super, _Alignof(SuperSlab));
        if (super == NULL)
            return NULL;
        super->older = newest;
        newest = super;
    }
    super->span = span;
    super->used = 0;
    super->dirty = 0;
    list_insert(super);
    hak_add_relaxed(&count, 1);
    return super;
}

struct hak_span *hak__superslab_retire_locked(SuperSlab *super)
{
    HAK_ASSERT(super->used == 0);
    struct hak_span *span = super->span;
    span->dirty = super->dirty != 0;
    hak__retained_sub((size_t)hak__count_bits(super->dirty) * HAK_GRANULE);
    list_remove(super);
    super->span = NULL;
    super->next = spare;
    spare = super;
    hak__pagemap_set_run(span->base, HAK_SUPERSLAB_UNITS, HAK_CODE_NONE, NULL);
    hak_sub_relaxed(&count, 1);
    return span;
}

/* The first slots of the aligned runs of that many set bits. */
static uint32_t runs(uint32_t mask, unsigned units)
{
    static const uint32_t aligned[] = {0xffffffffu, 0x55555555u, 0x11111111u, 0x01010101u};
    unsigned order = hak__log2_ceil(units);
    for (unsigned i = 0; i < order; i++)
        mask &= mask >> (1u << i);
    return mask & aligned[order];
}

static uint32_t run_mask(unsigned slot, unsigned units)
{
    return ((1u << units) - 1) << slot;
}

static TinySlabMeta *take(SuperSlab *super, uint32_t starts, unsigned units)
{
    unsigned slot = hak__lowest_bit(starts);
    uint32_t mask = run_mask(slot, units);
    TinySlabMeta *slab = &super->slabs[slot];
    hak__retained_sub((size_t)hak__count_bits(super->dirty & mask) * HAK_GRANULE);
    super->used |= mask;
    super->dirty &= ~mask;
    if (super->used == UINT32_MAX)
        list_remove(super);
    slab->super = super;
    slab->slot = (uint8_t)slot;
    slab->units = (uint8_t)units;
    slab->base = super->span->base + slot * HAK_GRANULE;
    return slab;
}

TinySlabMeta *hak__superslab_take_slot_locked(unsigned units)
{
    enum { TRIES = 32 };
    int tries = 0;
    for (SuperSlab *super = available; super != NULL && tries < TRIES;
         super = super->next, tries++) {
        uint32_t warm = runs(super->dirty, units);
        uint32_t any = runs(~super->used, units);
        if (any != 0)
            return take(super, warm != 0 ? warm : any, units);
    }
    return NULL;
}

static void put_back(SuperSlab *super, uint32_t mask, uint32_t dirty)
{
    if (super->used == UINT32_MAX)
        list_insert(super);
    super->used &= ~mask;
    super->dirty |= dirty;
}

void hak__superslab_return_slot_locked(TinySlabMeta *slab)
{
    uint32_t mask = run_mask(slab->slot, slab->units);
    put_back(slab->super, mask, mask);
}

uint32_t hak__superslab_take_dirty_locked(SuperSlab **found)
{
    for (SuperSlab *super = available; super != NULL; super = super->next) {
        uint32_t mask = super->dirty;
        if (mask == 0)
            continue;
        super->used |= mask;
        super->dirty = 0;
        if (super->used == UINT32_MAX)
            list_remove(super);
        *found = super;
        return mask;
    }
    return 0;
}

void hak__superslab_return_purged_locked(SuperSlab *super, uint32_t mask, uint32_t clean)
{
    put_back(super, mask, mask & ~clean);
}

void hak__superslab_visit_locked(void (*visit)(TinySlabMeta *slab, void *context), void *context)
{
    for (SuperSlab *super = newest; super != NULL; super = super->older) {
        for (unsigned slot = 0; super->span != NULL && slot < HAK_SUPERSLAB_UNITS;) {
            TinySlabMeta *slab = &super->slabs[slot];
            bool serves = (super->used >> slot & 1) != 0 &&
                          slab_freelist_view(slab).state >= SLAB_CURRENT;
            if (serves)
                visit(slab, context);
            slot += serves ? slab->units : 1;
        }
    }
}

size_t hak__superslab_count(void)
{
    return hak_load_relaxed(&count);
}

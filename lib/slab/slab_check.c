/* SPDX-License-Identifier: MIT */
#include "slab/slab_check.h"

#include "page/pagemap.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/slab_holes.h"
#include "slab/superslab_partial.h"

bool hak__slab_see(TinySlabMeta *slab, uint8_t *seen, uint32_t index)
{
    if (index >= slab_freelist_view(slab).carved)
        return false;
    uint8_t bit = (uint8_t)(1u << index % 8);
    bool first = (seen[index / 8] & bit) == 0;
    seen[index / 8] |= bit;
    return first;
}

static const char *check_list(TinySlabMeta *slab, struct slab_view view, uint8_t *seen)
{
    uint32_t length = 0;
    uint32_t at = view.head, holes = hak_load_relaxed(&slab->holes);
    while (at != HAK_SLAB_NO_BLOCK) {
        if (at >= view.carved)
            return "a free list leads to what was never handed out: written after free";
        if (!hak__slab_see(slab, seen, at))
            return "a block stands twice on a free list";
        length++;
        at = slab_freelist_peek_next(slab, slab_freelist_block(slab, at));
    }
    if (length + holes != view.free)
        return "a free list is not as long as its count";
    for (uint32_t i = 0; holes != 0 && i < view.carved; i++)
        if (hak__holes_have(slab, i) && !hak__slab_see(slab, seen, i))
            return "a block in a hole stands on a free list";
    return holes == 0 || hak__holes_count(slab, view.carved) == holes
               ? NULL
               : "a slab has other holes than it counts";
}

static const char *check_map(TinySlabMeta *slab, struct slab_view view)
{
    for (unsigned i = 0; i < slab->units; i++) {
        uintptr_t address = slab->base + i * HAK_GRANULE;
        uint32_t word = hak__pagemap_word(address);
        bool growing = (word & HAK_GROWING) != 0;
        if ((word & 0xff) != slab->class_idx + 1u || hak__pagemap_record(address) != slab)
            return "the page map does not show a slab";
        bool holes = hak_load_relaxed(&slab->holes) != 0;
        if (growing != (view.carved < slab->capacity || holes))
            return "the page map is wrong about whether a slab is growing";
        if (growing && hak__owner_of(word) != 0 && view.state != SLAB_CURRENT)
            return "a growing slab that no heap holds is shown as one's";
        if (holes && hak__owner_of(word) != 0)
            return "a slab with holes is shown as a heap's";
    }
    return NULL;
}

const char *hak__slab_check(TinySlabMeta *slab, uint8_t *seen)
{
    struct slab_view view = slab_freelist_view(slab);
    const struct hak_class_info *info = &hak__class_info[view.class_idx];
    if (view.class_idx != slab->class_idx || slab->size != info->size ||
        slab->capacity != info->capacity || slab->units << HAK_GRANULE_SHIFT != 1 << info->slab_shift)
        return "a slab's record does not fit its class";
    if (view.free > view.carved || view.carved > slab->capacity)
        return "a slab's counts contradict each other";
    if (view.state == SLAB_FULL && (view.free != 0 || view.carved != slab->capacity))
        return "a FULL slab has blocks left";
    if (view.state > SLAB_CURRENT && view.free == view.carved)
        return "an empty slab was not given back";
    if (view.state == SLAB_PARTIAL && !hak__superslab_shows(slab, view.class_idx))
        return "a PARTIAL slab is not shown";
    const char *wrong = check_map(slab, view);
    return wrong != NULL ? wrong : check_list(slab, view, seen);
}

/* Whether the page map leads to the record, as a slab's or a free slot's. */
static bool is_shown(const TinySlabMeta *slab)
{
    uint32_t code = hak__pagemap_word(slab->base) & 0xff;
    return ((code != HAK_CODE_NONE && code <= HAK_CODE_STARTER) || code == HAK_CODE_SLAB_FREE) &&
           hak__pagemap_record(slab->base) == slab;
}

const char *hak__superslab_check(SuperSlab *super)
{
    uint32_t used = 0, dirty = 0, serving = 0;
    hak__superslab_slots(super, &used, &dirty);
    if (used == UINT32_MAX && !is_shown(&super->slabs[0]))
        used = 0; /* given up, or never used: nobody holds its slots */
    for (unsigned slot = 0; slot < HAK_SUPERSLAB_UNITS; slot++) {
        TinySlabMeta *slab = &super->slabs[slot];
        enum slab_state state = (enum slab_state)slab_freelist_view(slab).state;
        if (state == SLAB_CLAIMED)
            return "a CLAIMED slab was forgotten";
        if (state == SLAB_UNUSED)
            continue;
        uint32_t mask = (uint32_t)((((uint64_t)1 << slab->units) - 1) << slot);
        if ((serving & mask) != 0)
            return "two slabs share a slot";
        serving |= mask;
    }
    if (serving != used)
        return "a slot is held without a slab, or a slab does not hold its slots";
    return (dirty & used) == 0 ? NULL : "a held slot is counted as retained";
}

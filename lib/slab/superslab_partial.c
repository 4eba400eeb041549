/* SPDX-License-Identifier: MIT */
#include "slab/superslab_partial.h"

#include "base/bits.h"
#include "core/race.h"
#include "core/stats.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/super_chunk.h"
#include "slab/super_set.h"
#include "slab/superslab.h"

void hak__superslab_show(TinySlabMeta *slab, unsigned class_idx)
{
    SuperSlab *super = slab->super;
    hak__race_point("show");
    HAK_SHARED(hak_or_acq_rel(&super->partial[class_idx], 1u << slab->slot));
    hak__race_point("shown");
    super_set_raise(&super->chunk->ever, (uint64_t)1 << class_idx);
    hak__chunk_put(super->chunk, super->number, hak__chunk_partial(super->chunk, class_idx));
}

/*
 * The hint is taken away before the slab is looked at: whoever makes the slab
 * PARTIAL later sets it again, and whoever did so earlier is seen, since the
 * read-modify-write that clears the hint reads from the one that set it.
 */
static TinySlabMeta *claim_from(SuperSlab *super, unsigned class_idx)
{
    uint32_t hints;
    while ((hints = hak_load_relaxed(&super->partial[class_idx])) != 0) {
        uint32_t bit = hints & -hints;
        hak__race_point("take hint");
        if ((HAK_SHARED(hak_and_acq_rel(&super->partial[class_idx], ~bit)) & bit) == 0)
            continue;
        TinySlabMeta *slab = &super->slabs[hak__lowest_bit(bit)];
        hak__race_point("claim hinted");
        if (slab_freelist_claim(slab, SLAB_PARTIAL, class_idx, NULL))
            return slab;
        hak__count(HAK_COUNTER_FAILED_CLAIMS, 1);
    }
    return NULL;
}

static TinySlabMeta *claim_in(struct super_chunk *chunk, unsigned class_idx)
{
    struct chunk_set set = hak__chunk_partial(chunk, class_idx);
    if (!hak__chunk_was_ever(chunk, class_idx))
        return NULL;
    for (unsigned n = super_set_next(set.near, 0); n < HAK_SET_SIZE;
         n = super_set_next(set.near, n + 1)) {
        SuperSlab *super = hak__chunk_member(chunk, n);
        TinySlabMeta *slab = claim_from(super, class_idx);
        if (slab != NULL)
            return slab;
        super_set_remove(set.near, n);
        hak__race_point("look at hints again");
        if (HAK_SHARED(hak_or_acq_rel(&super->partial[class_idx], 0)) != 0)
            hak__chunk_put(super->chunk, super->number, set);
    }
    hak__chunk_strike_out(chunk, set);
    return NULL;
}

TinySlabMeta *hak__superslab_claim(unsigned class_idx)
{
    TinySlabMeta *slab = NULL;
    for (struct super_chunk *chunk = &hak__super_chunks; chunk != NULL && slab == NULL;
         chunk = hak__chunk_after(chunk, hak__chunk_partial(chunk, class_idx)))
        slab = claim_in(chunk, class_idx);
    return slab;
}

bool hak__superslab_shows(TinySlabMeta *slab, unsigned class_idx)
{
    SuperSlab *super = slab->super;
    return (hak_load_relaxed(&super->partial[class_idx]) >> slab->slot & 1) != 0 &&
           super_set_next(&super->chunk->partial[class_idx], super->number) == super->number &&
           super_set_next(&super->chunk->partial[class_idx], 0) < HAK_SET_SIZE;
}

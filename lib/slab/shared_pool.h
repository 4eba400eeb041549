/* SPDX-License-Identifier: MIT */
/*
 * The shared pool: where slabs come from and return to.
 *
 *     STAGE0_L0       the heap's own partly free slabs       (the heap's affair)
 *     STAGE1_LOCKFREE partly free slabs of the class that nobody owns
 *     STAGE0.5_EMPTY  slots of slabs that have become empty, still warm
 *     STAGE2_LOCKFREE an unused slot of an existing SuperSlab
 *     STAGE3          a new SuperSlab from the page arena
 *
 * Only STAGE3 takes a lock. The others are searches of sets (super_set.h) that
 * end in one compare-and-swap, on the slots of a SuperSlab or on the word of a
 * slab; what a search finds out of date it leaves alone.
 */
#ifndef HAK_SLAB_SHARED_POOL_H
#define HAK_SLAB_SHARED_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slab/slab_meta.h"

/* From which the slabs' keys are made; set once, before any slab serves. */
extern uint64_t hak__slab_link_secret;

/*
 * A slab of the class, or one for the starter, in state CURRENT, shown in the page map as the owner's;
 * NULL without memory. For HAK_OWNER_SAMPLED one that has never had a block of anybody else's in this
 * life: whoever frees one that was out before does not look for samples.
 */
TinySlabMeta *hak__pool_acquire(unsigned class_idx, uint32_t owner);

/*
 * Shows a slab that the caller holds CURRENT as a heap's, or nobody's for owner 0. It is growing
 * until all of it has been carved; with holes it is nobody's whatever the owner.
 */
void hak__pool_show(TinySlabMeta *slab, uint32_t owner);

/*
 * Lets go of a slab that the caller holds CURRENT: it is given back if it is empty, and shown to
 * others if it has free blocks. One that is growing or has holes is nobody's from then on.
 */
void hak__pool_abandon(TinySlabMeta *slab, unsigned class_idx);

/* Takes back an empty slab that the caller holds CLAIMED. */
void hak__pool_release(TinySlabMeta *slab);

/*
 * Encodes the links of a slab anew, by the secret as it is now. By a thread that no other one runs
 * beside.
 */
void hak__pool_rekey(TinySlabMeta *slab);

/* Debug builds write a line, when the option trace is set. */
void hak__pool_trace(const char *what, const TinySlabMeta *slab);

#define HAK_TRACE(what, slab)                                                                      \
    do {                                                                                           \
        if (HAK_DEBUG)                                                                             \
            hak__pool_trace(what, slab);                                                           \
    } while (0)

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The shared pool: where slabs come from and return to.
 *
 *     STAGE0_L0       the heap's own partly free slabs    (the heap's affair)
 *     STAGE0.5_EMPTY  slabs that just became empty
 *     STAGE1_LOCKFREE partly free slabs of the class that nobody owns
 *     STAGE2_LOCKFREE an unused slot of an existing SuperSlab
 *     STAGE3          a new SuperSlab from the page arena
 *
 * The lists of STAGE1 have a lock for each class, everything else one lock. The
 * state in the slab's word is the truth: a list may hold a slab that somebody
 * just emptied and claimed; whoever pops it sees that by a failing CAS.
 */
#ifndef HAK_SLAB_SHARED_POOL_H
#define HAK_SLAB_SHARED_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "os/lock.h"
#include "slab/slab_meta.h"

extern struct hak_lock hak__pool_lock;

/* A slab of the class in state CURRENT, shown in the page map as the owner's; NULL without memory. */
TinySlabMeta *hak__pool_acquire(unsigned class_idx, uint32_t owner);

/* Lists a slab that the caller made PARTIAL with this tag, unless its state has changed since. */
void hak__pool_publish(TinySlabMeta *slab, unsigned class_idx, uint32_t tag);

/* Takes back an empty slab that the caller holds CLAIMED. */
void hak__pool_release(TinySlabMeta *slab);

/* Returns memory of unused slots to the system until that many bytes have gone; how many went. */
size_t hak__pool_purge(size_t bytes);

/* Calls visit for every slab in use, under the pool's lock. */
void hak__pool_visit(void (*visit)(TinySlabMeta *slab, void *context), void *context);

/* Runs a function over each lock of the pool, the lists' first. */
void hak__pool_each_lock(void (*function)(struct hak_lock *lock));

#endif

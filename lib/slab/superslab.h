/* SPDX-License-Identifier: MIT */
/*
 * SuperSlab: 2 MiB of address space in 32 slots of a granule, from which slabs
 * of 1, 2, 4 or 8 slots are made, of any classes side by side.
 *
 *     used   slots that serve a slab, or are just being purged
 *     dirty  unused slots that may have memory behind them: dirty & used == 0
 *
 * Everything here happens under the lock of the shared pool.
 */
#ifndef HAK_SLAB_SUPERSLAB_H
#define HAK_SLAB_SUPERSLAB_H

#include <stdbool.h>
#include <stdint.h>

#include "page/span.h"
#include "slab/slab_meta.h"

typedef struct SuperSlab {
    struct SuperSlab *next, *prev; /* list of those with an unused slot, or of spare records */
    struct SuperSlab *older;       /* list of all records that were ever made */
    struct hak_span *span;         /* NULL in a spare record */
    uint32_t used, dirty;
    TinySlabMeta slabs[HAK_SUPERSLAB_UNITS];
} SuperSlab;

/* A SuperSlab with all slots unused, on the list, or NULL. */
SuperSlab *hak__superslab_create_locked(struct hak_span *span);

/*
 * Takes an empty SuperSlab off the list and recycles its record. Its span is the caller's,
 * who gives it to the page arena after the pool's lock; span->dirty tells whether any slot was.
 */
struct hak_span *hak__superslab_retire_locked(SuperSlab *super);

/* Finds an aligned run of unused slots, warm ones first, and marks it used; NULL when none is there. */
TinySlabMeta *hak__superslab_take_slot_locked(unsigned units);

/* Marks the slots of a slab unused and dirty. */
void hak__superslab_return_slot_locked(TinySlabMeta *slab);

/* Takes dirty slots of one SuperSlab out of use for purging; their mask, 0 when there are none. */
uint32_t hak__superslab_take_dirty_locked(SuperSlab **found);

/* Puts slots that were taken for purging back to unused; those in clean have no memory any more. */
void hak__superslab_return_purged_locked(SuperSlab *super, uint32_t mask, uint32_t clean);

/* Calls visit for every slab that serves a class. */
void hak__superslab_visit_locked(void (*visit)(TinySlabMeta *slab, void *context), void *context);

/* The number of SuperSlabs in use. */
size_t hak__superslab_count(void);

#endif

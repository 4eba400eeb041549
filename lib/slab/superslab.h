/* SPDX-License-Identifier: MIT */
/*
 * SuperSlab: 2 MiB of address space in 32 slots of a granule, from which slabs
 * of 1, 2, 4 or 8 slots are made, of any classes side by side.
 *
 *     used     slots that are in somebody's hands: a slab, or being purged
 *     dirty    slots that may have memory behind them, kept for the unused ones
 *     pinned   of these, slots of which the system has refused to take it back (page/purge.h)
 *     partial  for each class, slots whose slab may be PARTIAL; hints
 *
 * A slot belongs to whoever set its bit in `used` by compare-and-swap, until it
 * clears it; only the holder touches its bits in `dirty` and `pinned`. A SuperSlab whose span
 * has gone back to the page arena, or is about to, has all its bits set and no
 * holder, so nobody finds a slot in it: giving up a SuperSlab is a CAS from 0 to
 * all ones on the word from which slots are taken. Records are recycled as
 * SuperSlabs and never given back, so a late look at one is always a look at one.
 */
#ifndef HAK_SLAB_SUPERSLAB_H
#define HAK_SLAB_SUPERSLAB_H

#include <stdbool.h>
#include <stdint.h>

#include "os/lock.h"
#include "page/span.h"
#include "slab/slab_meta.h"
#include "slab/super_chunk.h"

typedef struct SuperSlab {
    struct super_chunk *chunk; /* constant: where the record is listed, */
    unsigned number;           /* and under which number */
    struct hak_span *span;     /* written under the lock while all slots are held */
    struct SuperSlab *next_spare; /* under the lock */

    /*
     * Any thread takes slots by CAS-acquire and gives them back by a release,
     * which publishes the slots' records and `dirty`. No ABA: whoever takes bits
     * that are clear may have them, whatever happened to them before.
     */
    _Atomic uint32_t used;
    _Atomic uint32_t dirty; /* each bit by the holder of the slot; relaxed, ordered by `used` */
    _Atomic uint32_t pinned; /* likewise */
    _Atomic uint32_t partial[HAK_CLASS_COUNT]; /* see super_set.h */

    TinySlabMeta slabs[HAK_SUPERSLAB_UNITS];
} SuperSlab;

/* SuperSlabs that have a span; written under the lock, read by any thread. */
extern _Atomic size_t hak__superslabs_in_use;

/* STAGE3's: SuperSlabs come and go under it. */
extern struct hak_lock hak__stage3_lock;

/* Lists a SuperSlab over a span and takes its first slab; NULL when there is no memory for a record. */
TinySlabMeta *hak__superslab_create_locked(struct hak_span *span, unsigned order);

/*
 * Takes a slab from unused slots, of warm ones only if asked, in the SuperSlab where one is found that
 * which has most memory; NULL when none is found. Any thread.
 */
TinySlabMeta *hak__superslab_take(unsigned order, bool warm);
/* A slab of one slot that has memory for no more than so many pages; looks into a few SuperSlabs. Any thread. */
TinySlabMeta *hak__superslab_take_little(unsigned pages);

/*
 * Gives the slots of an UNUSED slab back, with memory behind them. A SuperSlab of which no slot
 * is used goes back to the page arena, unless it is the only one. Any thread.
 */
void hak__superslab_return(TinySlabMeta *slab);

/*
 * Returns memory of unused slots to the system until that many bytes have gone; how many went. What
 * is pinned is tried again only if asked for.
 */
size_t hak__superslab_purge(size_t bytes, int64_t until, bool pinned_too);

/* The SuperSlab that was made after one, or the first; NULL at the end. Any thread. */
SuperSlab *hak__superslab_after(const SuperSlab *super);

/* Calls visit for every record of every SuperSlab that was ever made. Any thread. */
void hak__superslab_visit(void (*visit)(TinySlabMeta *slab, void *context), void *context);

/* One number for each record, from 0, without large gaps. */
size_t hak__superslab_index(const TinySlabMeta *slab);
/* Above every such number. */
size_t hak__superslab_index_end(void);

/* Which slots are held, and unused ones that may have memory; for checks, at rest. */
void hak__superslab_slots(const SuperSlab *super, uint32_t *used, uint32_t *dirty);

#endif

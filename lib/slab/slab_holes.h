/* SPDX-License-Identifier: MIT */
/*
 * Holes: pages inside partly used slabs that went back to the system.
 *
 * One block that stays pins a slab. But pages of the slab that hold nothing but free blocks need no
 * memory: who purges claims the slab, takes its free list, returns these pages and gives back what is
 * left of the list. A free block that lies on such a page, if only in part, is in a hole. It counts
 * among the slab's free blocks but is on no list, for its link and mark are gone:
 *
 *     free = length of the list + holes
 *
 * Which blocks are in holes is not written down: they are those that were handed out once and lie on
 * a page without memory (slab_pages.h). Refill takes them when the list is empty and before it
 * carves; their pages are counted again and their marks written anew.
 *
 * The marks of blocks in holes are gone, so a second free of one must not be taken for the first. A
 * slab with holes is shown in the page map as nobody's, as one that is growing (pagemap.h): its
 * blocks are looked up when they are freed. It is shown so before a mark goes.
 */
#ifndef HAK_SLAB_SLAB_HOLES_H
#define HAK_SLAB_SLAB_HOLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/lock.h"
#include "slab/slab_meta.h"

/* Whoever makes holes; it holds slabs that are in no heap, so a fork waits for it. */
extern struct hak_lock hak__holes_lock;

/* Whether a block that was handed out once is in a hole. Any thread; who does not hold it gets what was so once. */
bool hak__holes_have(const TinySlabMeta *slab, uint32_t index);

/* How many blocks of a slab are in holes, counted anew. At rest. */
uint32_t hak__holes_count(const TinySlabMeta *slab, uint32_t carved);

/*
 * Takes blocks out of a hole: *first and its neighbours, about as many as wanted, with memory. How
 * many; 0 when there are none or limit_hard refuses the memory. Whoever holds the slab CURRENT.
 */
uint32_t hak__holes_take(TinySlabMeta *slab, uint32_t want, uint32_t *first);

/*
 * Makes holes in PARTIAL slabs until so many bytes have gone or the time is past; how many went. Any
 * thread, without locks held; one at a time, the others return at once.
 */
size_t hak__holes_purge(size_t bytes, int64_t until);

/*
 * The same for a process that takes more memory: looks at slabs of one SuperSlab, of all in turn, and
 * makes holes in those of which at least half is free and that nobody has changed since the last
 * look, until about so many bytes have gone.
 */
size_t hak__holes_purge_some(size_t bytes);

#endif

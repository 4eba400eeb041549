/* SPDX-License-Identifier: MIT */
/*
 * Blocks that the profiler watches lie in slabs of their own, which belong to the process. The page map
 * shows HAK_OWNER_SAMPLED as their owner, which is no heap's number: so free takes its slow path for
 * these blocks, and costs no other one a test.
 *
 * The slabs serve nothing else and stay CURRENT from first to last, so that they never have holes, with
 * which a slab is shown as nobody's: nobody but the functions here takes blocks out, and these
 * give slabs back of which all blocks have come back. Of a class one slab serves; others that have room
 * are in a list, and serve before a new one does. So the slabs are about as many as were needed at once.
 */
#ifndef HAK_CACHE_SAMPLED_H
#define HAK_CACHE_SAMPLED_H

#include "os/lock.h"

/*
 * A block of the class, which is marked as free like one that comes out of a cache; NULL without memory,
 * or in a signal handler that came at a bad moment. Any thread, without locks held.
 */
void *hak__sampled_take(unsigned class_idx);

/* Gives back a block that is marked as free. The same. */
void hak__sampled_give(void *block, unsigned class_idx);

/* Gives back the slabs that hold nothing. */
void hak__sampled_flush(void);

extern struct hak_lock hak__sampled_lock;

#endif

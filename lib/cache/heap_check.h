/* SPDX-License-Identifier: MIT */
/*
 * The heap check: every count of the library derived anew from what it counts.
 *
 *     carved = live + cached + batched + free      over all slabs
 *     live bytes = slabs + large and huge blocks
 *     retained bytes = unused dirty slots + warm spans + kept mappings
 *     taken bytes = live bytes + retained bytes
 */
#ifndef HAK_CACHE_HEAP_CHECK_H
#define HAK_CACHE_HEAP_CHECK_H

#include <stddef.h>

#include "os/lock.h"

/* Held by who checks, and by the library's own thread while that is at work (purger.h). */
extern struct hak_lock hak__heap_check_lock;

struct hak_heap_check {
    const char *wrong; /* the first contradiction, or NULL */
    const void *where; /* the slab, block or heap that it is about */
    size_t slabs, superslabs;
    size_t carved, free, cached, batched, live; /* blocks of slabs */
    size_t large_bytes;                         /* of blocks that are not in slabs */
};

/*
 * Walks everything and fills in *check; check->wrong says what is not as it
 * should be. Only while no other thread of the program allocates or frees. NULL without memory
 * for its bitmaps, "out of memory" is then the contradiction.
 */
void hak__heap_check(struct hak_heap_check *check);

#endif

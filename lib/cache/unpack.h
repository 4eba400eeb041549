/* SPDX-License-Identifier: MIT */
/* From a heap's mail to its bins. */
#ifndef HAK_CACHE_UNPACK_H
#define HAK_CACHE_UNPACK_H

#include <stdbool.h>
#include <stddef.h>

struct hak_heap;

/*
 * Unpacks mail into the heap's bins until that of the class, which is empty, has so many blocks, or
 * no mail is left; false when it has none then. Bins that are full grow within the thread's bound,
 * and blocks without room are handed back. A poll is left to the caller. Owner thread only.
 */
bool hak__unpack(struct hak_heap *heap, unsigned class_idx, size_t wanted);

#endif

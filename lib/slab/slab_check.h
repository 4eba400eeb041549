/* SPDX-License-Identifier: MIT */
/* Whether slabs and SuperSlabs agree with themselves; while no thread changes them. */
#ifndef HAK_SLAB_SLAB_CHECK_H
#define HAK_SLAB_SLAB_CHECK_H

#include <stdint.h>

#include "slab/superslab.h"

enum { HAK_SLAB_BITMAP = 8192 / 8 }; /* bytes for a bit a block */

/*
 * What contradicts itself about a slab that serves a class, or NULL. Follows its
 * free list and sets the bits of the free blocks in a bitmap that was zero.
 */
const char *hak__slab_check(TinySlabMeta *slab, uint8_t *seen);

/*
 * What contradicts itself about a SuperSlab, or NULL: every slot that is held
 * belongs to a slab that serves a class, and the other way round.
 */
const char *hak__superslab_check(SuperSlab *super);

/* Sets a block's bit; false when it was set, or the number is beyond the blocks handed out. */
bool hak__slab_see(TinySlabMeta *slab, uint8_t *seen, uint32_t index);

#endif

/* SPDX-License-Identifier: MIT */
/* The frees that tell the size or the alignment of a block. */
#ifndef HAK_FRONT_FREE_SIZED_H
#define HAK_FRONT_FREE_SIZED_H

#include <stddef.h>

#include "front/fast.h"
#include "harden/blocks.h"

void hak__free_sized_slow(void *block, size_t alignment, size_t size, const char *call);

/* The starts of blocks have the default alignment; others are looked at apart. */
HAK_INLINE void hak__free_sized(void *block, size_t alignment, size_t size, const char *call)
{
    hak__block_annotate_free(block);
    hak__unseen_begin();
    struct hak_told told = {HAK_KIND_MALLOC, true, size};
    if (hak_unlikely(alignment != HAK_ALIGNMENT) || hak_unlikely(!hak__free_cached(block, told)))
        hak__free_sized_slow(block, alignment, size, call);
    hak__unseen_end(NULL);
}

#endif

/* SPDX-License-Identifier: MIT */
/* calloc, and HOT what the thread's cache serves of it. */
#ifndef HAK_FRONT_CALLOC_H
#define HAK_FRONT_CALLOC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/annotate.h"
#include "front/block.h"
#include "slab/size_class.h"

void *hak__calloc(size_t count, size_t size);

enum { HAK_CLEARED_INLINE = 128 };

/*
 * Clears a block of up to HAK_CLEARED_INLINE bytes, and up to the next multiple of 16, which is in the
 * block: by stores from both ends that meet.
 */
HAK_INLINE void hak__clear_tiny(void *block, size_t size)
{
    typedef uint64_t pair __attribute__((vector_size(16), may_alias));
    pair *first = block, zero = {0, 0};
    pair *last = first + ((size + 15) >> 4);
    first[0] = zero;
    if (size <= 16)
        return;
    last[-1] = zero;
    if (size <= 32)
        return;
    first[1] = zero;
    last[-2] = zero;
    if (size <= 64)
        return;
    first[2] = zero;
    first[3] = zero;
    last[-3] = zero;
    last[-4] = zero;
}

/* A thread without a heap has no blocks in its cache, so hak__calloc looks for who serves it. */
HAK_INLINE void *hak__calloc_tiny(size_t count, size_t size)
{
    struct hak_heap *heap = hak__heap;
    size_t bytes = 0;
    if (HAK_ANNOTATIONS || HAK_HARDENED || hak_unlikely(__builtin_mul_overflow(count, size, &bytes)))
        return hak__calloc(count, size);
    if (hak_unlikely(bytes > HAK_TINY_MAX))
        return hak__calloc(count, size);
    void *block = hak__cache_malloc(heap, hak__class_of_tiny[(bytes + 15) >> 4], bytes);
    if (hak_unlikely(block == NULL))
        return hak__calloc(count, size);
    if (hak_unlikely(bytes > HAK_CLEARED_INLINE))
        return memset(block, 0, bytes);
    hak__clear_tiny(block, bytes);
    return block;
}

#endif

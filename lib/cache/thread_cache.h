/* SPDX-License-Identifier: MIT */
/* HOT: taking a block out of a thread cache and putting one in. */
#ifndef HAK_CACHE_THREAD_CACHE_H
#define HAK_CACHE_THREAD_CACHE_H

#include <string.h>

#include "cache/heap.h"

/*
 * A freed block's second word pair holds the process secret mixed with its
 * address, from free until the next malloc. The mix keeps copies of a block's
 * old contents from looking freed at another address.
 */
HAK_INLINE uint64_t *hak__block_mark(void *block)
{
    return (uint64_t *)block + 1;
}

HAK_INLINE uint64_t hak__mark_of(uint64_t secret, const void *block)
{
    return secret ^ (uintptr_t)block;
}

/* Debug builds fill a free block behind link and mark, and look for changes later. */
enum { HAK_POISON = 0xdf, HAK_POISON_START = 16 };

HAK_INLINE void hak__block_poison(void *block, size_t size)
{
    memset((char *)block + HAK_POISON_START, HAK_POISON, size - HAK_POISON_START);
}

HAK_INLINE bool hak__block_is_poisoned(const void *block, size_t size)
{
    const unsigned char *bytes = block;
    for (size_t i = HAK_POISON_START; i < size; i++)
        if (bytes[i] != HAK_POISON)
            return false;
    return true;
}

/* The block on top, or NULL when the bin is empty. */
HAK_INLINE void *hak__cache_pop(struct hak_heap *heap, unsigned class_idx)
{
    struct hak_bin *bin = &heap->bin[class_idx];
    void **top = bin->top;
    if (hak_unlikely(top == bin->base))
        return NULL;
    bin->top = top - 1;
    return top[-1];
}

/* False when the bin is full. */
HAK_INLINE bool hak__cache_push(struct hak_heap *heap, unsigned class_idx, void *block)
{
    struct hak_bin *bin = &heap->bin[class_idx];
    void **top = bin->top;
    if (hak_unlikely(top == bin->limit))
        return false;
    *top = block;
    bin->top = top + 1;
    return true;
}

#endif

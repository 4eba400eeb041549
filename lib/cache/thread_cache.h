/* SPDX-License-Identifier: MIT */
/* HOT: the marks of free blocks, and putting one into a thread cache. */
#ifndef HAK_CACHE_THREAD_CACHE_H
#define HAK_CACHE_THREAD_CACHE_H

#include <string.h>

#include "base/annotate.h"
#include "base/mix.h"
#include "cache/heap.h"

/*
 * A freed block's second word holds a mark, from free until the next malloc: a mix of the
 * process's secret key with the block's address (base/mix.h). Copies of a block's old contents do
 * not look freed at another address, and marks that are read from recycled memory tell neither the
 * key nor other marks. Who overwrites a mark in a free block has it taken for a live one.
 */
typedef uint64_t hak_mark_t __attribute__((may_alias)); /* the program uses the same memory */

HAK_INLINE hak_mark_t *hak__block_mark(void *block)
{
    return (hak_mark_t *)block + 1;
}

/* Its first word is a link while it is on a slab's list. */
HAK_INLINE hak_mark_t *hak__block_link(void *block)
{
    return (hak_mark_t *)block;
}

HAK_INLINE uint64_t hak__mark_of(uint64_t secret, const void *block)
{
    return hak__mix((uintptr_t)block, secret);
}

/* Debug builds fill a free block behind link and mark, and look for changes later. */
enum { HAK_POISON = 0xdf, HAK_POISON_START = 16 };

HAK_INLINE void hak__block_poison(void *block, size_t size)
{
    hak__annotate_lend(block, size);
    memset((char *)block + HAK_POISON_START, HAK_POISON, size - HAK_POISON_START);
    hak__annotate_hide(block, size);
}

HAK_INLINE bool hak__block_is_poisoned(const void *block, size_t size)
{
    const unsigned char *bytes = block;
    for (size_t i = HAK_POISON_START; i < size; i++)
        if (bytes[i] != HAK_POISON)
            return false;
    return true;
}

/* False when the bin is full. */
HAK_INLINE bool hak__cache_push(struct hak_heap *heap, unsigned class_idx, void *block)
{
    void **top = heap->top[class_idx];
    if (hak_unlikely(top == heap->limit[class_idx]))
        return false;
    *top = block;
    hak__bin_move_top(heap, class_idx, 1);
    return true;
}

#endif

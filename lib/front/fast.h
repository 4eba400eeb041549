/* SPDX-License-Identifier: MIT */
/* HOT: malloc and free of blocks that the thread's cache serves. */
#ifndef HAK_FRONT_FAST_H
#define HAK_FRONT_FAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/annotate.h"
#include "cache/thread_cache.h"
#include "front/block.h"
#include "front/front.h"
#include "page/pagemap.h"
#include "slab/size_class.h"

HAK_INLINE void *hak__malloc_unseen(size_t size)
{
    struct hak_heap *heap = hak__heap;
    unsigned class_idx;
    if (hak_likely(size <= HAK_TINY_MAX))
        class_idx = hak__class_of_tiny[(size + 15) >> 4];
    else if (hak_likely(size <= HAK_SMALL_MAX))
        class_idx = hak__class_of_small[(size + 255) >> 8];
    else
        return hak__malloc_large(size);
    void *block = hak__cache_malloc(heap, class_idx, size);
    return hak_likely(block != NULL) ? block : hak__malloc_slow(size);
}

/* No HAK_UNSEEN here and in hak__free: the C++ operators would need a runtime to leave its scope. */
HAK_INLINE void *hak__malloc(size_t size)
{
    hak__unseen_begin();
    void *block = hak__malloc_unseen(size);
    hak__unseen_end(NULL);
    return hak__block_live(block, size, false);
}

/*
 * Frees a block of this thread's heap that has room for so many bytes into the thread's cache; false,
 * and nothing has been done, where there is more to it. Of any size there is, where the program has
 * a delete of its own that sized ones come down to (heap.h).
 *
 * One load chain (root, leaf, word), one XOR and one compare tell that the block is of a class and
 * mine; code 0 never passes, since its owner is 0 and mine is not, nor do codes that are no class,
 * which are nobody's either. That the block starts here and was handed out, and the mark, are
 * checked before anything is written.
 */
HAK_INLINE bool hak__free_cached(void *block, bool sized, size_t size)
{
    struct hak_heap *heap = hak__heap;
    uintptr_t address = (uintptr_t)block;
    struct hak_pagemap_place place = hak__pagemap_place(address);
    if (hak_unlikely(!hak__pagemap_covers(place)))
        return false;
    size_t code = hak__pagemap_word_at(place) ^ heap->owner_tag;
    hak_opaque(code);
    if (hak_unlikely(code > HAK_GROWING + HAK_CLASS_COUNT))
        return false;
    size_t class_idx = (size_t)(uint8_t)code - 1;
    void **top = heap->top[class_idx];
    if (hak_unlikely(top == heap->limit[class_idx]) ||
        (HAK_CHECKS && ((sized && hak_unlikely(size >= heap->too_large[class_idx])) ||
                        hak_unlikely(!hak__is_block_start(address & heap->slab_mask[class_idx],
                                                          heap->reciprocal[class_idx],
                                                          heap->bound[code - 1])))) ||
        hak_unlikely(!hak__block_end(block, (unsigned)class_idx, heap)))
        return false;
    *top = block;
    hak__bin_move_top(heap, class_idx, 1);
    return true;
}

HAK_INLINE void hak__free_unseen(void *block, const char *call)
{
    if (hak_unlikely(!hak__free_cached(block, false, 0)))
        hak__free_slow(block, call);
}

/* The same, before something else is looked at; then the rest, which alone tells a checker. */
HAK_INLINE bool hak__free_try(void *block, bool sized, size_t size)
{
    return !HAK_ANNOTATIONS && hak__free_cached(block, sized, size);
}

HAK_INLINE void hak__free(void *block, const char *call)
{
    hak__block_gone(block);
    hak__unseen_begin();
    hak__free_unseen(block, call);
    hak__unseen_end(NULL);
}

HAK_INLINE void hak__free_rest(void *block, const char *call)
{
    if (HAK_ANNOTATIONS)
        hak__free(block, call);
    else
        hak__free_slow(block, call);
}

#endif

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
#include "harden/blocks.h"
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

/* The same in the hardened variant: the block's end is set. */
HAK_INLINE void *hak__malloc_hardened(size_t size, enum hak_kind kind)
{
    struct hak_heap *heap = hak__heap;
    size_t padded = size + HAK_TRAILER;
    unsigned class_idx;
    if (hak__harden_is_odd(size))
        return hak__harden_odd(size, kind);
    if (hak_likely(padded <= HAK_TINY_MAX))
        class_idx = hak__class_of_tiny[(padded + 15) >> 4];
    else if (hak_likely(padded <= HAK_SMALL_MAX))
        class_idx = hak__class_of_small[(padded + 255) >> 8];
    else
        return hak__harden_live(hak__malloc_large(size), size, kind);
    void *block = hak__cache_malloc(heap, class_idx, size);
    if (hak_unlikely(block == NULL))
        return hak__harden_live(hak__malloc_slow(size), size, kind);
    hak__harden_begin(block, class_idx, size, kind);
    return block;
}

/* No HAK_UNSEEN here and in hak__free: the C++ operators would need a runtime to leave its scope. */
HAK_INLINE void *hak__malloc_as(size_t size, enum hak_kind kind)
{
    if (HAK_HARDENED)
        return hak__malloc_hardened(size, kind);
    hak__unseen_begin();
    void *block = hak__malloc_unseen(size);
    hak__unseen_end(NULL);
    return hak__block_annotate_live(block, size, false);
}

HAK_INLINE void *hak__malloc(size_t size)
{
    return hak__malloc_as(size, HAK_KIND_MALLOC);
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
HAK_INLINE bool hak__free_cached(void *block, struct hak_told told)
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
        (HAK_CHECKS && ((told.sized && !HAK_HARDENED && hak_unlikely(told.size >= heap->too_large[class_idx])) ||
                        hak_unlikely(!hak__is_block_start(address & heap->slab_mask[class_idx],
                                                          heap->reciprocal[class_idx],
                                                          heap->bound[code - 1])))) ||
        (HAK_HARDENED && hak_unlikely(hak__heap_rests(heap)->of[class_idx] == NULL)) ||
        hak_unlikely(!hak__block_set_mark(block, (unsigned)class_idx, heap, told)))
        return false;
    if (HAK_HARDENED &&
        (block = hak__rest_swap(hak__heap_rests(heap), hak__heap_rests(heap)->of[class_idx], block)) == NULL)
        return true;
    *top = block;
    hak__bin_move_top(heap, class_idx, 1);
    return true;
}

HAK_INLINE void hak__free_unseen(void *block, const char *call)
{
    struct hak_told told = {HAK_KIND_MALLOC, false, 0};
    if (hak_unlikely(!hak__free_cached(block, told)))
        hak__free_slow(block, call);
}

/* The same, before something else is looked at; then the rest, which alone tells a checker. */
HAK_INLINE bool hak__free_try(void *block, struct hak_told told)
{
    return !HAK_ANNOTATIONS && hak__free_cached(block, told);
}

HAK_INLINE void hak__free(void *block, const char *call)
{
    hak__block_annotate_free(block);
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

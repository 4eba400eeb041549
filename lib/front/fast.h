/* SPDX-License-Identifier: MIT */
/* HOT: malloc and free of blocks that the thread's cache serves. */
#ifndef HAK_FRONT_FAST_H
#define HAK_FRONT_FAST_H

#include "base/annotate.h"
#include "cache/thread_cache.h"
#include "front/front.h"
#include "page/huge.h"
#include "page/pagemap.h"
#include "profile/sampler.h"
#include "slab/size_class.h"
#include "slab/starter.h"

/* A block that leaves the cache is live: it carries no mark any more. */
HAK_INLINE void hak__block_begin(void *block, unsigned class_idx, const struct hak_heap *heap)
{
    if (HAK_DEBUG && (*hak__block_mark(block) != hak__mark_of(heap->secret, block) ||
                      !hak__block_is_poisoned(block, hak__class_size(class_idx))))
        hak__misuse("malloc", block, "found written after free: a block", hak__class_size(class_idx));
    if (HAK_CHECKS)
        *hak__block_mark(block) = 0;
}

/*
 * Takes the block below the top of a bin. Debug builds have it out of the cache before its mark goes: the
 * child of a fork that a signal handler has made in between may allocate, and would find a free block
 * that is not marked as one.
 */
HAK_INLINE void *hak__cache_pop(struct hak_heap *heap, unsigned class_idx, void **top)
{
    void *block = top[-1];
    if (block == NULL)
        __builtin_unreachable();
    if (HAK_DEBUG) {
        hak__bin_move_top(heap, class_idx, -1);
        hak_fence_signal();
    }
    hak__block_begin(block, class_idx, heap);
    if (!HAK_DEBUG)
        hak__bin_move_top(heap, class_idx, -1);
    return block;
}

/* Takes a block of the class from the thread's cache; NULL when there is none. */
HAK_INLINE void *hak__cache_take(struct hak_heap *heap, unsigned class_idx)
{
    void **top = heap->top[class_idx];
    bool none = hak_unlikely(top <= hak__bin_base(heap, class_idx)); /* below it: see cache/enter.h */
    return none ? NULL : hak__cache_pop(heap, class_idx, top);
}

/* The same for the program, which has asked for so many bytes; NULL, too, when the block is to be sampled. */
HAK_INLINE void *hak__cache_malloc(struct hak_heap *heap, unsigned class_idx, size_t size)
{
    void **top = heap->top[class_idx];
    if (hak_unlikely(top <= hak__bin_base(heap, class_idx)) || hak__sample_counts(heap, size))
        return NULL;
    return hak__cache_pop(heap, class_idx, top);
}

/*
 * Counts a block of a class for so many bytes, unless that was done; if it is to be sampled, one that is live once
 * it has been recorded. NULL: it comes from where it would have otherwise.
 */
HAK_INLINE void *hak__sampled_malloc(unsigned class_idx, size_t size)
{
    if (hak_likely(!hak__sample_due(hak__heap, size)))
        return NULL;
    struct hak_heap *heap = hak__heap; /* which the thread may have had from then on */
    void *block = hak__sample_take(heap, class_idx, size);
    if (block != NULL)
        hak__block_begin(block, class_idx, heap);
    return block;
}

/* Marks a block as free; a block that is marked already is freed twice. */
HAK_INLINE bool hak__block_end(void *block, unsigned class_idx, const struct hak_heap *heap)
{
    if (!HAK_CHECKS)
        return true;
    uint64_t mark = hak__mark_of(heap->secret, block);
    if (hak_unlikely(*hak__block_mark(block) == mark))
        return false;
    *hak__block_mark(block) = mark;
    if (HAK_DEBUG)
        hak__block_poison(block, hak__class_size(class_idx));
    return true;
}

/*
 * The size of a block of this thread's heap, given its word of the page map, if it is live by all
 * that free looks at; else 0: others look closer.
 */
HAK_INLINE size_t hak__own_size(const void *block, uint32_t word)
{
    const struct hak_heap *heap = hak__heap;
    size_t code = word ^ heap->owner_tag;
    if (hak_unlikely(code > HAK_GROWING + HAK_CLASS_COUNT))
        return 0;
    size_t class_idx = (size_t)(uint8_t)code - 1;
    if (HAK_CHECKS && (hak_unlikely(!hak__is_block_start((uintptr_t)block & heap->slab_mask[class_idx],
                                                         heap->reciprocal[class_idx],
                                                         heap->bound[code - 1])) ||
                       hak_unlikely(((const hak_mark_t *)block)[1] == hak__mark_of(heap->secret, block))))
        return 0;
    return hak__class_size((unsigned)class_idx);
}

/* What the program gets; the checker is told, unless the block is libc's. */
HAK_INLINE void *hak__block_live(void *block, size_t size, bool zeroed)
{
    if (HAK_ANNOTATIONS && hak__owns(block))
        hak__annotate_live(block, size, zeroed);
    return block;
}

/* The usable size of what lies at the start of a block, or 0. */
HAK_INLINE size_t hak__block_extent(const void *block)
{
    HAK_UNSEEN;
    uint32_t code = hak__pagemap_word((uintptr_t)block) & 0xff;
    if (code - 1 < HAK_CLASS_COUNT)
        return hak__class_size(code - 1);
    if (code == HAK_CODE_STARTER)
        return hak__starter_extent((uintptr_t)block);
    if (code != HAK_CODE_LARGE && code != HAK_CODE_HUGE)
        return 0;
    const struct hak_span *span = hak__pagemap_record((uintptr_t)block);
    return hak__span_block(span) == block ? span->size : 0;
}

/* What the program gives back, before anybody else can get it. */
HAK_INLINE void hak__block_gone(void *block)
{
    size_t usable = HAK_ANNOTATIONS ? hak__block_extent(block) : 0;
    if (usable != 0)
        hak__annotate_free(block, usable);
}

/* Whether another allocator serves the caller; only a thread without a heap can find that it does. */
HAK_INLINE bool hak__passes_through(void)
{
    HAK_UNSEEN;
    if (hak_likely(hak__heap_is_real(hak__heap)))
        return false;
    hak__init();
    return hak__is_disabled();
}

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
    if (HAK_ANNOTATIONS || hak_unlikely(__builtin_mul_overflow(count, size, &bytes)))
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

/* The starts of blocks have the default alignment; others are looked at apart. */
HAK_INLINE void hak__free_sized(void *block, size_t alignment, size_t size, const char *call)
{
    hak__block_gone(block);
    hak__unseen_begin();
    if (hak_unlikely(alignment != HAK_ALIGNMENT) || hak_unlikely(!hak__free_cached(block, true, size)))
        hak__free_sized_slow(block, alignment, size, call);
    hak__unseen_end(NULL);
}

#endif

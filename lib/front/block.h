/* SPDX-License-Identifier: MIT */
/* HOT: a block on its way from the thread's cache to the program, and back; whom a thread is served by. */
#ifndef HAK_FRONT_BLOCK_H
#define HAK_FRONT_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/annotate.h"
#include "base/compiler.h"
#include "cache/thread_cache.h"
#include "core/disabled.h"
#include "front/front.h"
#include "harden/blocks.h"
#include "page/huge.h"
#include "page/pagemap.h"
#include "profile/sampler.h"
#include "slab/size_class.h"
#include "slab/starter.h"

/* A block that leaves the cache is live: it carries no mark any more. */
HAK_INLINE void hak__block_clear_mark(void *block, unsigned class_idx, const struct hak_heap *heap)
{
    if (HAK_DEBUG && (*hak__block_mark(block) != hak__mark_of(heap->secret, block) ||
                      !hak__block_is_poisoned(block, hak__class_size(class_idx))))
        hak__misuse("malloc", block, "found written after free: a block", hak__class_size(class_idx));
    if (HAK_HARDENED && (hak_unlikely(*hak__block_mark(block) != hak__mark_of(heap->secret, block)) ||
                         hak_unlikely(!hak__harden_is_untouched(block, hak__class_size(class_idx)))))
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
    hak__block_clear_mark(block, class_idx, heap);
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
 * Counts a block of a class for so many bytes, unless that was done; if it is to be sampled or guarded, one that
 * is live once it has been. NULL: it comes from where it would have otherwise.
 */
HAK_INLINE void *hak__sampled_malloc(unsigned class_idx, size_t size, size_t alignment)
{
    unsigned due = hak__sample_due(hak__heap, size);
    if (hak_likely(due == 0))
        return NULL;
    struct hak_heap *heap = hak__heap; /* which the thread may have had from then on */
    void *guarded = (due & HAK_DUE_GUARD) != 0 ? hak__sample_guarded(heap, size, alignment, &due) : NULL;
    if (guarded != NULL || due == 0)
        return guarded;
    void *block = hak__sample_take(heap, class_idx, size);
    if (block != NULL)
        hak__block_clear_mark(block, class_idx, heap);
    return block;
}

/*
 * Marks a block as free; a block that is marked already is freed twice. The hardened variant leaves it as it
 * is, too, when it is not what the call tells of it.
 */
HAK_INLINE bool hak__block_set_mark(void *block, unsigned class_idx, const struct hak_heap *heap, struct hak_told told)
{
    if (!HAK_CHECKS)
        return true;
    uint64_t mark = hak__mark_of(heap->secret, block);
    if (hak_unlikely(*hak__block_mark(block) == mark))
        return false;
    if (HAK_HARDENED && hak_unlikely(!hak__harden_end(block, hak__class_size(class_idx), told)))
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
    if (HAK_HARDENED || hak_unlikely(code > HAK_GROWING + HAK_CLASS_COUNT))
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
HAK_INLINE void *hak__block_annotate_live(void *block, size_t size, bool zeroed)
{
    if (HAK_HARDENED)
        return hak__harden_live(block, size, HAK_KIND_MALLOC);
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
    return hak__span_block(span) == block ? hak__span_usable(span) : 0;
}

/* What the program gives back, before anybody else can get it. */
HAK_INLINE void hak__block_annotate_free(void *block)
{
    size_t usable = HAK_ANNOTATIONS ? hak__block_extent(block) : 0;
    if (usable != 0)
        hak__annotate_free(block, usable);
}

/* Whether another allocator serves the caller; only a thread without a heap can find that it does. */
HAK_INLINE bool hak__is_passthrough(void)
{
    HAK_UNSEEN;
    if (hak_likely(hak__heap_is_real(hak__heap)))
        return false;
    hak__init();
    return hak__is_disabled();
}

#endif

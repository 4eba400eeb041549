/* SPDX-License-Identifier: MIT */
/* free where the fast path ends: other heaps' blocks, larger ones, full bins, misuse. */
#include <errno.h>

#include "cache/drain.h"
#include "cache/flush.h"
#include "cache/heap_life.h"
#include "cache/mail.h"
#include "cache/purger.h"
#include "cache/sampled.h"
#include "cache/thread_cache.h"
#include "core/disabled.h"
#include "front/front.h"
#include "harden/blocks.h"
#include "harden/zero_size.h"
#include "page/pagemap.h"
#include "profile/sampler.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/starter.h"

/*
 * Another heap's block is kept for this thread's own use if the thread allocates from
 * the class too, which takes no shared operation. Some are handed back all the same:
 * a thread that has inherited blocks soon lives in slabs of its own that way, while
 * threads that exchange blocks for good keep most. Blocks that share cache lines with
 * others always go back, or their users would write to each other's lines. So do those of a burst
 * (bins.c). One branch for all reasons: sizes come in no order that it could be foreseen by.
 */
HAK_INLINE_HINT bool adopts(struct hak_heap *heap, unsigned class_idx)
{
    enum { HANDED_BACK = 16 };
    bool burst = heap->bursts[class_idx] != 0;
    bool sends = burst | (heap->current[class_idx] == NULL) | (class_idx < HAK_CLASSES_IN_LINES);
    hak_opaque(sends);
    if (sends) {
        heap->sent[class_idx] = (uint16_t)(heap->sent[class_idx] + burst);
        return false;
    }
    return ++heap->foreign % HANDED_BACK != 0;
}

/*
 * A thread that frees without having allocated hands each block to its slab at once, and takes a
 * heap, to hand back many at a time, only after some: it may be ending, and need none.
 */
static struct hak_heap *heap_for_free(void)
{
    enum { WITHOUT = 64 };
    static HAK_TLS uint8_t frees;
    return hak__is_disabled() || ++frees % WITHOUT != 0 ? NULL : hak__heap_attach();
}

static HAK_NOINLINE void drain_and_keep(struct hak_heap *heap, void *block, uint32_t word)
{
    unsigned class_idx = (word & 0xff) - 1;
    hak__cache_drain(heap, class_idx);
    if (!hak__cache_push(heap, class_idx, block))
        hak__flush_block(heap, block);
}

/* Once its record has gone the block may be sampled anew, at the same address. */
static HAK_NOINLINE void free_sampled(void *block, uint32_t word)
{
    hak__sample_end(block);
    hak__sampled_give(block, (word & 0xff) - 1);
}

/* A block that is marked as free, where the thread has a heap. */
HAK_INLINE void keep_or_send(struct hak_heap *heap, void *block, uint32_t word)
{
    unsigned class_idx = (word & 0xff) - 1;
    if (hak_unlikely(hak__owner_of(word) == HAK_OWNER_SAMPLED))
        free_sampled(block, word);
    else if (hak_likely(hak__owner_of(word) != heap->id) && !adopts(heap, class_idx))
        hak__mail_add(heap, block, word);
    else if (hak_unlikely(!hak__cache_push(heap, class_idx, block)))
        drain_and_keep(heap, block, word);
}

/* In the hardened variant the block rests, and another one goes its way. */
HAK_INLINE void rest_or_go(struct hak_heap *heap, void *block, uint32_t word)
{
    if (HAK_HARDENED && hak_likely(hak__owner_of(word) != HAK_OWNER_SAMPLED)) {
        block = hak__rest_put(hak__heap_rests(heap), (word & 0xff) - 1, block);
        if (block == NULL)
            return;
        word = hak__pagemap_word((uintptr_t)block);
    }
    keep_or_send(heap, block, word);
}

HAK_INLINE void mark(void *block, unsigned class_idx, uint64_t mark)
{
    if (HAK_HARDENED)
        hak__harden_clear(block, hak__class_size(class_idx));
    if (HAK_CHECKS)
        *hak__block_mark(block) = mark;
    if (HAK_DEBUG)
        hak__block_poison(block, hak__class_size(class_idx));
}

/*
 * HOT: marks a block as free if it lies in a slab, of whatever heap, and is live by all that free
 * looks at; others are looked at closer. How far a slab goes that is still growing, as it is as long
 * as threads have few blocks of a class, its record tells; whole ones have one record for all of
 * them. In a slab with holes, which is shown as one that grows, marks may be gone, and that is
 * looked at after the mark (slab_holes.h). Never true for a thread without a heap, which has no bounds.
 */
HAK_INLINE bool ends_in_slab(const struct hak_heap *heap, void *block, uint32_t word, const char *call)
{
    size_t class_idx = (size_t)(word & 0xff) - 1;
    if (class_idx >= HAK_CLASS_COUNT)
        return false;
    uintptr_t offset = (uintptr_t)block & heap->slab_mask[class_idx];
    if (hak_unlikely(!hak__is_block_start(offset, heap->reciprocal[class_idx], heap->bound_whole[class_idx])))
        return false;
    TinySlabMeta *slab = hak__pagemap_record((uintptr_t)block);
    if (hak_unforeseen((word & HAK_GROWING) == 0))
        slab = &hak__slab_whole;
    /* under a spin lock that would be one lock for all threads, which no fork takes */
    uint32_t carved =
        HAK_FREELIST_SPINLOCK && slab == &hak__slab_whole ? 1 : slab_freelist_view(slab).carved;
    uint64_t freed = hak__mark_of(heap->secret, block);
    if (hak_unlikely(offset >= (uintptr_t)carved * slab->size) ||
        (HAK_CHECKS && hak_unlikely(*hak__block_mark(block) == freed)) ||
        hak_unlikely(hak_load_relaxed(&slab->holes) != 0))
        return false;
    if (HAK_HARDENED) {
        struct hak_told told = {hak__harden_kind_of(call), false, 0};
        if (hak_unlikely(!hak__harden_end(block, hak__class_size((unsigned)class_idx), told)))
            return false;
        *hak__block_mark(block) = freed;
        return true;
    }
    mark(block, (unsigned)class_idx, freed);
    return true;
}

static void free_class(void *block, uint32_t word)
{
    struct hak_heap *heap = hak__heap;
    mark(block, (word & 0xff) - 1, hak__mark_of(hak__heap_secret, block));
    if (hak_unlikely(hak__owner_of(word) == HAK_OWNER_SAMPLED))
        free_sampled(block, word);
    else if (hak_unlikely(!hak__heap_is_real(heap)) && (heap = heap_for_free()) == NULL)
        hak__flush_block(hak__heap, block);
    else
        rest_or_go(heap, block, word);
}

static void free_foreign(void *block, uint32_t word, const char *call)
{
    hak__init();
    int saved = errno;
    if (hak__zero_size_covers(block)) {
        if (!hak__zero_size_free(block))
            hak__misuse(call, block, "double free, or not the start of a block: of no bytes", 0);
    } else if (word == 0 && hak__is_disabled())
        hak__other_free(block);
    else if (word == 0 && hak__is_libc_block(block))
        hak__libc_free(block);
    else
        hak__misuse_foreign(call, block, word);
    errno = saved;
}

static void free_not_large(void *block, uint32_t word, const char *call)
{
    if ((word & 0xff) == HAK_CODE_NONE) {
        free_foreign(block, word, call);
        return;
    }
    size_t size = hak__checked_size(block, word, call);
    if ((word & 0xff) != HAK_CODE_STARTER)
        free_class(block, word);
    else if (!hak__starter_free((uintptr_t)block))
        hak__misuse(call, block, "double free or use after free of a block", size);
}

/* A block that is not of a class, or of which there is more to say. */
static HAK_NOINLINE void free_other(void *block, const char *call)
{
    const void *caller = __builtin_return_address(0);
    uint32_t word = hak__pagemap_word((uintptr_t)block);
    bool large = word == HAK_CODE_LARGE || word == HAK_CODE_HUGE;
    if (HAK_HARDENED && large)
        hak__checked_size(block, word, call);
    if (large)
        hak__large_free(block, word, call, caller);
    else if (block != NULL)
        free_not_large(block, word, call);
}

HAK_INLINE void free_any(void *block, const char *call)
{
    uint32_t word = hak__pagemap_word((uintptr_t)block);
    struct hak_heap *heap = hak__heap;
    if (hak_likely(ends_in_slab(heap, block, word, call)))
        rest_or_go(heap, block, word);
    else
        free_other(block, call);
}

static HAK_NOINLINE void start_and_free(void *block, const char *call)
{
    hak__purger_start_slow(__builtin_return_address(0));
    free_any(block, call);
}

/*
 * HOT: what threads free of each other, in a row of jumps. Reached by one from free, so that whom it
 * returns to is the program. What the poll of one free has wanted the next one is in time to start,
 * since blocks come in numbers; a large one may be the last.
 */
HAK_HOT HAK_NOINLINE void hak__free_slow(void *block, const char *call)
{
    if (hak_unlikely(hak__purger_is_wanted()))
        start_and_free(block, call);
    else
        free_any(block, call);
}

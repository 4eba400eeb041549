/* SPDX-License-Identifier: MIT */
/* free where the fast path ends: other heaps' blocks, larger ones, full bins, misuse. */
#include <errno.h>

#include "cache/purger.h"
#include "front/fast.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/starter.h"

/*
 * Another heap's block is kept for this thread's own use if the thread allocates from
 * the class too, which takes no shared operation. Some are handed back all the same:
 * a thread that has inherited blocks soon lives in slabs of its own that way, while
 * threads that exchange blocks for good keep most. Blocks that share cache lines with
 * others always go back, or their users would write to each other's lines. So do those of a burst
 * (bins.c) beyond a share of the bin.
 */
__attribute__((no_sanitize("thread"))) static bool adopts(struct hak_heap *heap, unsigned class_idx)
{
    enum { HANDED_BACK = 16, BURST_SHARE = 8 };
    if (heap->current[class_idx] == NULL || hak__class_size(class_idx) < HAK_CACHE_LINE)
        return false;
    if (hak_unlikely(heap->bursts[class_idx] != 0)) {
        void **base = hak__bin_base(heap, class_idx);
        if ((heap->top[class_idx] - base) * BURST_SHARE >= heap->limit[class_idx] - base) {
            if (heap->sent[class_idx] < UINT16_MAX)
                heap->sent[class_idx]++;
            return false;
        }
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
        hak__handback_now(heap, block);
}

/* A block that is marked as free, where the thread has a heap. */
HAK_INLINE void keep_or_send(struct hak_heap *heap, void *block, uint32_t word)
{
    unsigned class_idx = (word & 0xff) - 1;
    if (hak_likely(hak__owner_of(word) != heap->id) && !adopts(heap, class_idx))
        hak__mail_add(heap, block, word);
    else if (hak_unlikely(!hak__cache_push(heap, class_idx, block)))
        drain_and_keep(heap, block, word);
}

/*
 * HOT: marks a block as free if it lies in a whole slab, of whatever heap, and is live by all that
 * free looks at; others are looked at closer. Never true for a thread without a heap.
 */
HAK_INLINE bool ends_in_whole_slab(const struct hak_heap *heap, void *block, uint32_t word)
{
    size_t class_idx = (word & ((1u << HAK_OWNER_SHIFT) - 1)) - 1;
    return class_idx < HAK_CLASS_COUNT &&
           hak__is_block_start((uintptr_t)block & heap->slab_mask[class_idx],
                               heap->reciprocal[class_idx], heap->bound_whole[class_idx]) &&
           hak__block_end(block, (unsigned)class_idx, heap);
}

/*
 * HOT: the same for a slab of another heap that is still growing, as it is as long as threads have few
 * blocks of a class: its record tells how far it goes. In a slab with holes marks may be gone, which is
 * looked at after the mark (slab_holes.h).
 */
HAK_INLINE bool ends_in_growing_slab(const struct hak_heap *heap, void *block, uint32_t word)
{
    unsigned class_idx = (word & 0xff) - 1;
    if (class_idx >= HAK_CLASS_COUNT || hak_unlikely(!hak__heap_is_real(heap)))
        return false;
    TinySlabMeta *slab = hak__pagemap_record((uintptr_t)block);
    uint32_t carved = slab_freelist_view(slab).carved;
    return hak__is_block_start((uintptr_t)block & heap->slab_mask[class_idx],
                               heap->reciprocal[class_idx], hak__start_bound(class_idx, carved)) &&
           (!HAK_CHECKS || *hak__block_mark(block) != hak__mark_of(heap->secret, block)) &&
           hak_likely(hak_load_relaxed(&slab->holes) == 0) && hak__block_end(block, class_idx, heap);
}

static void free_class(void *block, uint32_t word)
{
    struct hak_heap *heap = hak__heap;
    if (HAK_CHECKS) {
        *hak__block_mark(block) = hak__mark_of(hak__heap_secret, block);
        if (HAK_DEBUG)
            hak__block_poison(block, hak__class_size((word & 0xff) - 1));
    }
    if (hak_unlikely(!hak__heap_is_real(heap)) && (heap = heap_for_free()) == NULL)
        hak__handback_now(hak__heap, block);
    else
        keep_or_send(heap, block, word);
}

static void free_foreign(void *block, uint32_t word, const char *call)
{
    hak__init();
    int saved = errno;
    if (word == 0 && hak__is_disabled())
        hak__other_free(block);
    else if (word == 0 && hak__is_libc_block(block))
        hak__libc_free(block);
    else
        hak__misuse_foreign(call, block, word);
    errno = saved;
}

static HAK_NOINLINE void free_not_large(void *block, uint32_t word, const char *call)
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

HAK_INLINE void free_any(void *block, const char *call, const void *caller)
{
    uint32_t word = hak__pagemap_word((uintptr_t)block);
    if (hak_likely(ends_in_whole_slab(hak__heap, block, word) ||
                   ends_in_growing_slab(hak__heap, block, word)))
        keep_or_send(hak__heap, block, word);
    else if (word == HAK_CODE_LARGE || word == HAK_CODE_HUGE)
        hak__large_free(block, word, call, caller);
    else if (block != NULL)
        free_not_large(block, word, call);
}

static HAK_NOINLINE void start_and_free(void *block, const char *call, const void *caller)
{
    hak__purger_start_slow(caller);
    free_any(block, call, caller);
}

/*
 * HOT: what threads free of each other, in a row of jumps. Reached by one from free, so that whom it
 * returns to is the program. What the poll of one free has wanted the next one is in time to start,
 * since blocks come in numbers; a large one may be the last.
 */
HAK_NOINLINE void hak__free_slow(void *block, const char *call)
{
    const void *caller = __builtin_return_address(0);
    if (hak_unlikely(hak__purger_is_wanted()))
        start_and_free(block, call, caller);
    else
        free_any(block, call, caller);
}

HAK_NOINLINE void hak__free_sized_slow(void *block, size_t alignment, size_t size, const char *call)
{
    if (block != NULL && HAK_CHECKS) {
        uint32_t word = hak__pagemap_word((uintptr_t)block);
        if (word != 0) {
            size_t usable = hak__checked_size(block, word, call);
            if (size > usable)
                hak__misuse_given(call, block, "wrong size", size, usable);
            if (alignment == 0 || ((uintptr_t)block & (alignment - 1)) != 0)
                hak__misuse_given(call, block, "wrong alignment", alignment, usable);
        }
    }
    hak__free_unseen(block, call);
}

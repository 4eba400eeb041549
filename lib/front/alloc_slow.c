/* SPDX-License-Identifier: MIT */
/* malloc where the fast path ends. */
#include <errno.h>

#include "base/annotate.h"
#include "base/bits.h"
#include "base/params.h"
#include "cache/heap_life.h"
#include "cache/heap_poll.h"
#include "cache/purger.h"
#include "cache/refill.h"
#include "front/block.h"
#include "front/large.h"
#include "harden/blocks.h"
#include "harden/zero_size.h"
#include "os/os.h"

static void *out_of_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

/* Threads without a heap, which is most often one that is ending, share one under a lock. */
static void *alloc_shared(unsigned class_idx)
{
    void *block = NULL;
    hak__lock_acquire(&hak__heap_shared_lock);
    struct hak_heap *heap = hak__heap_shared_locked();
    if (heap != NULL) {
        block = hak__cache_take(heap, class_idx);
        if (block == NULL && hak__cache_refill(heap, class_idx))
            block = hak__cache_take(heap, class_idx);
    }
    hak__lock_release(&hak__heap_shared_lock);
    hak__heap_poll(hak__heap);
    return block;
}

static void *alloc_without_heap(unsigned class_idx)
{
    void *block = alloc_shared(class_idx);
    if (hak_likely(block != NULL))
        return block;
    hak__purge();
    return alloc_shared(class_idx);
}

/*
 * The first use of a class costs a page and more, and programs that allocate
 * little use many classes once or twice. So a heap's first blocks of a class come
 * from larger ones if these have any at hand: two tiny blocks may waste half of
 * theirs, a few more no more than a class may anyway.
 */
static void *borrow(struct hak_heap *heap, unsigned class_idx)
{
    enum { MOST = 8, MOST_TWICE = 2, SMALLEST = 64 };
    if (heap->limit[class_idx] != NULL || heap->borrowed[class_idx] == MOST)
        return NULL;
    size_t size = hak__class_size(class_idx);
    size_t most = size / 4 * 5;
    if (heap->borrowed[class_idx] < MOST_TWICE && size <= HAK_TINY_MAX)
        most = size * 2;
    if (most < SMALLEST)
        most = SMALLEST;
    for (unsigned i = class_idx + 1; i < HAK_CLASS_COUNT && hak__class_size(i) <= most; i++) {
        void *block = hak__cache_take(heap, i);
        if (block != NULL) {
            heap->borrowed[class_idx]++;
            return block;
        }
    }
    return NULL;
}

/*
 * Debug and hardened builds do without the starter, and so does who runs under a checker: its blocks serve once and
 * have no marks, so a use after free would be told late or never.
 */
static void *start(struct hak_heap *heap, unsigned class_idx)
{
    bool starts = !HAK_DEBUG && !HAK_HARDENED && !hak__is_watched() && heap->id == HAK_HEAP_FIRST && heap->limit[class_idx] == NULL;
    return starts ? hak__starter_take(class_idx) : NULL;
}

static void *alloc_class(unsigned class_idx, bool may_borrow)
{
    struct hak_heap *heap = hak__heap;
    void *block = hak__cache_take(heap, class_idx);
    if (block == NULL) {
        if (hak_unlikely(!hak__heap_is_real(heap)))
            return alloc_without_heap(class_idx);
        if (may_borrow && ((block = start(heap, class_idx)) != NULL ||
                           (block = borrow(heap, class_idx)) != NULL))
            return block;
        while ((block = hak__cache_take(heap, class_idx)) == NULL) {
            if (hak_likely(hak__cache_refill(heap, class_idx)))
                continue; /* an interposer of munmap may have emptied the bin again */
            /* what other classes keep ready may be all that is left */
            hak__purge();
            if (!hak__cache_refill(heap, class_idx))
                return NULL;
        }
    }
    return block;
}

/* A thread's first block counts as requested of the heap that it gets for it. */
static void *alloc_small(unsigned class_idx, size_t size, size_t alignment, bool may_borrow)
{
    if (hak_unlikely(!hak__heap_is_real(hak__heap)))
        hak__heap_attach();
    void *block = hak__sampled_malloc(class_idx, size, alignment);
    return hak_likely(block == NULL) ? alloc_class(class_idx, may_borrow) : block;
}

HAK_NOINLINE void *hak__malloc_slow(size_t size)
{
    if (hak_unlikely(hak__is_passthrough()))
        return hak__other_malloc(size);
    hak__purger_start(NULL);
    void *block = NULL;
    size_t padded = hak__harden_padded(size);
    do {
        if (hak_likely(padded <= HAK_SMALL_MAX))
            block = alloc_small(hak__class_of(padded), size, HAK_ALIGNMENT, true);
        else if (size <= PTRDIFF_MAX)
            block = hak__large_alloc_uncached(padded, HAK_ALIGNMENT, false);
    } while (hak_unlikely(block == NULL) && hak__oom_retry(size));
    return hak_likely(block != NULL) ? block : out_of_memory();
}

#if HAK_HARDENED
void *hak__harden_odd(size_t size, enum hak_kind kind)
{
    if (size != 0 || hak__is_passthrough())
        return hak__harden_live(hak__malloc_slow(size), size, kind);
    void *block = hak__harden.zero_size ? hak__zero_size_alloc() : NULL;
    return block != NULL ? block : hak__harden_live(hak__malloc_slow(size), size, kind);
}
#endif

HAK_NOINLINE void *hak__malloc_large(size_t size)
{
    void *kept = hak__large_take_cached(hak__harden_padded(size), HAK_ALIGNMENT);
    if (hak_unlikely(kept == NULL))
        return hak__malloc_slow(size);
    if (hak__sample_counts(hak__heap, size))
        return hak__large_sample(kept, size, HAK_ALIGNMENT);
    return kept;
}

HAK_NOINLINE void *hak__class_malloc_slow(unsigned class_idx, size_t size, size_t alignment)
{
    return alloc_small(class_idx, size, alignment, false);
}

void *hak__large_zeroed(size_t size, size_t alignment)
{
    void *block = NULL;
    do {
        if (alignment <= PTRDIFF_MAX && size <= PTRDIFF_MAX - alignment)
            block = hak__large_alloc(hak__harden_padded(size), alignment, true);
    } while (block == NULL && hak__oom_retry(size));
    return block != NULL ? hak__block_annotate_live(block, size, true) : out_of_memory();
}

size_t hak__good_size(size_t size)
{
    HAK_UNSEEN;
    if (hak_unlikely(hak__is_passthrough()))
        return size; /* how the other allocator rounds is not known */
    if (HAK_HARDENED)
        return size; /* all that is behind it belongs to the canary */
    if (size <= HAK_SMALL_MAX)
        return hak__class_size(hak__class_of(size));
    if (size > PTRDIFF_MAX)
        return size;
    return hak__align_up(size, size <= HAK_LARGE_MAX ? HAK_CACHE_LINE : hak__os_page_size());
}

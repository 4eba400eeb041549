/* SPDX-License-Identifier: MIT */
/* Blocks with an alignment above the default. */
#include <errno.h>
#include <string.h>

#include "base/annotate.h"
#include "base/bits.h"
#include "base/params.h"
#include "cache/refill.h"
#include "front/fast.h"
#include "harden/harden.h"

/*
 * Slabs start on a granule, so the blocks of a class are aligned to every power
 * of two that divides their size; the first such class that is large enough.
 */
static unsigned class_for(size_t alignment, size_t size)
{
    size_t wanted = hak__align_up(size > 0 ? size : 1, alignment);
    while (wanted <= HAK_SMALL_MAX) {
        unsigned class_idx = hak__class_of(wanted);
        size_t found = hak__class_size(class_idx);
        if ((found & (alignment - 1)) == 0)
            return class_idx;
        wanted = hak__align_up(found, alignment);
    }
    return HAK_CLASS_COUNT;
}

static void *aligned_large(size_t alignment, size_t size)
{
    if (size > PTRDIFF_MAX || alignment > PTRDIFF_MAX || size > PTRDIFF_MAX - alignment)
        return NULL;
    return hak__large_alloc(hak__harden_padded(size > HAK_SMALL_MAX ? size : HAK_SMALL_MAX + 1), alignment, false);
}

static HAK_NOINLINE void *aligned_slow(size_t alignment, size_t size, unsigned class_idx)
{
    if (hak_unlikely(hak__is_passthrough())) {
        if (hak__other_has_aligned(alignment))
            return hak__other_aligned(alignment, size);
        class_idx = HAK_CLASS_COUNT; /* a block of this library that needs no heap */
    }
    void *block = NULL;
    do {
        block = class_idx < HAK_CLASS_COUNT ? hak__class_malloc_slow(class_idx, size, alignment)
                                            : aligned_large(alignment, size);
    } while (block == NULL && hak__oom_retry(size));
    if (block == NULL)
        errno = ENOMEM;
    return block;
}

/* The class of small blocks of an alignment, or HAK_CLASS_COUNT. */
static unsigned class_of(size_t alignment, size_t size)
{
    size_t padded = hak__harden_padded(size);
    if (alignment > HAK_SMALL_MAX || padded > HAK_SMALL_MAX)
        return HAK_CLASS_COUNT;
    return class_for(alignment, padded);
}

static HAK_NOINLINE void *aligned_anyhow(size_t alignment, size_t size)
{
    HAK_UNSEEN;
    if (alignment <= HAK_ALIGNMENT && !hak__is_passthrough())
        return hak__malloc(size);
    unsigned class_idx = class_of(alignment, size);
    struct hak_heap *heap = hak__heap;
    bool counted = hak__sample_is_counted(heap); /* by from_cache, which has left the block to the profiler */
    if (hak_likely(class_idx < HAK_CLASS_COUNT) && !counted) {
        void *block = hak__cache_malloc(heap, class_idx, size);
        if (hak_likely(block != NULL))
            return hak__block_annotate_live(block, size, false);
    }
    return hak__block_annotate_live(aligned_slow(alignment, size, class_idx), size, false);
}

/*
 * A block that the thread's cache has in the class that is looked at first; else NULL, with nothing
 * done. A size that wraps when it is rounded up becomes 0.
 */
HAK_INLINE void *from_cache(size_t alignment, size_t size)
{
    HAK_UNSEEN;
    size_t wanted = hak__align_up(hak__harden_padded(size), alignment);
    unsigned class_idx;
    if (hak_likely(wanted - 1 < HAK_TINY_MAX))
        class_idx = hak__class_of_tiny[(wanted + 15) >> 4];
    else if (wanted - 1 < HAK_SMALL_MAX)
        class_idx = hak__class_of_small[(wanted + 255) >> 8];
    else
        return NULL;
    if (hak_unlikely((hak__class_size(class_idx) & (alignment - 1)) != 0))
        return NULL;
    void *block = hak__cache_malloc(hak__heap, class_idx, size);
    return hak_likely(block != NULL) ? hak__block_annotate_live(block, size, false) : NULL;
}

HAK_INLINE void *aligned(size_t alignment, size_t size)
{
    void *block = from_cache(alignment, size);
    return hak_likely(block != NULL) ? block : aligned_anyhow(alignment, size);
}

void *hak__aligned(size_t alignment, size_t size)
{
    return aligned(alignment, size);
}

/* The block does not come out of the thread's cache, if there is another at hand. */
static void *aligned_bypass(size_t alignment, size_t size)
{
    unsigned class_idx = class_of(alignment, size);
    if (class_idx == HAK_CLASS_COUNT)
        return size > HAK_SMALL_MAX && size <= PTRDIFF_MAX - alignment
                   ? hak__large_alloc_uncached(hak__harden_padded(size), alignment, false)
                   : NULL;
    struct hak_heap *heap = hak__heap;
    if (!hak__heap_is_real(heap))
        return NULL;
    void *block = hak__sampled_malloc(class_idx, size, alignment);
    if (block != NULL)
        return block;
    block = hak__cache_bypass(heap, class_idx);
    if (block != NULL)
        hak__block_clear_mark(block, class_idx, heap);
    else
        hak__sample_uncount(heap, size);
    return block;
}

void *hak__alloc_with(size_t size, size_t alignment, unsigned flags)
{
    HAK_UNSEEN;
    bool zero = (flags & HAK_WITH_ZERO) != 0, advised = (flags & HAK_WITH_PAGES) != 0;
    if (alignment < HAK_ALIGNMENT)
        alignment = HAK_ALIGNMENT;
    if (zero && size > HAK_SMALL_MAX && !advised && (flags & HAK_WITH_NO_CACHE) == 0 &&
        !hak__is_passthrough())
        return hak__large_zeroed(size, alignment);
    void *block = NULL;
    if ((advised || (flags & HAK_WITH_NO_CACHE) != 0) && !hak__is_passthrough() &&
        alignment <= PTRDIFF_MAX) {
        if (advised && size >= HAK_SUPERSLAB && size <= PTRDIFF_MAX - alignment)
            block = hak__large_alloc_advised(hak__harden_padded(size), alignment, (flags & HAK_WITH_HUGE_PAGES) != 0);
        if (block != NULL)
            return hak__block_annotate_live(block, size, true); /* fresh from the system, so it is zero */
        if ((flags & HAK_WITH_NO_CACHE) != 0)
            block = hak__block_annotate_live(aligned_bypass(alignment, size), size, false);
    }
    if (block == NULL)
        block = hak__aligned(alignment, size);
    return block != NULL && zero ? memset(block, 0, size) : block;
}

void *hak__aligned_alloc(size_t alignment, size_t size)
{
    if (!hak__is_power_of_two(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    return aligned(alignment, size);
}

int hak__posix_memalign(void **out, size_t alignment, size_t size)
{
    if (!hak__is_power_of_two(alignment) || alignment % sizeof(void *) != 0)
        return EINVAL;
    void *block = from_cache(alignment, size);
    if (hak_unlikely(block == NULL)) {
        int saved = errno;
        block = aligned_anyhow(alignment, size);
        errno = saved;
    }
    if (block == NULL)
        return ENOMEM;
    *out = block;
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* Blocks with an alignment above the default. */
#include <errno.h>

#include "base/bits.h"
#include "base/params.h"
#include "front/fast.h"

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

static HAK_NOINLINE void *aligned_slow(size_t alignment, size_t size, unsigned class_idx)
{
    if (hak_unlikely(hak__passes_through()))
        return hak__libc_memalign(alignment, size);
    if (class_idx < HAK_CLASS_COUNT)
        return hak__class_malloc_slow(class_idx);
    void *block = NULL;
    if (size <= PTRDIFF_MAX && alignment <= PTRDIFF_MAX && size <= PTRDIFF_MAX - alignment)
        block = hak__large_alloc(size > HAK_SMALL_MAX ? size : HAK_SMALL_MAX + 1, alignment, false);
    if (block == NULL)
        errno = ENOMEM;
    return block;
}

void *hak__aligned(size_t alignment, size_t size)
{
    if (alignment <= HAK_ALIGNMENT)
        return hak__malloc(size);
    unsigned class_idx = HAK_CLASS_COUNT;
    if (hak_likely(alignment <= HAK_SMALL_MAX && size <= HAK_SMALL_MAX)) {
        class_idx = class_for(alignment, size);
        void *block = class_idx < HAK_CLASS_COUNT ? hak__cache_malloc(hak__heap, class_idx) : NULL;
        if (hak_likely(block != NULL))
            return block;
    }
    return aligned_slow(alignment, size, class_idx);
}

void *hak__aligned_alloc(size_t alignment, size_t size)
{
    if (!hak__is_power_of_two(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    return hak__aligned(alignment, size);
}

int hak__posix_memalign(void **out, size_t alignment, size_t size)
{
    if (!hak__is_power_of_two(alignment) || alignment % sizeof(void *) != 0)
        return EINVAL;
    int saved = errno;
    void *block = hak__aligned(alignment, size);
    errno = saved;
    if (block == NULL)
        return ENOMEM;
    *out = block;
    return 0;
}

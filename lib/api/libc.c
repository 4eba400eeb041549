/* SPDX-License-Identifier: MIT */
/*
 * The allocation functions of the C library, with the semantics of malloc(3),
 * posix_memalign(3) and of the GNU C library where the standards leave room.
 * The names carry no symbol version: a versioned malloc is not interposed.
 */
#include <errno.h>
#include <stddef.h>

#include "api/visible.h"
#include "base/bits.h"
#include "base/params.h"
#include "front/calloc.h"
#include "front/fast.h"
#include "front/free_sized.h"
#include "harden/zero_size.h"
#include "os/os.h"
#include "page/huge.h"

HAK_EXPORT HAK_HOT void *malloc(size_t size);
HAK_EXPORT HAK_HOT void free(void *block);
HAK_EXPORT HAK_HOT void *calloc(size_t count, size_t size);
HAK_EXPORT void *realloc(void *block, size_t size);
HAK_EXPORT void *reallocarray(void *block, size_t count, size_t size);
HAK_EXPORT int posix_memalign(void **out, size_t alignment, size_t size);
HAK_EXPORT void *aligned_alloc(size_t alignment, size_t size);
HAK_EXPORT void *memalign(size_t alignment, size_t size);
HAK_EXPORT void *valloc(size_t size);
HAK_EXPORT void *pvalloc(size_t size);
HAK_EXPORT void cfree(void *block);
HAK_EXPORT size_t malloc_usable_size(void *block);
HAK_EXPORT void free_sized(void *block, size_t size);
HAK_EXPORT void free_aligned_sized(void *block, size_t alignment, size_t size);

void *malloc(size_t size)
{
    return hak__malloc(size);
}

extern __typeof__(malloc) hak__own_malloc __attribute__((alias("malloc")));

void free(void *block)
{
    hak__free(block, "free");
}

void *calloc(size_t count, size_t size)
{
    return hak__calloc_tiny(count, size);
}

void *realloc(void *block, size_t size)
{
    return hak__realloc(block, size, "realloc");
}

void *reallocarray(void *block, size_t count, size_t size)
{
    return hak__reallocarray(block, count, size, "reallocarray");
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    return hak__posix_memalign(out, alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return hak__aligned_alloc(alignment, size);
}

/* As in the GNU C library an alignment that is no power of two is rounded up to one. */
void *memalign(size_t alignment, size_t size)
{
    if (alignment > SIZE_MAX / 2 + 1) {
        errno = EINVAL;
        return NULL;
    }
    size_t power = (size_t)1 << hak__log2_ceil(alignment == 0 ? 1 : alignment);
    return hak__aligned(power, size);
}

void *valloc(size_t size)
{
    return hak__aligned(hak__os_page_size(), size);
}

void *pvalloc(size_t size)
{
    size_t page = hak__os_page_size();
    if (size > PTRDIFF_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    return hak__aligned(page, size == 0 ? page : hak__align_up(size, page));
}

void cfree(void *block)
{
    hak__free(block, "cfree");
}

/* Of a block of the program's own malloc nothing is known. */
size_t malloc_usable_size(void *block)
{
    if (hak_unlikely(!hak__malloc_is_visible()) && !hak__owns(block) && !hak__zero_size_covers(block))
        return 0;
    return hak__usable_size(block, "malloc_usable_size");
}

void free_sized(void *block, size_t size)
{
    hak__free_sized(block, HAK_ALIGNMENT, size, "free_sized");
}

void free_aligned_sized(void *block, size_t alignment, size_t size)
{
    hak__free_sized(block, alignment, size, "free_aligned_sized");
}

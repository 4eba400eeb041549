/* SPDX-License-Identifier: MIT */
/* The allocation functions under their own names; hakmem.h describes them. */
#include <errno.h>
#include <hakmem/hakmem.h>

#include "base/params.h"
#include "front/calloc.h"
#include "front/fast.h"
#include "front/free_sized.h"

static_assert(HAK_MIN_ALIGNMENT == HAK_ALIGNMENT, "the header promises what the classes give");

HAK_HOT void *hak_malloc(size_t size)
{
    return hak__malloc(size);
}

void *hak_calloc(size_t count, size_t size)
{
    return hak__calloc_tiny(count, size);
}

void *hak_realloc(void *block, size_t size)
{
    return hak__realloc(block, size, "hak_realloc");
}

void *hak_reallocarray(void *block, size_t count, size_t size)
{
    return hak__reallocarray(block, count, size, "hak_reallocarray");
}

HAK_HOT void hak_free(void *block)
{
    hak__free(block, "hak_free");
}

void hak_free_sized(void *block, size_t size)
{
    hak__free_sized(block, HAK_ALIGNMENT, size, "hak_free_sized");
}

void hak_free_aligned_sized(void *block, size_t alignment, size_t size)
{
    hak__free_sized(block, alignment, size, "hak_free_aligned_sized");
}

void *hak_aligned_alloc(size_t alignment, size_t size)
{
    return hak__aligned_alloc(alignment, size);
}

int hak_posix_memalign(void **out, size_t alignment, size_t size)
{
    return hak__posix_memalign(out, alignment, size);
}

size_t hak_usable_size(const void *block)
{
    return hak__usable_size(block, "hak_usable_size");
}

size_t hak_good_size(size_t size)
{
    return hak__good_size(size);
}

/* The flags of an alignment are its logarithm, which 63 stands for none of. */
enum { ALIGNMENT_BITS = 0x3f, KNOWN_FLAGS = ALIGNMENT_BITS | HAK_WITH_ZERO | HAK_WITH_NO_CACHE |
                                            HAK_WITH_PAGES };
static_assert((int)HAK_ALLOC_ZERO == (int)HAK_WITH_ZERO &&
                  (int)HAK_ALLOC_NO_CACHE == (int)HAK_WITH_NO_CACHE &&
                  (int)HAK_ALLOC_HUGE_PAGES == (int)HAK_WITH_HUGE_PAGES &&
                  (int)HAK_ALLOC_SMALL_PAGES == (int)HAK_WITH_SMALL_PAGES,
              "the flags of the header are those of the front");

void *hak_alloc(size_t size, unsigned flags)
{
    unsigned power = flags & ALIGNMENT_BITS;
    if ((flags & ~(unsigned)KNOWN_FLAGS) != 0 || power >= 8 * sizeof(size_t) - 1 ||
        (flags & HAK_WITH_PAGES) == HAK_WITH_PAGES) {
        errno = EINVAL;
        return NULL;
    }
    return hak__alloc_with(size, (size_t)1 << power, flags);
}

size_t hak_alloc_batch(size_t size, size_t count, void **blocks)
{
    return hak__malloc_batch(size, count, blocks);
}

void hak_free_batch(void *const *blocks, size_t count)
{
    hak__free_batch(blocks, count, "hak_free_batch");
}

size_t hak_resize_in_place(void *block, size_t min, size_t max)
{
    if (block == NULL || min > max) {
        errno = EINVAL;
        return 0;
    }
    size_t usable = hak__resize_in_place(block, min, max, "hak_resize_in_place");
    if (usable == 0)
        errno = ENOMEM;
    return usable;
}

const char *hak_version(void)
{
    return PACKAGE_VERSION;
}

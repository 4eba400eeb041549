/* SPDX-License-Identifier: MIT */
/* The allocation functions under their own names; hakmem.h describes them. */
#include <hakmem/hakmem.h>

#include "base/params.h"
#include "front/fast.h"

static_assert(HAK_MIN_ALIGNMENT == HAK_ALIGNMENT, "the header promises what the classes give");

void *hak_malloc(size_t size)
{
    return hak__malloc(size);
}

void *hak_calloc(size_t count, size_t size)
{
    return hak__calloc(count, size);
}

void *hak_realloc(void *block, size_t size)
{
    return hak__realloc(block, size, "hak_realloc");
}

void *hak_reallocarray(void *block, size_t count, size_t size)
{
    return hak__reallocarray(block, count, size, "hak_reallocarray");
}

void hak_free(void *block)
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

bool hak_owns(const void *address)
{
    return hak__owns(address);
}

bool hak_purge(void)
{
    return hak__purge();
}

const char *hak_version(void)
{
    return PACKAGE_VERSION;
}

/* SPDX-License-Identifier: MIT */
#include "page/region.h"

#include "base/annotate.h"
#include "base/bits.h"
#include "base/params.h"
#include "core/meta.h"
#include "os/os.h"
#include "page/pagemap.h"

/* One SuperSlab and some large blocks; small, for mlockall under the usual RLIMIT_MEMLOCK. */
#define FIRST_REGION ((size_t)3 << 20)
#define LARGEST_REGION ((size_t)1 << 30)
/* Of limited address space a region is such a part. */
enum { SHARE_OF_LIMIT = 64 };
/* Large blocks are committed in steps of this, to save system calls. */
#define COMMIT_STEP ((size_t)1 << 20)

struct region {
    struct region *next;
    uintptr_t low, high;      /* the fresh part */
    uintptr_t committed_high; /* from here up to the end all is readable and writable */
};

static struct region *regions;
static size_t reserved;
static size_t largest = LARGEST_REGION; /* of a region, as the limit has it */
static bool scarce;                     /* the system has refused address space */

_Atomic size_t hak__committed_bytes;

bool hak__region_is_scarce_locked(void)
{
    return scarce;
}

bool hak__region_is_wanted_locked(void)
{
    return scarce || largest != LARGEST_REGION;
}

void hak__region_read_limit_locked(void)
{
    size_t share = hak__align_down(hak__os_space_limit() / SHARE_OF_LIMIT, HAK_SUPERSLAB);
    if (share < HAK_SUPERSLAB)
        share = HAK_SUPERSLAB;
    largest = share < LARGEST_REGION ? share : LARGEST_REGION;
}

/* A record for a new region, on the list of regions: one that is used up, or another. */
static struct region *record(void)
{
    for (struct region *region = regions; region != NULL; region = region->next)
        if (region->low == region->high)
            return region;
    struct region *region = hak__meta_alloc(sizeof *region, _Alignof(struct region));
    if (region != NULL) {
        region->low = region->high = 0;
        region->next = regions;
        regions = region;
    }
    return region;
}

/* What a region should have, or what the system gives, but so many bytes at least. */
static void *reserve(size_t bytes, size_t *size)
{
    *size = reserved > 0 ? hak__align_up(reserved, HAK_SUPERSLAB) : FIRST_REGION;
    hak__region_read_limit_locked();
    if (*size > largest)
        *size = largest;
    if (scarce || *size < bytes)
        *size = bytes;
    void *base = NULL;
    while ((base = hak__os_reserve(*size, HAK_SUPERSLAB)) == NULL) {
        scarce = true;
        if (*size <= bytes)
            return NULL;
        *size = *size / 2 > bytes ? hak__align_up(*size / 2, HAK_GRANULE) : bytes;
    }
    return base;
}

bool hak__region_add_locked(size_t bytes)
{
    struct region *region = record();
    if (region == NULL)
        return false;
    size_t size = 0;
    void *base = reserve(bytes, &size);
    if (base == NULL)
        return false;
    if (!hak__pagemap_ensure((uintptr_t)base, size)) {
        hak__os_unmap_unused(base, size);
        return false;
    }
    if (reserved == 0)
        hak__os_huge_pages(base, size, false); /* a small process shall stay small */
    region->low = (uintptr_t)base;
    region->high = region->committed_high = (uintptr_t)base + size;
    reserved += size;
    return true;
}

void hak__region_gone_locked(size_t bytes)
{
    reserved -= bytes;
}

void hak__region_give_back_locked(void)
{
    if (!hak__region_is_wanted_locked())
        return;
    for (struct region *region = regions; region != NULL; region = region->next) {
        size_t size = region->high - region->low;
        if (size == 0 || !hak__os_unmap_unused((void *)region->low, size))
            continue;
        reserved -= size;
        if (region->high > region->committed_high)
            hak_sub_relaxed(&hak__committed_bytes, region->high - region->committed_high);
        region->low = region->high = region->committed_high = 0;
    }
}

bool hak__region_commit_locked(uintptr_t start, uintptr_t end)
{
    if (start >= end)
        return true;
    if (!hak__os_commit((void *)start, end - start))
        return false;
    hak__annotate_hide((void *)start, end - start);
    hak_add_relaxed(&hak__committed_bytes, end - start);
    return true;
}

/* SuperSlabs grow upwards from the bottom of a region, all else downwards from its top. */
static uintptr_t take_low(struct region *region, size_t bytes)
{
    uintptr_t start = region->low;
    if (region->high - start < bytes || !hak__region_commit_locked(start, start + bytes))
        return 0;
    region->low = start + bytes;
    return start;
}

static uintptr_t take_high(struct region *region, size_t bytes, size_t alignment)
{
    if (region->high - region->low < bytes)
        return 0;
    uintptr_t start = hak__align_down(region->high - bytes, alignment);
    if (start < region->low)
        return 0;
    uintptr_t step = hak__align_down(start, COMMIT_STEP);
    if (step < region->low)
        step = region->low;
    if (start < region->committed_high) {
        if (hak__region_commit_locked(step, region->committed_high))
            region->committed_high = step;
        else if (hak__region_commit_locked(start, region->committed_high))
            region->committed_high = start;
        else
            return 0;
    }
    return start;
}

uintptr_t hak__region_take_locked(size_t bytes, size_t alignment, size_t *gap)
{
    bool low = bytes == HAK_SUPERSLAB && alignment == HAK_SUPERSLAB;
    for (struct region *region = regions; region != NULL; region = region->next) {
        *gap = 0;
        uintptr_t start = 0;
        if (low && region->committed_high >= region->low + bytes) {
            start = take_low(region, bytes);
        } else if ((start = take_high(region, bytes, alignment)) != 0) {
            *gap = region->high - (start + bytes);
            region->high = start;
        }
        if (start == 0)
            continue;
        hak__pagemap_set_words(start, (bytes + *gap) >> HAK_GRANULE_SHIFT, HAK_CODE_SPAN_INSIDE);
        return start;
    }
    return 0;
}

bool hak__region_is_fresh_locked(uintptr_t address)
{
    for (struct region *region = regions; region != NULL; region = region->next)
        if (address >= region->low && address < region->high)
            return true;
    return false;
}

bool hak__region_has_room_locked(size_t bytes, size_t alignment)
{
    for (struct region *region = regions; region != NULL; region = region->next)
        if (region->high - region->low >= bytes &&
            hak__align_down(region->high - bytes, alignment) >= region->low)
            return true;
    return false;
}

/* SPDX-License-Identifier: MIT */
#include "reader/near.h"

#include <stdlib.h>

/* Bits that are set, at most. */
enum { MOST = NEAR_BITS / 16 };

/* How many granules of a range were not marked, up to where that is too many. */
static size_t mark(uint64_t *near, uintptr_t start, uint64_t size)
{
    size_t count = 0;
    uintptr_t last = (start + (uintptr_t)size - 1) >> HAK_GRANULE_SHIFT;
    for (uintptr_t at = start >> HAK_GRANULE_SHIFT; at <= last && count <= MOST; at++) {
        uintptr_t granule = at & (NEAR_BITS - 1);
        count += near_has(near, at << HAK_GRANULE_SHIFT) ? 0 : 1;
        near[granule / 64] |= (uint64_t)1 << (granule % 64);
    }
    return count;
}

uint64_t *near_new(const struct live *live)
{
    size_t count = 0;
    uint64_t *near = calloc(NEAR_BITS / 64, sizeof *near);
    if (near == NULL)
        return NULL;
    for (size_t i = 0; i < live->slab_count && count <= MOST; i++)
        if (live_slab_has(live, LIVE_WANTED, &live->slabs[i]))
            count += mark(near, live->slabs[i].start, (uint64_t)live->slabs[i].count * live->slabs[i].size);
    for (size_t i = 0; i < live->single_count && count <= MOST; i++)
        if (live_has(live, LIVE_WANTED, live->singles[i].number))
            count += mark(near, live->singles[i].start, live->singles[i].size);
    if (count <= MOST)
        return near;
    free(near);
    return NULL;
}

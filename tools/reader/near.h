/* SPDX-License-Identifier: MIT */
/* Where blocks are wanted, a bit for each granule: it drops most words at once where few are. */
#ifndef HAK_TOOLS_READER_NEAR_H
#define HAK_TOOLS_READER_NEAR_H

#include "reader/live.h"

enum { NEAR_BITS = 1 << 19 }; /* granules that bits tell apart: 32 GiB */

/* For blocks that are wanted now; NULL, which is anywhere, if they are many or there is no memory. Freed by free. */
uint64_t *near_new(const struct live *live);

static inline bool near_has(const uint64_t *near, uintptr_t address)
{
    uintptr_t granule = (address >> HAK_GRANULE_SHIFT) & (NEAR_BITS - 1);
    return near == NULL || (near[granule / 64] >> (granule % 64) & 1) != 0;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The constants that the layers agree on.
 *
 *     granule     64 KiB   the unit of the page map and of spans
 *     SuperSlab    2 MiB   32 granules, cut into slabs of 1, 2, 4 or 8 of them
 */
#ifndef HAK_BASE_PARAMS_H
#define HAK_BASE_PARAMS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define HAK_GRANULE_SHIFT 16
#define HAK_GRANULE ((size_t)1 << HAK_GRANULE_SHIFT)
#define HAK_SUPERSLAB_SHIFT 21
#define HAK_SUPERSLAB ((size_t)1 << HAK_SUPERSLAB_SHIFT)
#define HAK_SUPERSLAB_UNITS (HAK_SUPERSLAB >> HAK_GRANULE_SHIFT)

#define HAK_ALIGNMENT ((size_t)16)
#define HAK_CACHE_LINE ((size_t)64)
/*
 * Above this a block is a span of the page arena, above LARGE_MAX a mapping of its own; one that
 * realloc lets grow is so above GROWN_MAX.
 */
#define HAK_SMALL_MAX ((size_t)65536)
#define HAK_GROWN_MAX (31 * HAK_GRANULE)
#define HAK_LARGE_MAX ((size_t)32 << 20)

/* The most bytes of a guarded block: sixteen granules. */
#define HAK_GUARDED_MAX ((size_t)1 << 20)

/* Where time is bounded, no more is returned to the system by one call. */
#define HAK_PURGE_STEP ((size_t)16 << 20)

static_assert(HAK_SUPERSLAB_UNITS == 32, "slot masks of a SuperSlab are 32 bits wide");
static_assert(HAK_SMALL_MAX <= HAK_LARGE_MAX, "sizes are ordered");

#endif

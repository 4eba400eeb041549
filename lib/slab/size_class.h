/* SPDX-License-Identifier: MIT */
/*
 * Size classes: from a request to a class, from a class to its block.
 *
 * The lookups are generated from size_class.def: a byte a 16-byte step up to
 * 1 KiB, a byte a 256-byte step above.
 */
#ifndef HAK_SLAB_SIZE_CLASS_H
#define HAK_SLAB_SIZE_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/params.h"
#include "page/pagemap.h"
#include "slab/size_class.def"

#define HAK_TINY_MAX ((size_t)1024)

#define HAK_CLASS_COUNT_ROW(size, shift, a) +1
enum { HAK_CLASS_COUNT = 0 HAK_SIZE_CLASSES(HAK_CLASS_COUNT_ROW, 0) };
static_assert((int)HAK_CLASS_COUNT <= (int)HAK_CODE_CLASS_MAX, "a class has a code of the page map");

/*
 * What the starter (starter.h) has in place of a class, and shows in the page map. Its slab is cut into
 * places, the smallest blocks.
 */
enum { HAK_CLASS_STARTER = HAK_CLASS_COUNT, HAK_CODE_STARTER = HAK_CLASS_STARTER + 1 };
enum { HAK_STARTER_SHIFT = 17 }; /* log2 of the slab's size */
static_assert((int)HAK_CODE_STARTER <= (int)HAK_CODE_CLASS_MAX, "it has a code, too");

/* The first classes: their blocks share cache lines with others. */
#define HAK_CLASS_IN_LINES_ROW(size, shift, a) +((size) < HAK_CACHE_LINE)
enum { HAK_CLASSES_IN_LINES = 0 HAK_SIZE_CLASSES(HAK_CLASS_IN_LINES_ROW, 0) };

struct hak_class_info {
    uint64_t reciprocal; /* floor(2^64 / size) + 1 */
    uint64_t bound;      /* offset * reciprocal < bound at starts of the slab's blocks, and nowhere else */
    uint32_t size;       /* of a block, in bytes */
    uint16_t capacity;   /* blocks of a slab */
    uint8_t slab_shift;  /* log2 of the slab's size */
};

enum { HAK_TINY_STEPS = 65, HAK_SMALL_STEPS = 257 };

extern const struct hak_class_info hak__class_info[HAK_CLASS_COUNT + 1]; /* and of the starter */
extern const uint8_t hak__class_of_tiny[HAK_TINY_STEPS];
extern const uint8_t hak__class_of_small[HAK_SMALL_STEPS];

/* The class of a request up to HAK_SMALL_MAX. */
HAK_INLINE unsigned hak__class_of(size_t size)
{
    if (hak_likely(size <= HAK_TINY_MAX))
        return hak__class_of_tiny[(size + 15) >> 4];
    return hak__class_of_small[(size + 255) >> 8];
}

HAK_INLINE size_t hak__class_size(unsigned class_idx)
{
    return hak__class_info[class_idx].size;
}

/*
 * Whether an offset in a slab is the start of one of its blocks, by a method like that of
 * Lemire, Kaser and Kurz, "Faster remainder by direct computation" (2019). With
 * c = floor(2^64 / size) + 1 and e = c * size - 2^64, where 0 < e <= size, block i starts at an
 * offset for which offset * c mod 2^64 = i * e. So bound = capacity * e tells blocks from the tail
 * behind the last one. An offset d behind a start, 0 < d < size, gives i * e + d * c, which does
 * not wrap and is above any bound, since c > 2^47 and i * e < 2^20.
 */
HAK_INLINE bool hak__is_block_start(uintptr_t offset, uint64_t reciprocal, uint64_t bound)
{
    return (uint64_t)offset * reciprocal < bound;
}

/* The bound of a slab of which so many blocks were handed out. */
HAK_INLINE uint64_t hak__start_bound(unsigned class_idx, uint32_t carved)
{
    const struct hak_class_info *info = &hak__class_info[class_idx];
    return carved * (info->reciprocal * info->size);
}

#endif

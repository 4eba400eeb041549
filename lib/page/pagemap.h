/* SPDX-License-Identifier: MIT */
/*
 * The page map: what any address belongs to, without touching it.
 *
 *     address  [ root index | leaf index | offset in the 64 KiB granule ]
 *                   |             |
 *     root[] ──► leaf ──► word[]   owner << 8 | code   read by every free
 *                    └──► record[] slab or span        read by slow paths
 *
 * Code 0 means that the granule is not ours; codes 1 to HAK_CODE_CLASS_MAX are
 * a size class plus one; the others are below. For a program that holds a
 * block the code of its granule is stable (it changes only when no block of the
 * slab is out), and the hand-over of the block orders the reads, so relaxed
 * loads suffice. The owner is a hint: stale, it costs locality, never
 * correctness. Leaves are never given back.
 */
#ifndef HAK_PAGE_PAGEMAP_H
#define HAK_PAGE_PAGEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/params.h"

#if UINTPTR_MAX > 0xffffffffu
#define HAK_ADDRESS_BITS 48
#define HAK_LEAF_BITS 16
#else
#define HAK_ADDRESS_BITS 32
#define HAK_LEAF_BITS 10
#endif
#define HAK_ROOT_BITS (HAK_ADDRESS_BITS - HAK_GRANULE_SHIFT - HAK_LEAF_BITS)
#define HAK_ROOT_SHIFT (HAK_GRANULE_SHIFT + HAK_LEAF_BITS)
#define HAK_ROOT_SIZE ((size_t)1 << HAK_ROOT_BITS)
#define HAK_LEAF_SIZE ((size_t)1 << HAK_LEAF_BITS)

enum {
    HAK_CODE_NONE = 0,
    HAK_CODE_CLASS_MAX = 199,
    HAK_CODE_LARGE = 240,     /* live span of the page arena */
    HAK_CODE_HUGE = 241,      /* live mapping of its own */
    HAK_CODE_SPAN_FREE = 242, /* free span of the page arena: its first and last granule */
    HAK_CODE_SLAB_FREE = 243  /* slot of a SuperSlab that serves no class */
};

struct hak_pagemap_leaf {
    _Atomic uint32_t word[HAK_LEAF_SIZE];
    _Atomic(void *) record[HAK_LEAF_SIZE];
};

extern _Atomic(struct hak_pagemap_leaf *) hak__pagemap_root[HAK_ROOT_SIZE];

HAK_INLINE struct hak_pagemap_leaf *hak__pagemap_leaf(uintptr_t address)
{
    uintptr_t index = address >> (HAK_ROOT_SHIFT - 1) >> 1;
    if (hak_unlikely(index >= HAK_ROOT_SIZE))
        return NULL;
    return hak_load_acquire(&hak__pagemap_root[index]);
}

HAK_INLINE size_t hak__pagemap_index(uintptr_t address)
{
    return (address >> HAK_GRANULE_SHIFT) & (HAK_LEAF_SIZE - 1);
}

/* owner << 8 | code of the granule that holds the address; 0 when it is not ours. */
HAK_INLINE uint32_t hak__pagemap_word(uintptr_t address)
{
    struct hak_pagemap_leaf *leaf = hak__pagemap_leaf(address);
    return hak_likely(leaf != NULL) ? hak_load_relaxed(&leaf->word[hak__pagemap_index(address)]) : 0;
}

/* The slab or span of the granule, as its code says; only for granules that are ours. */
HAK_INLINE void *hak__pagemap_record(uintptr_t address)
{
    struct hak_pagemap_leaf *leaf = hak__pagemap_leaf(address);
    return leaf != NULL ? hak_load_relaxed(&leaf->record[hak__pagemap_index(address)]) : NULL;
}

/* Makes sure that the range has leaves; after that, setting cannot fail. Any thread. */
bool hak__pagemap_ensure(uintptr_t address, size_t size);

/* Sets a granule's word and record, the record first. Only whoever holds the granule alone. */
void hak__pagemap_set(uintptr_t address, uint32_t word, void *record);

/* Sets the words of a run of granules, all with one record. */
void hak__pagemap_set_run(uintptr_t address, size_t units, uint32_t word, void *record);

#endif

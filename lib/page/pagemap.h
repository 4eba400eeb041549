/* SPDX-License-Identifier: MIT */
/*
 * The page map: what any address belongs to, without touching it.
 *
 *     address - HAK_MAP_BEGIN  [ root index | leaf index | offset in the 64 KiB granule ]
 *                                   |             |
 *     root[] ──► leaf ──► word[]   owner << 9 | growing << 8 | code   read by every free
 *                    └──► record[] slab or span        read by slow paths
 *
 * The root holds distances from the leaf none, which stands in front of it and is never
 * written: a root that is all zeroes leads every address to words that are zero, and
 * the search has no branch for absent leaves.
 *
 * Code 0 means that the granule is not ours, or far inside of a mapping (pieces.h); codes 1 to
 * HAK_CODE_CLASS_MAX are a size class plus one; the others are below. For a program that holds a
 * block the code of its granule is stable (it changes only when no block of the
 * slab is out), and the hand-over of the block orders the reads, so relaxed
 * loads suffice. The owner is a hint: stale, it costs locality, never
 * correctness. Leaves are never given back.
 *
 * A granule is growing while its slab has places that were never handed out. It shows an owner
 * then only if it is the slab from which that heap carves, so the heap knows by the class alone how
 * many blocks there are (heap.h). Other free ones of the kind are nobody's, and looked up.
 */
#ifndef HAK_PAGE_PAGEMAP_H
#define HAK_PAGE_PAGEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/params.h"

#if defined(__x86_64__) && defined(__LP64__)
#define HAK_ADDRESS_BITS 47
#define HAK_LEAF_BITS 16
#elif UINTPTR_MAX > 0xffffffffu
#define HAK_ADDRESS_BITS 48
#define HAK_LEAF_BITS 16
#else
#define HAK_ADDRESS_BITS 32
#define HAK_LEAF_BITS 10
#endif
#define HAK_ROOT_BITS (HAK_ADDRESS_BITS - HAK_GRANULE_SHIFT - HAK_LEAF_BITS)
#define HAK_ROOT_SIZE ((size_t)1 << HAK_ROOT_BITS)
#define HAK_LEAF_SIZE ((size_t)1 << HAK_LEAF_BITS)
/*
 * The first address that the map covers: a free of NULL, which programs do all the time, does not touch
 * the map's first pages. No system maps memory below it without being asked for that place, where there
 * is room enough.
 */
#define HAK_MAP_BEGIN (HAK_ADDRESS_BITS > 32 ? (uintptr_t)64 << 20 : 0)

enum {
    HAK_CODE_NONE = 0,
    HAK_CODE_CLASS_MAX = 199,
    HAK_CODE_INSIDE = 200,    /* and above: further granules of a live span or mapping; no record */
    HAK_CODE_LARGE = 240,     /* live span of the page arena: its first granule */
    HAK_CODE_HUGE = 241,      /* live mapping of its own: its first granule */
    HAK_CODE_SPAN_FREE = 242, /* free span of the page arena: its first and last granule */
    HAK_CODE_SLAB_FREE = 243, /* slot of a SuperSlab that serves no class */
    HAK_CODE_SPAN_INSIDE = 244 /* one of the page arena that serves no block; has no record */
};

/* HAK_CODE_INSIDE + k stands for 2^k granules (pieces.h). */
enum { HAK_INSIDE_LEVELS = HAK_ADDRESS_BITS - HAK_GRANULE_SHIFT };
static_assert(HAK_CODE_INSIDE + HAK_INSIDE_LEVELS <= HAK_CODE_LARGE, "codes are distinct");

HAK_INLINE bool hak__is_inside(uint32_t word)
{
    return word - HAK_CODE_INSIDE < HAK_INSIDE_LEVELS;
}

enum { HAK_GROWING = 0x100, HAK_OWNER_SHIFT = 9 };

/* The owner of slabs of sampled blocks (cache/sampled.h); the last heap has a lower number. */
enum { HAK_OWNER_SAMPLED = 0x7fffff };

/* The heap that a word shows. */
HAK_INLINE uint32_t hak__owner_of(uint32_t word)
{
    return word >> HAK_OWNER_SHIFT;
}

struct hak_pagemap_leaf {
    _Atomic uint32_t word[HAK_LEAF_SIZE];
    _Atomic(void *) record[HAK_LEAF_SIZE];
};

struct hak_pagemap {
    uint32_t none[HAK_LEAF_SIZE]; /* never written: the words of a leaf without records */
    char half_page[2048]; /* systems map from the top, whose entries begin a page that others go on */
    /* 0, then for good the leaf's distance from none, in words of a leaf; any thread, by CAS-release */
    HAK_CACHE_ALIGNED _Atomic uintptr_t root[HAK_ROOT_SIZE];
};

extern struct hak_pagemap hak__pagemap;

/* Where an address is shown. */
struct hak_pagemap_place {
    uintptr_t root, index;
};

HAK_INLINE struct hak_pagemap_place hak__pagemap_place(uintptr_t address)
{
    uintptr_t granule = (address - HAK_MAP_BEGIN) >> HAK_GRANULE_SHIFT;
    hak_opaque(granule); /* or the compiler shifts the address twice */
    uintptr_t index = granule & (HAK_LEAF_SIZE - 1);
    hak_opaque(index);
    uintptr_t root = granule >> HAK_LEAF_BITS;
    hak_opaque(root); /* or it keeps the granule, to compare that with the end of the map */
    struct hak_pagemap_place place = {root, index};
    return place;
}

/* The granule that is shown there. */
HAK_INLINE uintptr_t hak__pagemap_address(struct hak_pagemap_place place)
{
    return ((place.root << HAK_LEAF_BITS | place.index) << HAK_GRANULE_SHIFT) + HAK_MAP_BEGIN;
}

HAK_INLINE bool hak__pagemap_covers(struct hak_pagemap_place place)
{
    return place.root < HAK_ROOT_SIZE;
}

/* Distances wrap: a leaf may be below the map. */
HAK_INLINE uintptr_t hak__pagemap_at_distance(uintptr_t words)
{
    uintptr_t map = (uintptr_t)&hak__pagemap;
    hak_opaque(map); /* or the compiler adds the next constant with an instruction of its own */
    return map + offsetof(struct hak_pagemap, none) + words * sizeof(uint32_t);
}

/* The leaf of a place that the map covers; one with words only where there is no other. */
HAK_INLINE struct hak_pagemap_leaf *hak__pagemap_leaf(struct hak_pagemap_place place)
{
    return (struct hak_pagemap_leaf *)hak__pagemap_at_distance(
        hak_load_acquire(&hak__pagemap.root[place.root]));
}

/* The words are what a leaf begins with. */
HAK_INLINE uint32_t hak__pagemap_word_at(struct hak_pagemap_place place)
{
    uintptr_t map = (uintptr_t)&hak__pagemap;
    hak_opaque(map);
    uintptr_t index =
        hak__add_acquired(place.index, &((const struct hak_pagemap *)map)->root[place.root]);
    const _Atomic uint32_t *word =
        (const _Atomic uint32_t *)(map + offsetof(struct hak_pagemap, none) + index * sizeof *word);
    return hak_load_relaxed(word);
}

/* The word of the granule that holds the address; 0 when it is not shown. */
HAK_INLINE uint32_t hak__pagemap_word(uintptr_t address)
{
    struct hak_pagemap_place place = hak__pagemap_place(address);
    return hak_likely(hak__pagemap_covers(place)) ? hak__pagemap_word_at(place) : 0;
}

/* The slab or span of the granule, as its code says; only for granules that have one. */
HAK_INLINE void *hak__pagemap_record(uintptr_t address)
{
    struct hak_pagemap_place place = hak__pagemap_place(address);
    return hak_load_relaxed(&hak__pagemap_leaf(place)->record[place.index]);
}

/*
 * The word for one who holds no block of the granule. Acquire pairs with the release of
 * hak__pagemap_set: the record is at least as new as the word.
 */
HAK_INLINE uint32_t hak__pagemap_word_acquire(uintptr_t address)
{
    struct hak_pagemap_place place = hak__pagemap_place(address);
    return hak__pagemap_covers(place)
               ? hak_load_acquire(&hak__pagemap_leaf(place)->word[place.index])
               : 0;
}

/* Moves an address up to the first granule from there on that may serve blocks; false: there is none. */
bool hak__pagemap_find(uintptr_t *address);

/*
 * The end of the part from an address on, at most up to end, that is the map's own memory as a whole
 * or not at all. Whole pages.
 */
uintptr_t hak__pagemap_own_part(uintptr_t address, uintptr_t end, bool *own);

/* Makes sure that the range has leaves; after that, setting cannot fail. Any thread. */
bool hak__pagemap_ensure(uintptr_t address, size_t size);

/* Sets a granule's word and record, the record first; release. Only whoever holds the granule alone. */
void hak__pagemap_set(uintptr_t address, uint32_t word, void *record);

/* Sets the words of a run of granules, all with one record. */
void hak__pagemap_set_run(uintptr_t address, size_t units, uint32_t word, void *record);

/* The same for words that have no record: what is there stays and is not looked at. */
void hak__pagemap_set_words(uintptr_t address, size_t units, uint32_t word);

/* Sets the first granule of a run, and each other to HAK_CODE_INSIDE. */
void hak__pagemap_show(uintptr_t address, size_t units, uint32_t word, void *record);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * TinySlabMeta: the record of a slab, apart from the user's memory.
 *
 * One atomic word is the state of the slab:
 *
 *     bits   0-12  head     number of the first free block, HAK_SLAB_NO_BLOCK at the end
 *     bits  13-25  free     length of that list
 *     bits  26-38  carved   blocks 0 … carved-1 have been handed out at least once
 *     bits  39-41  state    below
 *     bits  42-63  tag      counts the changes of state
 *
 *     carved = live + cached + batched + free
 *
 *            acquire               exhausted
 *     CLAIMED ────────► CURRENT ────────────► FULL
 *       ▲  ▲               │ owner leaves       │ a push
 *       │  │               ▼                    ▼
 *       │  └─ a push ── PARTIAL ◄─────────── OWNED   (OWNED by the owner's push,
 *       │     that                owner       │       PARTIAL by any other)
 *       │     empties             lets go     │
 *       └─────────────────────────────────────┘ a push that empties
 *
 *     UNUSED   the slot serves no class
 *     CLAIMED  in the hands of one thread, which releases or re-uses it
 *     CURRENT  the slab from which a heap takes blocks; only its owner pops and
 *              carves; exempt from claiming, also when it is empty
 *     OWNED    kept by a heap for later (its L0); whoever empties it claims it
 *     PARTIAL  on the pool's list of its class; anybody may claim it
 *     FULL     no free block and none to carve; on no list
 *
 * Whoever wins the CAS that changes the state, and nobody else, may then touch
 * the plain fields and write the owner into the page map.
 */
#ifndef HAK_SLAB_SLAB_META_H
#define HAK_SLAB_SLAB_META_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/params.h"

enum slab_state {
    SLAB_UNUSED,
    SLAB_CLAIMED,
    SLAB_CURRENT,
    SLAB_OWNED,
    SLAB_PARTIAL,
    SLAB_FULL
};

struct SuperSlab;

#if HAK_FREELIST_SPINLOCK
typedef uint64_t slab_word_t;
#else
typedef _Atomic uint64_t slab_word_t;
#endif

typedef struct TinySlabMeta {
    /* only through slab_freelist_atomic.h */
    _Alignas(64) slab_word_t freelist_word;
    _Atomic uint8_t freelist_lock; /* of the spinlock backend */

    /* constant while a block is out; written while CLAIMED */
    uint8_t class_idx;
    uint8_t slot;       /* first granule within the SuperSlab */
    uint8_t units;      /* granules */
    uint16_t capacity;  /* blocks */
    bool listed;        /* on the pool's list of its class; under that list's lock */
    uint32_t size;      /* of a block, in bytes */
    uint32_t inverse;   /* floor(2^32 / size) + 1: offset * inverse >> 32 is a block's number */
    uintptr_t base;
    struct SuperSlab *super;

    /* links of the one list that the slab is on, under that list's lock */
    struct TinySlabMeta *next, *prev;
} TinySlabMeta;

static_assert(sizeof(TinySlabMeta) == 64, "a record is one cache line");

#endif

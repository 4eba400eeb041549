/* SPDX-License-Identifier: MIT */
/*
 * TinySlabMeta: the record of a slab, apart from the user's memory.
 *
 * One atomic word holds what threads share; doc/slab-states.md has its fields,
 * its states, and who may move a slab from one to another:
 *
 *     bits   0-12  head       number of the first free block, HAK_SLAB_NO_BLOCK at the end
 *     bits  13-25  free       length of that list, and blocks in holes (slab_holes.h)
 *     bits  26-38  carved     blocks 0 … carved-1 have been handed out at least once
 *     bits  39-41  state      below
 *     bits  42-47  class_idx  what the slab serves
 *     bits  48-63  tag        counts the changes of state
 *
 *     carved = live + cached + batched + free
 *
 * Whoever wins the CAS that changes the state, and nobody else, may then touch
 * the plain fields and write the owner into the page map. Records stand in
 * their SuperSlab's and are never given back.
 */
#ifndef HAK_SLAB_SLAB_META_H
#define HAK_SLAB_SLAB_META_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/params.h"
#include "slab/size_class.h"

enum slab_state {
    SLAB_UNUSED,  /* serves no class; belongs to whoever holds its slot */
    SLAB_CLAIMED, /* emptied: in the hands of the one thread that gives it back */
    SLAB_CURRENT, /* the slab from which a heap takes blocks; exempt from claiming */
    SLAB_OWNED,   /* kept by a heap for later (its L0) */
    SLAB_PARTIAL, /* shown by the pool; anybody may claim it */
    SLAB_FULL     /* no free block and none to carve */
};

struct SuperSlab;

#if HAK_FREELIST_ATOMIC
typedef _Atomic uint64_t slab_word_t;
#else
typedef uint64_t slab_word_t;
#endif

typedef struct TinySlabMeta {
    /* only through slab_freelist_atomic.h */
    _Alignas(64) slab_word_t freelist_word;
    _Atomic uint8_t freelist_lock; /* of the spinlock backend */

    /* constant in the life of the record */
    uint8_t slot; /* first granule within the SuperSlab */
    _Atomic uint16_t pages; /* of this granule alone, those that have memory (slab_pages.h) */
    _Atomic uint16_t holes; /* blocks in holes (slab_holes.h); by the holder of CURRENT */
    uint16_t looked;        /* by whoever makes holes, under its lock */
    struct SuperSlab *super;

    /* constant while a block is out; written by whoever holds the slot alone */
    uint8_t class_idx;
    uint8_t units;     /* granules */
    bool cold;         /* some of its pages had no memory when this life began */
    uint16_t capacity; /* blocks */
    uint32_t size;     /* of a block, in bytes */
    uint32_t inverse;  /* floor(2^32 / size) + 1: offset * inverse >> 32 is a block's number */
    uintptr_t base;
    _Atomic uint32_t lives; /* how often it began to serve a class; by whoever holds the slot alone */
    uint32_t next_sampled;  /* of a slab of sampled blocks; under their lock (cache/sampled.c) */
    uint64_t link_key; /* of this life, in the links of free blocks; as class_idx */
} TinySlabMeta;

static_assert(sizeof(TinySlabMeta) == 64, "a record is one cache line");
static_assert(HAK_CLASS_STARTER < 64, "a class has six bits in the word");

#endif

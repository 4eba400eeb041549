/* SPDX-License-Identifier: MIT */
/*
 * The starter: a slab from which the first blocks of a process come, of all classes side by side.
 *
 *     slab   [ C4        ][ C0 ][ C9                    ] …    places of 16 bytes
 *     kind     5 0 0 0 0    1     10 0 0 0 0 0 0 0 0 0 0       a byte a place
 *
 * The first use of a class costs a page, and programs that allocate little use many classes once or
 * twice. So the process's first heap takes blocks from here until it has had some of a class; then
 * the class gets a slab. A place is handed out once: what is freed stays unused. That bounds what the
 * starter can cost, and tells every misuse of its blocks, for a kind says for good what a place was.
 *
 * The page map shows a code of its own for the slab, so that every free and every question takes its
 * slow path. The slab stays CURRENT and has places left; it belongs to nobody in the page map. When it is
 * full or the heap is flushed the starter is closed, and given back with its last block.
 */
#ifndef HAK_SLAB_STARTER_H
#define HAK_SLAB_STARTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "slab/size_class.h"
#include "slab/slab_meta.h"

enum {
    HAK_STARTER_SIZE = 1 << HAK_STARTER_SHIFT,
    HAK_STARTER_KINDS = HAK_STARTER_SIZE / HAK_ALIGNMENT, /* as many as the slab has places */
    HAK_STARTER_PLACES = 8191, /* of these are handed out: as many as the slab's word can count */
    HAK_STARTER_FREED = 0x80 /* in a kind: the block that began here was freed */
};

struct hak_starter {
    /* live blocks, and one until it is closed; who takes the last one off gives the slab back */
    HAK_CACHE_ALIGNED _Atomic uint32_t holds;
    /* the thread of the first heap */
    TinySlabMeta *slab;              /* NULL: none yet, or closed */
    uint16_t taken[HAK_CLASS_COUNT]; /* bytes */
    /* Class + 1 where a block begins, by whoever takes it; then FREED, too, by CAS of whoever frees it. */
    _Atomic uint8_t kind[HAK_STARTER_KINDS];
};

/* NULL, then for good the record; by the thread of the first heap, release. */
extern _Atomic(struct hak_starter *) hak__starter;

/* A block that was handed out. */
struct hak_starter_block {
    uintptr_t start;
    unsigned class_idx;
    bool live;
};

/* A block, or NULL when there is none for the class (any more). The thread of the first heap alone. */
void *hak__starter_take(unsigned class_idx);

/* The block that begins at an address; false when none does. Any thread. */
bool hak__starter_begins(uintptr_t address, struct hak_starter_block *block);

/* The block in which an address of the starter lies; false when none was handed out there. Any thread. */
bool hak__starter_find(uintptr_t address, struct hak_starter_block *block);

/* The size of the live block that begins at an address, or 0. Any thread. */
static inline size_t hak__starter_extent(uintptr_t address)
{
    struct hak_starter_block block;
    bool begins = hak__starter_begins(address, &block) && block.live;
    return begins ? hak__class_size(block.class_idx) : 0;
}

/* Ends the live block that begins at an address; false when it has ended already. Any thread. */
bool hak__starter_free(uintptr_t start);

/* No more blocks are handed out. The thread of the first heap alone. */
void hak__starter_close(void);

/* How many blocks were handed out, and how many of these were freed. At rest. */
void hak__starter_count(size_t *blocks, size_t *freed);

#endif

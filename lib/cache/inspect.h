/* SPDX-License-Identifier: MIT */
/*
 * Inspecting blocks that the caller does not hold, while others allocate and free.
 *
 * A large block is free when its record says so (span_cache.h), a small one when it has the mark of a
 * free block (thread_cache.h), which is part of the block. So the memory must be mapped while it is
 * read, and the slab must be the same before and after:
 *
 *  - Memory of the page arena is unmapped under its lock alone, after the page map no longer shows
 *    it (doc/memory-orders.md). Whoever holds the lock and sees a slab or span shown reads memory
 *    that stays mapped. A record is of the type that the code says: a granule goes from a slab to a
 *    span and back by way of the arena, under the same lock.
 *  - `lives` of the slab's record counts up before each life, by whoever holds the slot alone. The
 *    reader takes it, the word, the marks, the word and `lives` again; acquire loads of the first
 *    count, of the first word and of the marks keep all of them in this order, between the two counts. A mark, or
 *    what the program wrote in its place, that is of a later life was stored behind the release
 *    fence that follows the count, so the last look sees another count; the release of the count
 *    itself keeps the end of the life before in front of it, so the first state is not older than
 *    the first count. A count and a state that stay are one life.
 *  - A huge block's record changes under the lock of huge blocks while it is shown.
 *
 * What the program writes in live blocks meanwhile does not matter: it is not a mark. In blocks
 * that are being carved anything may stand. model/inspect.pml checks the second point.
 */
#ifndef HAK_CACHE_INSPECT_H
#define HAK_CACHE_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slab/slab_meta.h"
#include "slab/starter.h"

/* The blocks of a slab, or one that is a span or mapping. */
struct hak_inspected {
    uint32_t code;      /* of the page map: a class plus one, STARTER, LARGE or HUGE */
    uint32_t owner;     /* id of a heap, 0: none */
    bool owner_alive;   /* it is attached to a thread */
    uintptr_t base;     /* of the slab, span or mapping */
    size_t size;        /* likewise */
    size_t block_size;  /* of the starter: of a place, where a block may begin */
    uint32_t carved;    /* blocks, the last of which may be free */
    uint8_t live[HAK_STARTER_KINDS / 8]; /* by number of block; without checks all that were handed out */
};

/* What covers the address, or false when nothing does. Any thread, without locks held. */
bool hak__inspect(uintptr_t address, struct hak_inspected *inspected);
/* What its granule belongs to, which may begin behind the address. */
bool hak__look_at(uintptr_t address, struct hak_inspected *inspected);

static inline bool hak__inspected_is_live(const struct hak_inspected *inspected, uint32_t index)
{
    return (inspected->live[index / 8] >> index % 8 & 1) != 0;
}

#endif

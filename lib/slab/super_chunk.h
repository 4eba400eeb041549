/* SPDX-License-Identifier: MIT */
/*
 * Chunks: SuperSlabs by number, with the sets in which they are found; and the sets in which chunks
 * are found, so that no search grows with the number of chunks.
 *
 * A chunk has the SuperSlabs of 4 GiB. Chunks behind the first are members of further sets, one level
 * up, whose words are the roots of the chunk's own. The rule of super_set.h holds for each of the four
 * levels. A process with one chunk touches none of the upper ones.
 */
#ifndef HAK_SLAB_SUPER_CHUNK_H
#define HAK_SLAB_SUPER_CHUNK_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "slab/size_class.h"
#include "slab/super_set.h"

enum { HAK_ORDERS = 4 }; /* slabs of 1, 2, 4 and 8 slots */
enum { HAK_EVER_WARM = 63 };
static_assert((int)HAK_CLASS_COUNT <= (int)HAK_EVER_WARM, "a bit for each class, and one more");

struct SuperSlab;

/* Chunks are only ever added. */
struct super_chunk {
    _Atomic(struct super_chunk *) next; /* set once, under the lock; release */
    size_t first; /* number of the first member over all chunks; constant */
    /*
     * Bit i: a slab of class i was ever shown; HAK_EVER_WARM: there was ever a warm slot. Any thread,
     * never cleared. A process that frees no slab touches nothing behind the first members.
     */
    _Atomic uint64_t ever;
    struct super_set open[HAK_ORDERS]; /* run of unused slots */
    _Atomic(struct SuperSlab *) member[HAK_SET_SIZE]; /* set once, under the lock; release */
    struct super_set warm[HAK_ORDERS]; /* run of slots, all unused and dirty */
    struct super_set partial[HAK_CLASS_COUNT];
};

/* The first chunk, whose `next` leads to the others. */
extern struct super_chunk hak__super_chunks;

/* The SuperSlab of a number, or NULL; and the chunk behind one, or NULL. Any thread. */
HAK_INLINE struct SuperSlab *hak__chunk_member(struct super_chunk *chunk, unsigned number)
{
    return hak_load_acquire(&chunk->member[number]);
}

HAK_INLINE struct super_chunk *hak__chunk_next(struct super_chunk *chunk)
{
    return hak_load_acquire(&chunk->next);
}

/* Whether a bit of `ever` is set. Any thread. */
HAK_INLINE bool hak__chunk_was_ever(struct super_chunk *chunk, unsigned bit)
{
    return (hak_load_acquire(&chunk->ever) >> bit & 1) != 0;
}

/* A set of a chunk, and that of the chunks whose word is its root. */
struct chunk_set {
    struct super_set *near, *far;
};

/* SuperSlabs that may have a run of unused slots, warm ones or any. */
struct chunk_set hak__chunk_slots(struct super_chunk *chunk, unsigned order, bool warm);
/* SuperSlabs that may have a PARTIAL slab of a class. */
struct chunk_set hak__chunk_partial(struct super_chunk *chunk, unsigned class_idx);

/* After the caller's read-modify-write has made the thing be there in a SuperSlab. Any thread. */
void hak__chunk_put(const struct super_chunk *chunk, unsigned number, struct chunk_set set);

/* A search has found nothing in the chunk: out of the set, unless that has changed meanwhile. Any thread. */
void hak__chunk_strike_out(const struct super_chunk *chunk, struct chunk_set set);

/* The next chunk in which something may be, or NULL. Any thread. */
struct super_chunk *hak__chunk_after(const struct super_chunk *chunk, struct chunk_set set);

/* A new chunk, whose `first` is set, can be found from then on; false if it is one too many. Under the lock. */
bool hak__chunk_list(struct super_chunk *chunk);

#endif

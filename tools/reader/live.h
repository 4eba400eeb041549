/* SPDX-License-Identifier: MIT */
/*
 * Which block an address lies in, for all blocks of a process at once, with some bits for each.
 *
 *     address ──► granule ──► slab ──┐
 *         └──► single (by search) ───┴──► number of the block ──► bits
 *
 * A block takes a few bits, a slab a record: some hundredths of what the blocks take. The records come
 * from reader_walk_slabs, by rising address, and do not overlap.
 */
#ifndef HAK_TOOLS_READER_LIVE_H
#define HAK_TOOLS_READER_LIVE_H

#include "page/pagemap.h"
#include "reader/walk.h"

enum live_bit {
    LIVE_IN_USE,
    LIVE_WANTED,  /* is followed when something leads to it */
    LIVE_REACHED, /* something leads to it */
    LIVE_SEARCHED, /* what it leads to was reached, too */
    LIVE_FIRST,   /* nothing has led to it when it was searched (lost.h) */
    LIVE_BITS,
    LIVE_KNOWN = LIVE_FIRST /* before there are first ones: what it leads to was read (edges.h) */
};

struct live_slab {
    uintptr_t start;
    uint64_t first; /* the number of its first block */
    uint32_t size, count;
    bool sampled, queued; /* reach.h */
};

/* A large or huge block, or one of the starter. */
struct live_single {
    uintptr_t start;
    uint64_t size, number;
    bool sampled, queued, huge;
};

struct live {
    struct live_slab *slabs;
    struct live_single *singles;
    size_t slab_count, slab_room, single_count, single_room;
    uint32_t **leaf;      /* by the upper bits of a granule; by the lower ones: number of a slab plus 1, or 0 */
    uintptr_t low, high;  /* all blocks lie between */
    uintptr_t single_low, single_high;
    uint64_t count, room; /* of numbers */
    uint64_t *bits[LIVE_BITS];
    uint64_t blocks, bytes; /* in use */
    struct reader_summary summary;
};

struct live_block {
    uintptr_t start;
    uint64_t size, number;
    bool sampled, is_single;
    size_t owner; /* the slab or single */
};

/*
 * Reads all records, and which blocks are in use; with `unread` free ones that have a mark are taken for such. live_free
 * frees what was made, also after a failure.
 */
enum reader_result live_read(struct live *live, const struct remote_memory *memory,
                             const struct hak_stats_block *block, bool unread);
/* Makes the other bits, all zero; false without memory. */
bool live_add_bits(struct live *live);
void live_free(struct live *live);

/* The block in which an address lies, in use or not; false if there is none. */
bool live_find(const struct live *live, uintptr_t address, struct live_block *block);

/* The block of a number; false if there is none. */
bool live_numbered(const struct live *live, uint64_t number, struct live_block *block);

/* The block in which an address lies, among singles alone. */
bool live_find_single(const struct live *live, uintptr_t address, struct live_block *block);

/* The number plus 1 of the slab in which an address lies, or behind whose last block; 0 if there is none. */
static inline uint32_t live_slab_at(const struct live *live, uintptr_t address)
{
    uintptr_t granule = address >> HAK_GRANULE_SHIFT, root = granule >> HAK_LEAF_BITS;
    const uint32_t *leaf = root < HAK_ROOT_SIZE ? live->leaf[root] : NULL;
    return leaf != NULL ? leaf[granule & (HAK_LEAF_SIZE - 1)] : 0;
}

/* 64 bits from a number on that is a multiple of that. Other threads may set some. */
static inline uint64_t live_word(const struct live *live, enum live_bit bit, uint64_t number)
{
    return __atomic_load_n(&live->bits[bit][number / 64], __ATOMIC_RELAXED);
}

static inline bool live_has(const struct live *live, enum live_bit bit, uint64_t number)
{
    return (live_word(live, bit, number) >> (number % 64) & 1) != 0;
}

/* No other thread may change a bit of a block of the same slab, or of any single. */
static inline void live_set(struct live *live, enum live_bit bit, uint64_t number)
{
    uint64_t word = live_word(live, bit, number) | (uint64_t)1 << (number % 64);
    __atomic_store_n(&live->bits[bit][number / 64], word, __ATOMIC_RELAXED);
}

/* Any thread may: true for the one that has set it. */
static inline bool live_take(struct live *live, enum live_bit bit, uint64_t number)
{
    uint64_t mask = (uint64_t)1 << (number % 64);
    return (__atomic_fetch_or(&live->bits[bit][number / 64], mask, __ATOMIC_SEQ_CST) & mask) == 0;
}

static inline void live_unset(struct live *live, enum live_bit bit, uint64_t number)
{
    live->bits[bit][number / 64] &= ~((uint64_t)1 << (number % 64));
}

/* Whether any block of a slab has a bit. */
bool live_slab_has(const struct live *live, enum live_bit bit, const struct live_slab *slab);

void live_unset_all(struct live *live, enum live_bit bit);
/* Sets a bit of all blocks to another one, or where `without` is one more: those that do not have that. */
void live_copy(struct live *live, enum live_bit to, enum live_bit from, enum live_bit without);

/* Blocks that have a bit, by rising address of slabs and then of singles; false ends it, and is returned. */
typedef bool live_visit(struct live *live, const struct live_block *block, void *context);
bool live_each(struct live *live, enum live_bit bit, live_visit *visit, void *context);

/* The slabs and singles that have blocks with a bit: the largest blocks first, those of a size by rising address. */
struct live_order {
    struct live_owner {
        uint64_t size; /* of a block */
        uintptr_t start;
        size_t number; /* of the slab or single */
        bool is_single;
    } *owner;
    size_t count;
};

/* Finds the order; false without memory. live_order_free frees it. */
bool live_order(const struct live *live, enum live_bit bit, struct live_order *order);
void live_order_free(struct live_order *order);

/* Visits, in an order or from its last block to its first, the blocks that have a bit now. */
bool live_each_in_order(struct live *live, const struct live_order *order, enum live_bit bit, bool backwards,
                        live_visit *visit, void *context);

#endif

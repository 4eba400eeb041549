/* SPDX-License-Identifier: MIT */
/*
 * The only door to a slab's freelist, its counts and its state.
 *
 * The list links free blocks by number through their first four bytes; a
 * number is checked against `carved` whenever it is followed. Everything is in
 * one word (slab_meta.h), changed by compare-and-swap:
 *
 *  - push of a chain: any thread that holds the blocks. CAS-release publishes
 *    the links that the pusher wrote; it pairs with the acquire of whoever
 *    takes the blocks. Pushes only prepend, so no ABA: the head that a pusher
 *    links to is compared, and it does not matter who else pushed or took
 *    between, since the link is rewritten on every try.
 *  - pop: by the holder of CURRENT alone. It reads the links of blocks that
 *    nobody else can take out (only the holder takes, and nobody but the holder
 *    ends CURRENT), so they stand still; others can only prepend, which changes
 *    the head and makes the CAS fail. So an old head that returns between read
 *    and CAS, the ABA case, would need a second taker, which cannot exist.
 *  - take all: by the holder of CURRENT; nothing is read from a block before
 *    the CAS-acquire succeeds.
 *  - carve: by the holder of CURRENT; a count, no block is read.
 *  - change of state: CAS, bumps the tag, so that a remembered (slab, tag) pair
 *    tells whether anybody else has changed the state since.
 *
 * A caller that saw the list non-empty must still handle an empty pop.
 *
 * The spinlock backend keeps the word under a lock of one byte; nothing outside
 * this header knows which is used.
 */
#ifndef HAK_SLAB_SLAB_FREELIST_ATOMIC_H
#define HAK_SLAB_SLAB_FREELIST_ATOMIC_H

#include "base/check.h"
#include "slab/size_class.h"
#include "slab/slab_meta.h"

#define HAK_SLAB_NO_BLOCK 0x1fffu
#define HAK_SLAB_FIELD 0x1fffu

/* The fields of a word, taken apart. */
struct slab_view {
    uint32_t head, free, carved, state, tag;
};

/* Never returns: a number led outside the blocks that were handed out. */
HAK_NORETURN void hak__slab_corrupted(const TinySlabMeta *meta, const void *node);
/* Encodes the links of the debug build. */
extern uint32_t hak__slab_link_secret;

HAK_INLINE struct slab_view slab_freelist_unpack(uint64_t word)
{
    struct slab_view view = {(uint32_t)word & HAK_SLAB_FIELD,
                             (uint32_t)(word >> 13) & HAK_SLAB_FIELD,
                             (uint32_t)(word >> 26) & HAK_SLAB_FIELD,
                             (uint32_t)(word >> 39) & 7, (uint32_t)(word >> 42)};
    return view;
}

HAK_INLINE uint64_t slab_freelist_pack(struct slab_view view)
{
    return (uint64_t)view.head | (uint64_t)view.free << 13 | (uint64_t)view.carved << 26 |
           (uint64_t)view.state << 39 | (uint64_t)view.tag << 42;
}

/* ---- backend: the word ------------------------------------------------- */

#if HAK_FREELIST_SPINLOCK

HAK_INLINE void slab_freelist_lock(TinySlabMeta *meta)
{
    uint8_t expected = 0;
    while (!hak_cas_acquire(&meta->freelist_lock, &expected, 1))
        expected = 0;
}

HAK_INLINE void slab_freelist_unlock(TinySlabMeta *meta)
{
    hak_store_release(&meta->freelist_lock, 0);
}

HAK_INLINE uint64_t slab_freelist_word_load(TinySlabMeta *meta)
{
    slab_freelist_lock(meta);
    uint64_t word = meta->freelist_word;
    slab_freelist_unlock(meta);
    return word;
}

HAK_INLINE void slab_freelist_word_store(TinySlabMeta *meta, uint64_t word)
{
    slab_freelist_lock(meta);
    meta->freelist_word = word;
    slab_freelist_unlock(meta);
}

HAK_INLINE bool slab_freelist_word_swap(TinySlabMeta *meta, uint64_t *expected, uint64_t desired)
{
    slab_freelist_lock(meta);
    uint64_t found = meta->freelist_word;
    bool same = found == *expected;
    if (same)
        meta->freelist_word = desired;
    slab_freelist_unlock(meta);
    *expected = found;
    return same;
}

#else

HAK_INLINE uint64_t slab_freelist_word_load(TinySlabMeta *meta)
{
    return hak_load_acquire(&meta->freelist_word);
}

HAK_INLINE void slab_freelist_word_store(TinySlabMeta *meta, uint64_t word)
{
    hak_store_release(&meta->freelist_word, word);
}

/* Acquire for what is taken, release for what is given: most changes do both at times. */
HAK_INLINE bool slab_freelist_word_swap(TinySlabMeta *meta, uint64_t *expected, uint64_t desired)
{
    return hak_cas_acq_rel(&meta->freelist_word, expected, desired);
}

#endif

/* ---- blocks and links -------------------------------------------------- */

HAK_INLINE struct slab_view slab_freelist_view(TinySlabMeta *meta)
{
    return slab_freelist_unpack(slab_freelist_word_load(meta));
}

HAK_INLINE void *slab_freelist_block(const TinySlabMeta *meta, uint32_t index)
{
    return (void *)(meta->base + (uintptr_t)index * meta->size);
}

/* The number of the block that starts at node; exact for block starts. */
HAK_INLINE uint32_t slab_freelist_index(const TinySlabMeta *meta, const void *node)
{
    return (uint32_t)((uint64_t)((uintptr_t)node - meta->base) * meta->inverse >> 32);
}

HAK_INLINE uint32_t slab_freelist_encode(const void *node, uint32_t index)
{
    return HAK_DEBUG ? index ^ hak__slab_link_secret ^ (uint32_t)((uintptr_t)node >> 4) : index;
}

/* Links a block that the caller holds to another, by number. */
HAK_INLINE void slab_freelist_link(void *node, uint32_t next)
{
    *(uint32_t *)node = slab_freelist_encode(node, next);
}

/* Follows the link of a free block; carved bounds what it may hold. */
HAK_INLINE uint32_t slab_freelist_next(const TinySlabMeta *meta, const void *node, uint32_t carved)
{
    uint32_t next = slab_freelist_encode(node, *(const uint32_t *)node);
    if (hak_unlikely(next >= carved && next != HAK_SLAB_NO_BLOCK))
        hak__slab_corrupted(meta, node);
    return next;
}

/* ---- checks and plain access ------------------------------------------- */

/* Relaxed in meaning: the answer may be old when it is used. */
HAK_INLINE bool slab_freelist_is_empty(TinySlabMeta *meta)
{
    return slab_freelist_view(meta).free == 0;
}

HAK_INLINE bool slab_freelist_is_nonempty(TinySlabMeta *meta)
{
    return !slab_freelist_is_empty(meta);
}

/* The first free block, or NULL; for checks and statistics only. */
HAK_INLINE void *slab_freelist_load_relaxed(TinySlabMeta *meta)
{
    struct slab_view view = slab_freelist_view(meta);
    return view.free == 0 ? NULL : slab_freelist_block(meta, view.head);
}

/*
 * Makes the list start at node (NULL: empty). Only while the slab is private to
 * the caller: a plain store would lose what others push.
 */
HAK_INLINE void slab_freelist_store_relaxed(TinySlabMeta *meta, void *node)
{
    struct slab_view view = slab_freelist_view(meta);
    HAK_ASSERT(view.state == SLAB_CLAIMED || view.state == SLAB_UNUSED);
    view.head = node == NULL ? HAK_SLAB_NO_BLOCK : slab_freelist_index(meta, node);
    view.free = 0;
    for (uint32_t at = view.head; at != HAK_SLAB_NO_BLOCK; view.free++)
        at = slab_freelist_next(meta, slab_freelist_block(meta, at), view.carved);
    slab_freelist_word_store(meta, slab_freelist_pack(view));
}

/* For printing. */
#define SLAB_FREELIST_DEBUG_PTR(meta) slab_freelist_load_relaxed(meta)

/* Starts a new life of a slab that the caller holds CLAIMED: nothing carved, nothing free. */
HAK_INLINE void slab_freelist_reset(TinySlabMeta *meta, enum slab_state state)
{
    struct slab_view view = slab_freelist_view(meta);
    HAK_ASSERT(view.state == SLAB_CLAIMED || view.state == SLAB_UNUSED);
    view.head = HAK_SLAB_NO_BLOCK;
    view.free = view.carved = 0;
    view.state = state;
    view.tag = (view.tag + 1) & 0x3fffff;
    slab_freelist_word_store(meta, slab_freelist_pack(view));
}

/* ---- changes ----------------------------------------------------------- */

/*
 * Changes the state of a slab if it still has the given state and tag; pushes
 * that happen meanwhile are kept. Returns whether it did; *tag is then the new one.
 */
HAK_INLINE bool slab_freelist_change_state(TinySlabMeta *meta, enum slab_state from, uint32_t *tag,
                                           enum slab_state to)
{
    uint64_t word = slab_freelist_word_load(meta);
    for (;;) {
        struct slab_view view = slab_freelist_unpack(word);
        if (view.state != from || view.tag != *tag)
            return false;
        view.state = to;
        view.tag = (view.tag + 1) & 0x3fffff;
        if (slab_freelist_word_swap(meta, &word, slab_freelist_pack(view))) {
            *tag = view.tag;
            return true;
        }
    }
}

/*
 * Pushes a chain of blocks of the slab that the caller holds, linked from first
 * to last; highest is the largest number among them. A FULL slab becomes what when_full says, OWNED or PARTIAL; a slab of
 * which all carved blocks are now free becomes CLAIMED, by the caller, unless it
 * is CURRENT. Returns the state that the slab left, the new view in *now.
 */
HAK_INLINE enum slab_state slab_freelist_push_chain(TinySlabMeta *meta, uint32_t first, void *last,
                                                    uint32_t count, uint32_t highest,
                                                    enum slab_state when_full,
                                                    struct slab_view *now)
{
    uint64_t word = slab_freelist_word_load(meta);
    for (;;) {
        struct slab_view view = slab_freelist_unpack(word);
        enum slab_state before = (enum slab_state)view.state;
        if (hak_unlikely(highest >= view.carved || view.free + count > view.carved ||
                         before < SLAB_CURRENT))
            hak__slab_corrupted(meta, slab_freelist_block(meta, highest));
        slab_freelist_link(last, view.head);
        view.head = first;
        view.free += count;
        if (before != SLAB_CURRENT) {
            if (view.free == view.carved)
                view.state = SLAB_CLAIMED;
            else if (before == SLAB_FULL)
                view.state = when_full;
            if (view.state != before)
                view.tag = (view.tag + 1) & 0x3fffff;
        }
        if (slab_freelist_word_swap(meta, &word, slab_freelist_pack(view))) {
            *now = view;
            return before;
        }
    }
}

/* Pushes one block; as slab_freelist_push_chain, for slabs that stay with their holder. */
HAK_INLINE void slab_freelist_push_lockfree(TinySlabMeta *meta, int class_idx, void *node)
{
    HAK_ASSERT(meta->class_idx == class_idx);
    (void)class_idx;
    struct slab_view now;
    uint32_t index = slab_freelist_index(meta, node);
    slab_freelist_push_chain(meta, index, node, 1, index, SLAB_PARTIAL, &now);
}

/*
 * Takes up to n blocks into out, the head of the list last; how many it took.
 * Holder of CURRENT only.
 */
HAK_INLINE uint32_t slab_freelist_pop_batch(TinySlabMeta *meta, void **out, uint32_t n)
{
    uint64_t word = slab_freelist_word_load(meta);
    for (;;) {
        struct slab_view view = slab_freelist_unpack(word);
        uint32_t count = view.free < n ? view.free : n;
        if (count == 0)
            return 0;
        uint32_t at = view.head;
        for (uint32_t i = 0; i < count; i++) {
            void *node = slab_freelist_block(meta, at);
            out[count - 1 - i] = node;
            at = slab_freelist_next(meta, node, view.carved);
        }
        view.head = at;
        view.free -= count;
        if (slab_freelist_word_swap(meta, &word, slab_freelist_pack(view)))
            return count;
    }
}

/* Takes one block, or NULL when there is none. Holder of CURRENT only. */
HAK_INLINE void *slab_freelist_pop_lockfree(TinySlabMeta *meta, int class_idx)
{
    HAK_ASSERT(meta->class_idx == class_idx);
    (void)class_idx;
    void *node = NULL;
    return slab_freelist_pop_batch(meta, &node, 1) == 1 ? node : NULL;
}

/* Takes the whole list: its first block or NULL, the number in *count. Holder of CURRENT only. */
HAK_INLINE void *slab_freelist_take_all(TinySlabMeta *meta, uint32_t *count, uint32_t *carved)
{
    uint64_t word = slab_freelist_word_load(meta);
    for (;;) {
        struct slab_view view = slab_freelist_unpack(word);
        void *first = view.free == 0 ? NULL : slab_freelist_block(meta, view.head);
        *count = view.free;
        *carved = view.carved;
        view.head = HAK_SLAB_NO_BLOCK;
        view.free = 0;
        if (first == NULL || slab_freelist_word_swap(meta, &word, slab_freelist_pack(view)))
            return first;
    }
}

/* Hands out up to n fresh blocks, *first and its neighbours; how many. Holder of CURRENT only. */
HAK_INLINE uint32_t slab_freelist_carve(TinySlabMeta *meta, uint32_t n, uint32_t *first)
{
    uint64_t word = slab_freelist_word_load(meta);
    for (;;) {
        struct slab_view view = slab_freelist_unpack(word);
        uint32_t left = meta->capacity - view.carved;
        uint32_t count = left < n ? left : n;
        if (count == 0)
            return 0;
        *first = view.carved;
        view.carved += count;
        if (slab_freelist_word_swap(meta, &word, slab_freelist_pack(view)))
            return count;
    }
}

/* Rolls the last n blocks of a carve back: they are fresh again. Holder of CURRENT only. */
HAK_INLINE void slab_freelist_uncarve(TinySlabMeta *meta, uint32_t n)
{
    uint64_t word = slab_freelist_word_load(meta);
    for (;;) {
        struct slab_view view = slab_freelist_unpack(word);
        HAK_ASSERT(view.state == SLAB_CURRENT && view.carved >= view.free + n);
        view.carved -= n;
        if (slab_freelist_word_swap(meta, &word, slab_freelist_pack(view)))
            return;
    }
}

/* Leaves CURRENT as FULL when nothing is left in the slab; false when something is. */
HAK_INLINE bool slab_freelist_retire(TinySlabMeta *meta)
{
    uint64_t word = slab_freelist_word_load(meta);
    for (;;) {
        struct slab_view view = slab_freelist_unpack(word);
        HAK_ASSERT(view.state == SLAB_CURRENT);
        if (view.free != 0 || view.carved != meta->capacity)
            return false;
        view.state = SLAB_FULL;
        view.tag = (view.tag + 1) & 0x3fffff;
        if (slab_freelist_word_swap(meta, &word, slab_freelist_pack(view)))
            return true;
    }
}

/*
 * Leaves CURRENT or OWNED as CLAIMED when the slab is empty, as FULL when nothing
 * is left in it, as PARTIAL otherwise; for a holder that lets go. The new view in *now.
 */
HAK_INLINE void slab_freelist_let_go(TinySlabMeta *meta, struct slab_view *now)
{
    uint64_t word = slab_freelist_word_load(meta);
    for (;;) {
        struct slab_view view = slab_freelist_unpack(word);
        if (view.free == view.carved)
            view.state = SLAB_CLAIMED;
        else
            view.state =
                view.free == 0 && view.carved == meta->capacity ? SLAB_FULL : SLAB_PARTIAL;
        view.tag = (view.tag + 1) & 0x3fffff;
        *now = view;
        if (slab_freelist_word_swap(meta, &word, slab_freelist_pack(view)))
            return;
    }
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The only door to a slab's freelist, its counts and its state.
 *
 * The list links free blocks by number through their first four bytes, spread over all of
 * their bits and encoded with a key that the slab has for this life. Whenever a link is followed its
 * number is checked against `carved`, and the end of the list against the count. Where one or two
 * neighbouring bytes of a link were overwritten it never passes. What three or four were overwritten
 * with passes with a probability of carved / 2^32, and leads to a block of the slab then. Everything
 * else is in one word (slab_meta.h), read and replaced as a whole. Each operation
 * says who may call it, what it publishes, what it pairs with, why there is no
 * ABA, and what losing the race means; doc/atomic-freelists.md is the
 * introduction, doc/memory-orders.md has the orders, model/freelist.pml and
 * model/life.pml check the protocol.
 *
 * Two facts carry all of them:
 *
 *  - The word is the whole truth. An operation that only computes a new word
 *    from the old one is right whenever its CAS succeeds, whatever the word was
 *    in between: there is no ABA to have.
 *  - Only the holder of CURRENT takes blocks out, and nobody else ends CURRENT.
 *    So an operation that also reads links, the pop, reads those of blocks that
 *    stand still: others can only prepend, which changes the head.
 *
 * A caller that saw the list non-empty must still handle an empty pop.
 */
#ifndef HAK_SLAB_SLAB_FREELIST_ATOMIC_H
#define HAK_SLAB_SLAB_FREELIST_ATOMIC_H

#include <string.h>

#include "base/check.h"
#include "base/mix.h"
#include "slab/size_class.h"
#include "slab/slab_meta.h"
#include "slab/slab_word.h"

/* Never returns: a number led outside the blocks that were handed out. */
HAK_NORETURN void hak__slab_corrupted(const TinySlabMeta *meta, const void *node);
/*
 * Stands in for the record of any slab that is known to be whole, where a caller checks whether a block
 * was handed out. Nobody writes to it.
 */
extern TinySlabMeta hak__slab_whole;

/* ---- blocks and links -------------------------------------------------- */

/* What the word said a moment ago; any thread, for checks and statistics. */
HAK_INLINE struct slab_view slab_freelist_view(TinySlabMeta *meta)
{
    return slab_freelist_unpack(slab_word_load(meta, relaxed));
}

/*
 * The same for who holds no block and reads blocks after it: the acquire keeps these reads behind
 * that of the word (cache/inspect.h).
 */
HAK_INLINE struct slab_view slab_freelist_view_acquire(TinySlabMeta *meta)
{
    return slab_freelist_unpack(slab_word_load(meta, acquire));
}

/* What the word of a copy of a record says; for statistics. */
HAK_INLINE struct slab_view slab_freelist_view_copy(const TinySlabMeta *copy)
{
    uint64_t word;
    memcpy(&word, (const void *)&copy->freelist_word, sizeof word);
    return slab_freelist_unpack(word);
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

/*
 * A link holds a number times SPREAD. Its low 13 bits are the number itself, the others tell whether
 * that was changed: no two products differ only in one byte or in two neighbouring ones.
 */
#define HAK_LINK_SPREAD 0x9e376001u
static_assert((HAK_LINK_SPREAD & HAK_SLAB_FIELD) == 1, "a product shows its number");

HAK_INLINE uint32_t hak__link_mask_by(uint64_t key, const void *node)
{
    return (uint32_t)(hak__mix((uintptr_t)node, key) >> 16);
}

HAK_INLINE uint32_t hak__link_mask(const TinySlabMeta *meta, const void *node)
{
    return hak__link_mask_by(meta->link_key, node);
}

/* Links a block that the caller holds to another, by number. */
HAK_INLINE void slab_freelist_link(const TinySlabMeta *meta, void *node, uint32_t next)
{
    *(uint32_t *)node = next * HAK_LINK_SPREAD ^ hak__link_mask(meta, node);
}

/* What a link holds: the number of a block times SPREAD, unless it was overwritten. */
HAK_INLINE uint32_t hak__link_of(const TinySlabMeta *meta, const void *node)
{
    return *(const uint32_t *)node ^ hak__link_mask(meta, node);
}

/* The number that the link of a free block has, or UINT32_MAX for what is no link; for checks. */
HAK_INLINE uint32_t slab_freelist_peek_next(const TinySlabMeta *meta, const void *node)
{
    uint32_t link = hak__link_of(meta, node), next = link & HAK_SLAB_FIELD;
    return next * HAK_LINK_SPREAD == link ? next : UINT32_MAX;
}

/* Follows the link of a free block; carved bounds what it may hold, and only the last has the end. */
HAK_INLINE uint32_t slab_freelist_next(const TinySlabMeta *meta, const void *node, uint32_t carved,
                                       bool last)
{
    uint32_t link = hak__link_of(meta, node), next = link & HAK_SLAB_FIELD;
    if (hak_unlikely(next * HAK_LINK_SPREAD != link) ||
        hak_unlikely(last ? next != HAK_SLAB_NO_BLOCK : next >= carved))
        hak__slab_corrupted(meta, node);
    return next;
}

/* ---- checks and plain access ------------------------------------------- */

/* Any thread; the answer may be old when it is used. Blocks in holes are on no list. */
HAK_INLINE bool slab_freelist_is_empty(TinySlabMeta *meta)
{
    return slab_freelist_view(meta).head == HAK_SLAB_NO_BLOCK;
}

HAK_INLINE bool slab_freelist_is_nonempty(TinySlabMeta *meta)
{
    return !slab_freelist_is_empty(meta);
}

/* The first free block, or NULL; any thread, for checks and statistics only. */
HAK_INLINE void *slab_freelist_load_relaxed(TinySlabMeta *meta)
{
    struct slab_view view = slab_freelist_view(meta);
    return view.head == HAK_SLAB_NO_BLOCK ? NULL : slab_freelist_block(meta, view.head);
}

/*
 * Makes the list start at node (NULL: empty). Only while the slab is private to
 * the caller, who publishes it later: a plain store would lose what others push,
 * and would break the release sequence that their pushes head.
 */
HAK_INLINE void slab_freelist_store_relaxed(TinySlabMeta *meta, void *node)
{
    struct slab_view view = slab_freelist_view(meta);
    HAK_ASSERT(view.state == SLAB_CLAIMED || view.state == SLAB_UNUSED);
    view.head = node == NULL ? HAK_SLAB_NO_BLOCK : slab_freelist_index(meta, node);
    view.free = 0;
    for (uint32_t at = view.head; at != HAK_SLAB_NO_BLOCK; view.free++) {
        const void *block = slab_freelist_block(meta, at);
        at = slab_freelist_peek_next(meta, block);
        if (view.free == view.carved || (at >= view.carved && at != HAK_SLAB_NO_BLOCK))
            hak__slab_corrupted(meta, block);
    }
    slab_word_store(meta, slab_freelist_pack(view), relaxed);
}

/* For printing. */
#define SLAB_FREELIST_DEBUG_PTR(meta) slab_freelist_load_relaxed(meta)

/*
 * UNUSED to CURRENT: the slab serves a class, nothing of it is carved. By the
 * thread that holds the slot. Relaxed: whoever gets a block of the slab gets it
 * from this thread, and whoever claims the slab reads a word that a release has
 * put there since. A late follower of an old hint sees either word and leaves
 * both alone.
 */
HAK_INLINE void slab_freelist_begin(TinySlabMeta *meta, unsigned class_idx)
{
    struct slab_view from = slab_freelist_view(meta);
    struct slab_view view = {.head = HAK_SLAB_NO_BLOCK, .state = SLAB_CURRENT,
                             .class_idx = class_idx, .tag = slab_freelist_next_tag(from.tag)};
    slab_freelist_check_move(meta, from, view);
    slab_word_store(meta, slab_freelist_pack(view), relaxed);
}

/*
 * CLAIMED to UNUSED, by the thread that holds it, before it gives the slot back;
 * that release orders this store for the slot's next holder.
 */
HAK_INLINE void slab_freelist_end(TinySlabMeta *meta)
{
    struct slab_view from = slab_freelist_view(meta);
    struct slab_view view = from;
    view.head = HAK_SLAB_NO_BLOCK;
    view.free = view.carved = 0;
    view.state = SLAB_UNUSED;
    view.tag = slab_freelist_next_tag(from.tag);
    slab_freelist_check_move(meta, from, view);
    slab_word_store(meta, slab_freelist_pack(view), relaxed);
}

/*
 * Gives the slab another key for the rest of its life, and the links of its free list with it. By a
 * thread that no other one runs beside: whoever reads a link meanwhile may take the list for broken.
 */
HAK_INLINE void slab_freelist_rekey(TinySlabMeta *meta, uint64_t key)
{
    struct slab_view view = slab_freelist_view(meta);
    uint32_t listed = view.free - hak_load_relaxed(&meta->holes), at = view.head;
    for (uint32_t i = 0; i < listed; i++) {
        void *node = slab_freelist_block(meta, at);
        at = slab_freelist_next(meta, node, view.carved, i + 1 == listed);
        *(uint32_t *)node = at * HAK_LINK_SPREAD ^ hak__link_mask_by(key, node);
    }
    meta->link_key = key;
}

/* ---- giving blocks back ------------------------------------------------ */

/*
 * Pushes a chain of blocks of the slab, linked from first to last; highest is
 * the largest number among them. Any thread, in any state that has blocks out;
 * the caller holds the blocks, so the slab cannot change its class meanwhile. A
 * FULL slab becomes what when_full says, OWNED or PARTIAL; a slab of which all
 * carved blocks are now free becomes CLAIMED, by the caller, who gives it back,
 * unless it is CURRENT. Returns the state that the slab left, the word in *now.
 *
 * The release publishes the links, the one to the old head included, and all
 * that the program did with the blocks; it pairs with the acquire of the pop or
 * the claim. The acquire is for the push that empties: it takes over what every
 * earlier push published. No ABA: the link to the head that the CAS compares is
 * written anew on every try. Losing the race means trying again with the word
 * that won; some thread has made progress.
 */
HAK_INLINE enum slab_state slab_freelist_push_chain(TinySlabMeta *meta, uint32_t first, void *last,
                                                    uint32_t count, uint32_t highest,
                                                    enum slab_state when_full,
                                                    struct slab_view *now)
{
    uint64_t word = slab_word_load(meta, relaxed);
    for (;;) {
        struct slab_view view = slab_freelist_unpack(word);
        enum slab_state before = (enum slab_state)view.state;
        if (hak_unlikely(highest >= view.carved || view.free + count > view.carved ||
                         before < SLAB_CURRENT))
            hak__slab_corrupted(meta, slab_freelist_block(meta, highest));
        slab_freelist_link(meta, last, view.head);
        view.head = first;
        view.free += count;
        if (before != SLAB_CURRENT) {
            if (view.free == view.carved)
                view.state = SLAB_CLAIMED;
            else if (before == SLAB_FULL)
                view.state = when_full;
        }
        if (slab_word_replace(meta, &word, &view, acq_rel, "push")) {
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

/* ---- taking blocks: the holder of CURRENT alone ------------------------ */

/*
 * Takes up to n blocks into out, the head of the list last; how many it took.
 *
 * The acquire, of the first load and of a failed CAS, pairs with the release of
 * the pushes whose links are read. No ABA: the head that was read can come back
 * only if somebody takes it out, and nobody but the caller does. Losing the race
 * means that somebody pushed: trying again finds more.
 */
HAK_INLINE uint32_t slab_freelist_pop_batch(TinySlabMeta *meta, void **out, uint32_t n)
{
    uint64_t word = slab_word_load(meta, acquire);
    uint32_t holes = hak_load_relaxed(&meta->holes); /* the caller's to change */
    for (;;) {
        struct slab_view view = slab_freelist_unpack(word);
        uint32_t listed = view.free - holes;
        uint32_t count = listed < n ? listed : n;
        HAK_ASSERT(view.state == SLAB_CURRENT);
        if (count == 0)
            return 0;
        uint32_t at = view.head;
        for (uint32_t i = 0; i < count; i++) {
            void *node = slab_freelist_block(meta, at);
            out[count - 1 - i] = node;
            at = slab_freelist_next(meta, node, view.carved, i + 1 == listed);
        }
        view.head = at;
        view.free -= count;
        if (slab_word_replace(meta, &word, &view, acquire, "pop"))
            return count;
    }
}

/* Takes one block, or NULL when there is none. */
HAK_INLINE void *slab_freelist_pop_lockfree(TinySlabMeta *meta, int class_idx)
{
    HAK_ASSERT(meta->class_idx == class_idx);
    (void)class_idx;
    void *node = NULL;
    return slab_freelist_pop_batch(meta, &node, 1) == 1 ? node : NULL;
}

/*
 * Takes the whole list: its first block or NULL, its length in *count. Blocks in holes stay. Nothing
 * is read from a block before the CAS-acquire has succeeded, so this would be
 * free of ABA with several takers too.
 */
HAK_INLINE void *slab_freelist_take_all(TinySlabMeta *meta, uint32_t *count, uint32_t *carved)
{
    uint64_t word = slab_word_load(meta, relaxed);
    uint32_t holes = hak_load_relaxed(&meta->holes);
    for (;;) {
        struct slab_view view = slab_freelist_unpack(word);
        HAK_ASSERT(view.state == SLAB_CURRENT);
        void *first = view.free == holes ? NULL : slab_freelist_block(meta, view.head);
        *count = view.free - holes;
        *carved = view.carved;
        view.head = HAK_SLAB_NO_BLOCK;
        view.free = holes;
        if (first == NULL || slab_word_replace(meta, &word, &view, acquire, "take all"))
            return first;
    }
}

/*
 * Gives back what was taken by take_all: a list of so many blocks from first to last, and others that
 * are in holes now. The release publishes the links as that of a push does. No ABA, as there.
 */
HAK_INLINE void slab_freelist_give_back(TinySlabMeta *meta, uint32_t first, void *last,
                                        uint32_t count, uint32_t holes)
{
    uint64_t word = slab_word_load(meta, relaxed);
    struct slab_view view;
    do {
        view = slab_freelist_unpack(word);
        HAK_ASSERT(view.state == SLAB_CURRENT);
        view.free += count + holes;
        if (count != 0) {
            slab_freelist_link(meta, last, view.head);
            view.head = first;
        }
    } while (!slab_word_replace(meta, &word, &view, release, "give back"));
}

/* Takes so many blocks out of holes; a count alone changes: relaxed. */
HAK_INLINE void slab_freelist_take_holes(TinySlabMeta *meta, uint32_t count)
{
    uint64_t word = slab_word_load(meta, relaxed);
    struct slab_view view;
    do {
        view = slab_freelist_unpack(word);
        HAK_ASSERT(view.state == SLAB_CURRENT && view.free >= count);
        view.free -= count;
    } while (!slab_word_replace(meta, &word, &view, relaxed, "take holes"));
}

/*
 * Hands out up to n fresh blocks, *first and its neighbours; how many. A count
 * alone changes, nothing is read from a block and nothing published: relaxed.
 */
HAK_INLINE uint32_t slab_freelist_carve(TinySlabMeta *meta, uint32_t n, uint32_t *first)
{
    uint64_t word = slab_word_load(meta, relaxed);
    for (;;) {
        struct slab_view view = slab_freelist_unpack(word);
        uint32_t left = meta->capacity - view.carved;
        uint32_t count = left < n ? left : n;
        HAK_ASSERT(view.state == SLAB_CURRENT);
        if (count == 0)
            return 0;
        *first = view.carved;
        view.carved += count;
        if (slab_word_replace(meta, &word, &view, relaxed, "carve"))
            return count;
    }
}

/* Rolls the last n blocks of a carve back: they are fresh again. */
HAK_INLINE void slab_freelist_uncarve(TinySlabMeta *meta, uint32_t n)
{
    uint64_t word = slab_word_load(meta, relaxed);
    for (;;) {
        struct slab_view view = slab_freelist_unpack(word);
        HAK_ASSERT(view.state == SLAB_CURRENT && view.carved >= view.free + n);
        view.carved -= n;
        if (slab_word_replace(meta, &word, &view, relaxed, "uncarve"))
            return;
    }
}

/* ---- changes of hands -------------------------------------------------- */

/*
 * CURRENT to FULL when nothing is left in the slab; false when something is: a
 * push came first, and the caller goes on with what it brought. By the holder of
 * CURRENT, who must not touch the slab afterwards. The release orders what it
 * wrote to the record's plain fields before whoever claims the slab next.
 */
HAK_INLINE bool slab_freelist_retire(TinySlabMeta *meta)
{
    uint64_t word = slab_word_load(meta, relaxed);
    for (;;) {
        struct slab_view view = slab_freelist_unpack(word);
        HAK_ASSERT(view.state == SLAB_CURRENT);
        if (view.free != 0 || view.carved != meta->capacity)
            return false;
        view.state = SLAB_FULL;
        if (slab_word_replace(meta, &word, &view, release, "retire"))
            return true;
    }
}

/*
 * CURRENT to CLAIMED when the slab is empty, to FULL when nothing is left in it,
 * to PARTIAL otherwise; the new word in *now. By the holder of CURRENT, who then
 * gives a CLAIMED slab back and shows a PARTIAL one to the pool. Release as in
 * slab_freelist_retire, acquire for the CLAIMED slab as in a push.
 */
HAK_INLINE void slab_freelist_let_go(TinySlabMeta *meta, struct slab_view *now)
{
    uint64_t word = slab_word_load(meta, relaxed);
    do {
        *now = slab_freelist_unpack(word);
        HAK_ASSERT(now->state == SLAB_CURRENT);
        if (now->free == now->carved)
            now->state = SLAB_CLAIMED;
        else
            now->state = now->free == 0 && now->carved == meta->capacity ? SLAB_FULL : SLAB_PARTIAL;
    } while (!slab_word_replace(meta, &word, now, acq_rel, "let go"));
}

/*
 * PARTIAL or OWNED to CURRENT: the caller holds the slab if this returns true.
 * Any thread, with nothing but a hint that the slab may be there: state and
 * class are compared in the word that the CAS replaces. *tag, unless NULL, is
 * compared too; OWNED slabs are told apart by it. The acquire pairs with the
 * release that let the slab go and with the pushes since. False: somebody else
 * has claimed or emptied the slab, and whoever makes it PARTIAL again shows it
 * again.
 */
HAK_INLINE bool slab_freelist_claim(TinySlabMeta *meta, enum slab_state from, unsigned class_idx,
                                    const uint32_t *tag)
{
    uint64_t word = slab_word_load(meta, relaxed);
    for (;;) {
        struct slab_view view = slab_freelist_unpack(word);
        if (view.state != from || view.class_idx != class_idx ||
            (tag != NULL && view.tag != *tag))
            return false;
        view.state = SLAB_CURRENT;
        if (slab_word_replace(meta, &word, &view, acquire, "claim"))
            return true;
    }
}

#endif

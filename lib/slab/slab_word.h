/* SPDX-License-Identifier: MIT */
/*
 * A slab's word: its fields taken apart and put together, the moves that its
 * state may make, and the backend that reads and writes it:
 *
 *     atomic    compare-and-swap of the word
 *     spinlock  the word under a lock of one byte, for ports without lock-free
 *               64-bit atomics
 *     plain     neither; for one thread alone, to measure what the others cost
 *
 * For slab_freelist_atomic.h alone, which nothing outside of can tell them apart.
 */
#ifndef HAK_SLAB_SLAB_WORD_H
#define HAK_SLAB_SLAB_WORD_H

#include <stdbool.h>

#include "base/atomic.h"
#include "base/check.h"
#include "core/race.h"
#include "core/stats.h"
#include "os/lock.h"
#include "os/os.h"
#include "slab/slab_meta.h"

#define HAK_SLAB_NO_BLOCK 0x1fffu
#define HAK_SLAB_FIELD 0x1fffu

struct slab_view {
    uint32_t head, free, carved, state, class_idx, tag;
};

HAK_INLINE struct slab_view slab_freelist_unpack(uint64_t word)
{
    struct slab_view view = {(uint32_t)word & HAK_SLAB_FIELD,
                             (uint32_t)(word >> 13) & HAK_SLAB_FIELD,
                             (uint32_t)(word >> 26) & HAK_SLAB_FIELD,
                             (uint32_t)(word >> 39) & 7,
                             (uint32_t)(word >> 42) & 63,
                             (uint32_t)(word >> 48)};
    return view;
}

HAK_INLINE uint64_t slab_freelist_pack(struct slab_view view)
{
    return (uint64_t)view.head | (uint64_t)view.free << 13 | (uint64_t)view.carved << 26 |
           (uint64_t)view.state << 39 | (uint64_t)view.class_idx << 42 | (uint64_t)view.tag << 48;
}

/* A record whose slab has handed out one block, beyond which nothing lies. */
#define HAK_SLAB_WHOLE {.freelist_word = (uint64_t)1 << 26, .size = UINT32_MAX}

HAK_INLINE uint32_t slab_freelist_next_tag(uint32_t tag)
{
    return (tag + 1) & 0xffff;
}

/*
 * Debug builds abort when a word would break an equation, or a state move against the rules. The
 * capacity is a plain field, and is left alone where the slab may be another's: a claim by an old
 * hint holds nothing before its CAS. Who carves or fills a slab up holds it.
 */
HAK_INLINE void slab_freelist_check_move(const TinySlabMeta *meta, struct slab_view from,
                                         struct slab_view to)
{
    static const uint8_t allowed[] = {
        [SLAB_UNUSED] = 1 << SLAB_CURRENT,
        [SLAB_CLAIMED] = 1 << SLAB_UNUSED,
        [SLAB_CURRENT] = 1 << SLAB_FULL | 1 << SLAB_PARTIAL | 1 << SLAB_CLAIMED,
        [SLAB_OWNED] = 1 << SLAB_CURRENT | 1 << SLAB_CLAIMED,
        [SLAB_PARTIAL] = 1 << SLAB_CURRENT | 1 << SLAB_CLAIMED,
        [SLAB_FULL] = 1 << SLAB_OWNED | 1 << SLAB_PARTIAL | 1 << SLAB_CLAIMED,
    };
    if (!HAK_DEBUG)
        return;
    HAK_ASSERT(from.state == to.state || (allowed[from.state] >> to.state & 1) != 0);
    HAK_ASSERT(from.class_idx == to.class_idx || from.state == SLAB_UNUSED);
    HAK_ASSERT(to.free <= to.carved);
    HAK_ASSERT(to.carved == from.carved || to.carved <= meta->capacity);
    HAK_ASSERT(to.free != 0 || to.head == HAK_SLAB_NO_BLOCK);
    HAK_ASSERT(to.state != SLAB_FULL || to.state == from.state ||
               (to.free == 0 && to.carved == meta->capacity));
    HAK_ASSERT(to.state != SLAB_CLAIMED || to.free == to.carved);
}

/* ---- backends ---------------------------------------------------------- */

#if HAK_FREELIST_ATOMIC

#define slab_word_load(meta, order) hak_load_##order(&(meta)->freelist_word)
#define slab_word_store(meta, word, order) hak_store_##order(&(meta)->freelist_word, word)
#define slab_word_cas(meta, expected, desired, order)                                              \
    hak__shared_cas(hak_cas_##order(&(meta)->freelist_word, expected, desired))

HAK_INLINE void slab_freelist_fork_prepare(TinySlabMeta *meta)
{
    (void)meta;
}

HAK_INLINE void slab_freelist_fork_after(TinySlabMeta *meta)
{
    (void)meta;
}

#elif HAK_FREELIST_SPINLOCK

#define slab_word_load(meta, order) slab_freelist_locked_load(meta)
#define slab_word_store(meta, word, order) slab_freelist_locked_store(meta, word)
#define slab_word_cas(meta, expected, desired, order)                                              \
    hak__shared_cas(slab_freelist_locked_swap(meta, expected, desired))

/* Whether the caller forks and holds every slab's lock. */
HAK_INLINE bool slab_freelist_forks(void)
{
    uintptr_t forker = hak_load_relaxed(&hak__lock_forker);
    return hak_unlikely(forker != 0) && forker == hak__thread_self();
}

/* Pairs with the store-release of the holder before. */
HAK_INLINE bool slab_freelist_try_lock(TinySlabMeta *meta)
{
    uint8_t expected = 0;
    return hak_cas_acquire(&meta->freelist_lock, &expected, 1);
}

/* The lock does not say who holds it: after seconds nobody else does. */
HAK_INLINE void slab_freelist_lock(TinySlabMeta *meta)
{
    enum { FOREVER = 1 << 22 };
    for (unsigned tries = 1; !slab_freelist_try_lock(meta); tries++) {
        if (slab_freelist_forks())
            return;
        if (tries % 64 == 0)
            hak__os_yield(); /* the holder may wait for this processor */
        if (tries == FOREVER)
            hak__lock_self_deadlock();
    }
}

HAK_INLINE void slab_freelist_unlock(TinySlabMeta *meta)
{
    if (!slab_freelist_forks())
        hak_store_release(&meta->freelist_lock, 0);
}

HAK_INLINE uint64_t slab_freelist_locked_load(TinySlabMeta *meta)
{
    slab_freelist_lock(meta);
    uint64_t word = meta->freelist_word;
    slab_freelist_unlock(meta);
    return word;
}

HAK_INLINE void slab_freelist_locked_store(TinySlabMeta *meta, uint64_t word)
{
    slab_freelist_lock(meta);
    meta->freelist_word = word;
    slab_freelist_unlock(meta);
}

HAK_INLINE bool slab_freelist_locked_swap(TinySlabMeta *meta, uint64_t *expected, uint64_t desired)
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

/*
 * Before a fork: holds the lock, so that the child does not see half a word. The
 * holder may be the very thread that forks, from a signal handler: it is not
 * waited for beyond any sensible time.
 */
HAK_INLINE void slab_freelist_fork_prepare(TinySlabMeta *meta)
{
    enum { TRIES = 1000 };
    for (int tries = 0; tries < TRIES && !slab_freelist_try_lock(meta); tries++)
        hak__os_yield();
}

HAK_INLINE void slab_freelist_fork_after(TinySlabMeta *meta)
{
    hak_store_release(&meta->freelist_lock, 0);
}

#else /* plain */

#define slab_word_load(meta, order) ((meta)->freelist_word)
#define slab_word_store(meta, word, order) ((void)((meta)->freelist_word = (word)))
#define slab_word_cas(meta, expected, desired, order)                                              \
    ((void)(expected), (meta)->freelist_word = (desired), true)

HAK_INLINE void slab_freelist_fork_prepare(TinySlabMeta *meta)
{
    (void)meta;
}

HAK_INLINE void slab_freelist_fork_after(TinySlabMeta *meta)
{
    (void)meta;
}

#endif

/*
 * Replaces *word, which the caller read, by what view says; a change of state
 * bumps the tag, in *view too. On failure *word holds what is there now.
 */
#define slab_word_replace(meta, word, view, order, point)                                          \
    (slab_freelist_prepare_move(meta, *(word), view), hak__race_point(point),                      \
     slab_word_cas(meta, word, slab_freelist_pack(*(view)), order))

HAK_INLINE void slab_freelist_prepare_move(const TinySlabMeta *meta, uint64_t word,
                                           struct slab_view *view)
{
    struct slab_view from = slab_freelist_unpack(word);
    if (view->state != from.state)
        view->tag = slab_freelist_next_tag(from.tag);
    slab_freelist_check_move(meta, from, *view);
}

#endif

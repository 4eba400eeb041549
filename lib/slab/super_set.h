/* SPDX-License-Identifier: MIT */
/*
 * A set of SuperSlabs by number, as the shared pool searches it: those that may
 * have a PARTIAL slab of a class, those that may have unused slots.
 *
 *     root  [ bit g: leaf[g] may be other than 0 ]
 *     leaf  [ bit n % 64 of leaf[n / 64]: the thing may be found in number n ]
 *     what the set tells of: a word of the SuperSlab itself, `used` or `partial[]`
 *
 * Members are hints. What is wrong in a set costs a look, never correctness,
 * with one exception: a thing that is there must be found, sooner or later. The
 * rule for that is the same on all three levels, a word below and a bit above:
 *
 *  - whoever makes the word say "there" does so by a read-modify-write, and then
 *    looks at the bit and sets it if it is not set;
 *  - whoever clears the bit, since the word said "not there", reads the word
 *    again afterwards, by a read-modify-write that changes nothing, and sets the
 *    bit again if the word says "there" now.
 *
 * The two read-modify-writes of the word have an order. If the maker's is the
 * first, the clearer sees "there" and repairs the bit. If it is the second, it
 * reads from the clearer's (acquire from release), so the clearing happens
 * before the maker's look, which therefore sees the bit cleared and sets it.
 * With plain loads in place of the second look both could miss the other.
 * There is no ABA: no decision rests on a bit having stayed as it was.
 * model/pool.pml.
 */
#ifndef HAK_SLAB_SUPER_SET_H
#define HAK_SLAB_SUPER_SET_H

#include <stdint.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "base/compiler.h"
#include "core/race.h"
#include "core/stats.h"

enum { HAK_SET_LEAVES = 31, HAK_SET_SIZE = HAK_SET_LEAVES * 64 };

/* Any thread reads and changes all words; see above. */
struct super_set {
    HAK_CACHE_ALIGNED _Atomic uint64_t root;
    _Atomic uint64_t leaf[HAK_SET_LEAVES];
};

HAK_INLINE void super_set_raise(_Atomic uint64_t *word, uint64_t bit)
{
    if ((hak_load_relaxed(word) & bit) == 0)
        HAK_SHARED(hak_or_acq_rel(word, bit));
}

/* After the caller's read-modify-write has made the thing be there. */
HAK_INLINE void super_set_add(struct super_set *set, unsigned number)
{
    hak__race_point("set add");
    super_set_raise(&set->leaf[number / 64], (uint64_t)1 << number % 64);
    hak__race_point("set add root");
    super_set_raise(&set->root, (uint64_t)1 << number / 64);
}

/* When the thing was not found; the caller looks again afterwards, by a read-modify-write. */
HAK_INLINE void super_set_remove(struct super_set *set, unsigned number)
{
    _Atomic uint64_t *leaf = &set->leaf[number / 64];
    uint64_t bit = (uint64_t)1 << number % 64;
    hak__race_point("set remove");
    if ((HAK_SHARED(hak_and_acq_rel(leaf, ~bit)) & ~bit) != 0)
        return;
    hak__race_point("set remove root");
    HAK_SHARED(hak_and_acq_rel(&set->root, ~((uint64_t)1 << number / 64)));
    hak__race_point("set look again");
    if (HAK_SHARED(hak_or_acq_rel(leaf, 0)) != 0)
        super_set_raise(&set->root, (uint64_t)1 << number / 64);
}

/* The first member from that number on, or HAK_SET_SIZE. */
HAK_INLINE unsigned super_set_next(struct super_set *set, unsigned from)
{
    if (from >= HAK_SET_SIZE)
        return HAK_SET_SIZE;
    unsigned group = from / 64;
    uint64_t leaf = hak_load_acquire(&set->leaf[group]) >> from % 64 << from % 64;
    while (leaf == 0) {
        uint64_t root = hak_load_acquire(&set->root) >> group >> 1;
        if (root == 0)
            return HAK_SET_SIZE;
        group += 1 + hak__lowest_bit(root);
        leaf = hak_load_acquire(&set->leaf[group]);
    }
    return group * 64 + hak__lowest_bit(leaf);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * HOT: the canary behind a block's bytes and the trailer at its end.
 *
 * Both are a mix of the block's address with a secret of their own; their first byte is zero, so that no
 * string that runs on into them is read or copied past it. The trailer tells in the bits next to that
 * byte how far in front of it the bytes end, and by which function the block was allocated:
 *
 *     bits of the trailer on a little-endian machine   0-7 zero, 8-23 slack, 24-25 kind, 26-63 canary
 */
#ifndef HAK_HARDEN_CANARY_H
#define HAK_HARDEN_CANARY_H

#include <string.h>

#include "base/mix.h"
#include "harden/harden.h"

HAK_INLINE uint64_t hak__canary_load(const void *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

HAK_INLINE void hak__canary_store(void *at, uint64_t word)
{
    memcpy(at, &word, sizeof word);
}

HAK_INLINE uint64_t hak__canary_of(const void *block)
{
    return hak__mix((uintptr_t)block, hak__harden.secret);
}

/* Ends a live block of so many bytes in front of its trailer, of which the program has some. */
HAK_INLINE void hak__canary_set(void *block, size_t room, size_t size, enum hak_kind kind)
{
    uint64_t canary = hak__canary_of(block);
    hak__canary_store((char *)block + size, canary & HAK_CANARY_BEHIND);
    hak__canary_store((char *)block + room, (canary & HAK_TRAILER_CANARY) |
                                                (uint64_t)(room - size) << HAK_SLACK_SHIFT |
                                                (uint64_t)kind << HAK_KIND_SHIFT);
}

/* What the trailer says of the size of a block; false when it is not the one that was set. */
HAK_INLINE bool hak__canary_size(const void *block, size_t room, uint64_t bits, enum hak_kind kind, size_t *size)
{
    uint64_t trailer = hak__canary_load((const char *)block + room);
    uint64_t expected = (hak__canary_of(block) & HAK_TRAILER_CANARY) | (uint64_t)kind << HAK_KIND_SHIFT;
    size_t slack = (size_t)(trailer >> HAK_SLACK_SHIFT) & (((size_t)1 << HAK_SLACK_BITS) - 1);
    *size = room - slack;
    return ((trailer ^ expected) & bits) == 0 && slack <= room;
}

/* Whether the canary behind so many bytes, as far as it is in front of the trailer, is what was set. */
HAK_INLINE bool hak__canary_is_whole(const void *block, size_t room, size_t size)
{
    uint64_t changed = hak__canary_load((const char *)block + size) ^ (hak__canary_of(block) & HAK_CANARY_BEHIND);
    size_t slack = room - size, bits = 8 * slack;
    if (slack < sizeof changed)
        changed &= HAK_FIRST_BYTES_LOW ? ((uint64_t)1 << bits) - 1 : ~(~(uint64_t)0 >> bits);
    return changed == 0;
}

#endif

/* SPDX-License-Identifier: MIT */
/* HOT: clearing freed memory and looking whether it still is clear; blocks and their sizes are aligned. */
#ifndef HAK_HARDEN_FILL_H
#define HAK_HARDEN_FILL_H

#include <string.h>

#include "harden/harden.h"

typedef uint64_t hak_pair_t __attribute__((vector_size(16), may_alias));

/*
 * Clears a multiple of 16 bytes, one at least: few by stores from both ends that meet, more by memset, which
 * has wider ones.
 */
HAK_INLINE void hak__fill_zero(void *start, size_t bytes)
{
    hak_pair_t *first = start, *last = first + bytes / sizeof *first, zero = {0, 0};
    if (bytes > 128) {
        memset(start, 0, bytes);
        return;
    }
    first[0] = zero;
    last[-1] = zero;
    if (bytes <= 32)
        return;
    first[1] = zero;
    last[-2] = zero;
    if (bytes <= 64)
        return;
    first[2] = zero;
    first[3] = zero;
    last[-3] = zero;
    last[-4] = zero;
}

/* Whether a multiple of 16 bytes is zero. */
HAK_INLINE bool hak__fill_is_zero(const void *start, size_t bytes)
{
    const hak_pair_t *at = start, *end = at + bytes / sizeof *at;
    hak_pair_t any = {0, 0}, other = {0, 0};
    for (; end - at >= 4; at += 4) {
        any |= at[0] | at[1];
        other |= at[2] | at[3];
    }
    for (; at != end; at++)
        any |= *at;
    any |= other;
    return (any[0] | any[1]) == 0;
}

#endif

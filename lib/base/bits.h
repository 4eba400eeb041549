/* SPDX-License-Identifier: MIT */
/* Arithmetic on powers of two and on bit masks. */
#ifndef HAK_BASE_BITS_H
#define HAK_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

HAK_INLINE bool hak__is_power_of_two(size_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

/* Rounds up to a multiple of a power of two; the caller excludes overflow. */
HAK_INLINE size_t hak__align_up(size_t n, size_t alignment)
{
    return (n + alignment - 1) & ~(alignment - 1);
}

HAK_INLINE size_t hak__align_down(size_t n, size_t alignment)
{
    return n & ~(alignment - 1);
}

/* Index of the lowest set bit; mask is not 0. */
HAK_INLINE unsigned hak__lowest_bit(uint64_t mask)
{
    return (unsigned)__builtin_ctzll(mask);
}

/* Index of the highest set bit; mask is not 0. */
HAK_INLINE unsigned hak__highest_bit(uint64_t mask)
{
    return 63 - (unsigned)__builtin_clzll(mask);
}

/* Takes the lowest run of set bits off a mask, which is not 0; the run's first bit and its length. */
HAK_INLINE unsigned hak__take_run(uint32_t *mask, unsigned *length)
{
    unsigned first = hak__lowest_bit(*mask);
    *length = hak__lowest_bit(~((uint64_t)*mask >> first));
    *mask &= *mask + (1u << first); /* the carry goes through the run */
    return first;
}

/* By sums of two, four and eight bits; without an instruction for it the builtin is a call. */
HAK_INLINE unsigned hak__count_bits(uint32_t mask)
{
    mask -= mask >> 1 & 0x55555555u;
    mask = (mask & 0x33333333u) + (mask >> 2 & 0x33333333u);
    return ((mask + (mask >> 4)) & 0x0f0f0f0fu) * 0x01010101u >> 24;
}

/* The smallest k with 2^k >= n; n is not 0. */
HAK_INLINE unsigned hak__log2_ceil(size_t n)
{
    return n <= 1 ? 0 : (unsigned)(64 - __builtin_clzll((unsigned long long)(n - 1)));
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * HOT: a keyed mix of an address: both halves of its product with the key, folded into one word.
 * Three instructions where the processor multiplies to 128 bits. Not linear in the key: neither
 * sums nor differences of results give the key away, or another result.
 */
#ifndef HAK_BASE_MIX_H
#define HAK_BASE_MIX_H

#include <stdint.h>

#include "base/compiler.h"

HAK_INLINE uint64_t hak__mix(uint64_t value, uint64_t key)
{
#if defined(__x86_64__) && defined(__LP64__) && !defined(__clang__)
    /* gcc keeps a product of 128 bits in memory where registers are few */
    uint64_t low = value, high;
    __asm__("mulq %2" : "+a"(low), "=d"(high) : "rm"(key) : "cc");
    return high ^ low;
#elif defined(__SIZEOF_INT128__)
    __extension__ typedef unsigned __int128 product_t;
    product_t product = (product_t)value * key;
    return (uint64_t)(product >> 64) ^ (uint64_t)product;
#else
    uint64_t low = (uint64_t)(uint32_t)value * (uint32_t)key;
    uint64_t high = (uint64_t)(uint32_t)value * (uint32_t)(key >> 32);
    return low ^ high << 32 ^ high >> 32;
#endif
}

#endif

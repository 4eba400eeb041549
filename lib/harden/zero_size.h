/* SPDX-License-Identifier: MIT */
/*
 * Blocks of no bytes: places in a range of addresses that nobody can read or write. A bit of each tells
 * whether it is live, apart from them. Places come in turn, so that a freed one serves last again.
 */
#ifndef HAK_HARDEN_ZERO_SIZE_H
#define HAK_HARDEN_ZERO_SIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "harden/harden.h"

enum { HAK_ZERO_SIZE_BYTES = 16 << 20 }; /* of addresses */

/* Where the range begins, 0: there is none. Set once by CAS-release. */
extern _Atomic uintptr_t hak__zero_size_base;

/* Whether an address is one of a block of no bytes, or between two. */
HAK_INLINE bool hak__zero_size_covers(const void *address)
{
    if (!HAK_HARDENED)
        return false;
    uintptr_t base = hak_load_acquire(&hak__zero_size_base);
    return base != 0 && (uintptr_t)address - base < HAK_ZERO_SIZE_BYTES;
}

/* A block of no bytes; NULL when there is no place for it. Any thread. */
void *hak__zero_size_alloc(void);

/* Frees one that is covered; false when it is not live. Any thread. */
bool hak__zero_size_free(const void *block);

/* Whether one that is covered is live. */
bool hak__zero_size_is_live(const void *block);

#endif

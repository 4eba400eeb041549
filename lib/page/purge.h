/* SPDX-License-Identifier: MIT */
/*
 * Purging where some of the memory may be pinned.
 *
 * The system does not take back what the program has locked, by mlock(2) or mlockall(2), and a
 * filter of system calls may refuse all. That is an ordinary state and may last. What was refused
 * is marked where it is kept, as a span of the page arena, a slot of a SuperSlab or a kept mapping,
 * and passed by; all else still goes. A mark goes when the memory is used again, and all are
 * ignored by what is asked for explicitly and once in a while when a decay period ends.
 *
 * Locked memory could be unmapped, or purged by MADV_DONTNEED_LOCKED. A program that locks its
 * memory wants that it never faults, so it stays. What the library has locked (locked.h) goes: it is
 * locked again before it serves a block.
 */
#ifndef HAK_PAGE_PURGE_H
#define HAK_PAGE_PURGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"

/* How often the system has refused; any thread adds, wraps. */
extern _Atomic size_t hak__purges_refused;

/* A moment, and whether the system has refused anything since. */
HAK_INLINE uint32_t hak__purge_moment(void)
{
    return (uint32_t)hak_load_relaxed(&hak__purges_refused);
}

HAK_INLINE bool hak__purge_refused_since(uint32_t moment)
{
    return hak__purge_moment() != moment;
}

/* So many pieces of which nothing goes, one after the other, and a purge ends. */
enum { HAK_PURGE_REFUSALS = 8 };

/*
 * Returns the memory of so many granules to the system, or what surrounds that which it refuses.
 * How many granules stay, from *first on; 0: none. Any thread, for memory that it holds.
 */
size_t hak__purge_around(uintptr_t base, size_t units, size_t *first);

/* Counts memory that was returned to the system. Any thread. */
void hak__purge_count(size_t bytes);

/*
 * Returns warm memory to the system until that many bytes have gone or the time is past, until
 * then in steps of HAK_PURGE_STEP; how many went. With pinned_too all that is pinned is tried again.
 * If all shall go and there is no such time, the charge of what is cold and the address space that
 * others want go, too. Without locks held.
 */
size_t hak__arena_purge(size_t bytes, int64_t until, bool pinned_too);

#endif

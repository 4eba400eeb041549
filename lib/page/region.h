/* SPDX-License-Identifier: MIT */
/*
 * Regions: address space that the page arena has set aside, and of which it has not used all.
 *
 *            region [ SuperSlabs ►  |   fresh, PROT_NONE   |  ◄ large blocks ]
 *                   base          low                     high            end
 *
 * The first region has 3 MiB, each further one as much as all before. Where address space is limited
 * (RLIMIT_AS, or pointers of 32 bits) it has a 64th of the limit. Once the system has refused any, a
 * region has what is asked for, and no more.
 *
 * All functions are called under hak__arena_lock.
 */
#ifndef HAK_PAGE_REGION_H
#define HAK_PAGE_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"

/*
 * A fresh range, readable and writable, or 0. Behind it are so many bytes of gap, left by the
 * alignment, which are the caller's too.
 */
uintptr_t hak__region_take_locked(size_t bytes, size_t alignment, size_t *gap);

/* Whether an address is in what no span had yet. */
bool hak__region_is_fresh_locked(uintptr_t address);

/* Whether the address space for a fresh range is there: then only memory can be missing. */
bool hak__region_has_room_locked(size_t bytes, size_t alignment);

/* Sets more address space aside, enough for a range of that many bytes. */
bool hak__region_add_locked(size_t bytes);

/* Makes a range readable and writable, which it may be already. */
bool hak__region_commit_locked(uintptr_t start, uintptr_t end);

/* So many bytes of regions were unmapped. */
void hak__region_gone_locked(size_t bytes);

/* Whether others need the address space that the arena does not use. */
bool hak__region_is_wanted_locked(void);
/* Whether the system has refused some. */
bool hak__region_is_scarce_locked(void);
/* Learns whether address space is limited: that may have changed. */
void hak__region_read_limit_locked(void);

/* If it is wanted, unmaps what is fresh. */
void hak__region_give_back_locked(void);

/* Bytes of regions that are readable and writable; written under the lock, read by any thread. */
extern _Atomic size_t hak__committed_bytes;

#endif

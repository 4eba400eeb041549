/* SPDX-License-Identifier: MIT */
/*
 * Locked memory, as by mlockall(2), of a process that may not lock all of its address space.
 *
 * Some MiB are mapped ahead: the page map, and a region with room for more slabs. A small limit on
 * locked memory, which the program's own memory is far below, would refuse these, or be used up by
 * them. There what is in use is locked, mapping by mapping, and from then on what comes into use: slots when they become a
 * slab, spans when they become a block. The library's page map stays unlocked where it does not lie
 * among other memory. Its pages are touched first by calls that map memory, which wait for the
 * system anyway; malloc and free of the thread cache read those that are there.
 */
#ifndef HAK_PAGE_LOCKED_H
#define HAK_PAGE_LOCKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"

extern _Atomic bool hak__memory_is_locked;

/*
 * As mlockall(flags), with MCL_CURRENT among the flags, for what is in use. False when that is more
 * than the limit, and nothing has changed, in a sandbox, when the limit is not under a number of
 * bytes, or when the system has refused some of it. A block that another thread gets at the same
 * moment may stay unlocked.
 */
bool hak__locked_use(int flags, size_t under);

/*
 * The system has done mlockall(flags). With MCL_FUTURE alone that is the rest of what hak__locked_use
 * began without it: what was mapped ahead is still the library's to lock.
 */
void hak__locked_by_system(int flags);

/* What comes into use is not locked any more: after munlockall, in the child of a fork, in a sandbox. */
void hak__locked_no_more(void);

/* Whether the system locks, and puts memory behind, what is mapped or made accessible. */
bool hak__locked_in_future(void);

bool hak__locked_keep_slow(uintptr_t base, size_t size);

/* Locks memory that comes into use, if it has to be; false when that is refused. Any thread. */
HAK_INLINE bool hak__locked_keep(uintptr_t base, size_t size)
{
    return hak_likely(!hak_load_relaxed(&hak__memory_is_locked)) || hak__locked_keep_slow(base, size);
}

void hak__locked_drop_slow(uintptr_t base, size_t size);

/* Memory that serves no block may be returned to the system, and something else locked instead. */
HAK_INLINE void hak__locked_drop(uintptr_t base, size_t size)
{
    if (hak_unlikely(hak_load_relaxed(&hak__memory_is_locked)))
        hak__locked_drop_slow(base, size);
}

#endif

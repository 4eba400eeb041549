/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "page/locked.h"

#include <sys/mman.h>

#include "base/bits.h"
#include "base/params.h"
#include "os/call.h"
#include "os/maps.h"
#include "os/os.h"
#include "page/arena.h"
#include "page/pagemap.h"

HAK_READ_MOSTLY _Atomic bool hak__memory_is_locked;
static _Atomic bool on_fault;
static _Atomic bool only_used; /* is locked of what is mapped; the rest shall be when it comes into use */
static _Atomic bool future;    /* the system locks what is mapped from now on */

/* Not what the library has ready for blocks; all else does, whosever it is. */
static bool serves(uintptr_t address)
{
    uint32_t code = hak__pagemap_word(address) & 0xff;
    if (code == HAK_CODE_NONE)
        return !hak__arena_is_fresh(address);
    return code != HAK_CODE_SPAN_FREE && code != HAK_CODE_SPAN_INSIDE && code != HAK_CODE_SLAB_FREE;
}

/* The end of the part from an address on that is in use, or not, as a whole. */
static uintptr_t part_end(uintptr_t address, uintptr_t end, bool *used)
{
    bool own = false;
    end = hak__pagemap_own_part(address, end, &own);
    *used = !own && serves(address);
    uintptr_t next = hak__align_down(address, HAK_GRANULE) + HAK_GRANULE;
    while (!own && next < end && serves(next) == *used)
        next += HAK_GRANULE;
    return own || next > end ? end : next;
}

/* From now on what a block does not reach would have memory, too. */
static void in_future(void)
{
    hak_store_relaxed(&future, true);
    hak_store_relaxed(&hak__arena_keeps_whole, false);
}

/*
 * Pages that are not there, as behind the end of a file, are refused at once, but may be locked as
 * they are touched; mlockall does not mind them either.
 */
static bool lock_part(uintptr_t start, uintptr_t end)
{
    void *address = (void *)start;
    return hak__os_lock(address, end - start, hak_load_relaxed(&on_fault)) ||
           hak__os_lock(address, end - start, true);
}

/*
 * How much of a mapping is used, or more than so much; with lock set that is locked, SIZE_MAX if it
 * cannot be. A mapping that is far too large is not looked at to its end.
 */
static size_t use(const struct hak_mapping *mapping, size_t most, bool lock)
{
    size_t sum = 0;
    uintptr_t end = (uintptr_t)mapping->end;
    for (uintptr_t at = (uintptr_t)mapping->start, next; at < end && sum <= most; at = next) {
        bool used = false;
        next = part_end(at, end - at <= most ? end : at + most + 1, &used);
        if (!used)
            continue;
        if (lock && !lock_part(at, next))
            return SIZE_MAX;
        sum += next - at;
    }
    return sum;
}

/* The system's own page at the end of the address space is none that can be locked. */
static bool counts(const struct hak_mapping *mapping)
{
    return mapping->accessible && mapping->end <= INT64_MAX;
}

/* Whether all that is used is no more than so much, and could be locked. */
static bool use_all(size_t most, bool lock)
{
    struct hak_maps maps;
    struct hak_mapping mapping;
    size_t sum = 0;
    if (!hak__maps_open(&maps))
        return false;
    while (sum <= most && hak__maps_next(&maps, &mapping))
        if (counts(&mapping)) {
            size_t used = use(&mapping, most, lock);
            sum = used <= most ? sum + used : SIZE_MAX;
        }
    hak__maps_close(&maps);
    return sum <= most && maps.whole;
}

bool hak__locked_use(int flags, size_t under)
{
    if (hak__os_is_sandboxed())
        return false;
    size_t most = hak__os_lock_limit();
    if (most >= under || !use_all(most, false))
        return false;
    hak_store_relaxed(&on_fault, (flags & MCL_ONFAULT) != 0);
    /* address space of later is locked as a whole, and no part of it unlocked before it counts */
    hak__arena_reserve(most);
    if ((flags & MCL_FUTURE) != 0) {
        if (hak__call_failed(hak__call(SYS_mlockall, flags & ~MCL_CURRENT)))
            return false;
        in_future();
    }
    hak_store_relaxed(&only_used, true);
    hak_store_relaxed(&hak__memory_is_locked, hak_load_relaxed(&future));
    return use_all(most, true);
}

void hak__locked_by_system(int flags)
{
    hak_store_relaxed(&on_fault, (flags & MCL_ONFAULT) != 0);
    if ((flags & MCL_FUTURE) != 0)
        in_future();
    else
        hak_store_relaxed(&future, false);
    if ((flags & MCL_CURRENT) != 0)
        hak_store_relaxed(&only_used, false);
    hak_store_relaxed(&hak__memory_is_locked,
                      hak_load_relaxed(&only_used) && hak_load_relaxed(&future));
}

void hak__locked_no_more(void)
{
    hak_store_relaxed(&only_used, false);
    hak_store_relaxed(&future, false);
    hak_store_relaxed(&hak__memory_is_locked, false);
}

bool hak__locked_in_future(void)
{
    return hak_load_relaxed(&future);
}

HAK_NOINLINE bool hak__locked_keep_slow(uintptr_t base, size_t size)
{
    return hak__os_lock((void *)base, size, hak_load_relaxed(&on_fault));
}

HAK_NOINLINE void hak__locked_drop_slow(uintptr_t base, size_t size)
{
    hak__call(SYS_munlock, base, size);
}

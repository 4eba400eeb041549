/* SPDX-License-Identifier: MIT */
/* Memory from Linux. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/annotate.h"
#include "base/atomic.h"
#include "base/bits.h"
#include "os/call.h"
#include "os/os.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#define MADV_GUARD_REMOVE 103
#endif
#ifndef MREMAP_FIXED
#define MREMAP_MAYMOVE 1
#define MREMAP_FIXED 2
#endif

/*
 * Address space that one thread gave up is another's after all that the first did there: the system
 * sees to that. The thread sanitizer, which does not see these calls, is told.
 */
#if HAK_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
static char address_space;
#define about_to_give_up() __tsan_release(&address_space)
#define was_taken() __tsan_acquire(&address_space)
#else
#define about_to_give_up() ((void)0)
#define was_taken() ((void)0)
#endif

static void *map(size_t size, int protection)
{
    long address =
        hak__call(HAK_SYS_MMAP, NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    was_taken();
    return hak__call_failed(address) ? NULL : (void *)address;
}

size_t hak__os_page_size(void)
{
    static _Atomic size_t cached;
    size_t size = hak_load_relaxed(&cached);
    if (size == 0) {
        size = (size_t)hak__auxiliary(AT_PAGESZ);
        if (!hak__is_power_of_two(size))
            size = 4096;
        hak_store_relaxed(&cached, size);
    }
    return size;
}

bool hak__os_unmap_unused(void *address, size_t size)
{
    hak__annotate_lend(address, size);
    about_to_give_up();
    return !hak__call_failed(hak__call(SYS_munmap, address, size));
}

/* Maps more than is needed and gives back what lies outside the aligned part. */
static void *map_aligned(size_t size, size_t alignment, int protection)
{
    char *start = map(size, protection);
    if (start == NULL || ((uintptr_t)start & (alignment - 1)) == 0)
        return start;
    hak__os_unmap_unused(start, size);
    size_t slack = alignment - hak__os_page_size();
    if (size > SIZE_MAX - slack)
        return NULL;
    start = map(size + slack, protection);
    if (start == NULL)
        return NULL;
    char *aligned = (char *)hak__align_up((uintptr_t)start, alignment);
    size_t head = (size_t)(aligned - start);
    if (head != 0)
        hak__os_unmap_unused(start, head);
    if (slack != head)
        hak__os_unmap_unused(aligned + size, slack - head);
    return aligned;
}

void *hak__os_map(size_t size)
{
    return map(size, PROT_READ | PROT_WRITE);
}

/*
 * Reserved with its guards and then made accessible between them: they stand from the first moment on.
 * Guards that meet are one mapping to the system.
 */
void *hak__os_map_record(size_t size)
{
    size_t guard = hak__os_page_size();
    char *start = size <= SIZE_MAX - 2 * guard ? map(size + 2 * guard, PROT_NONE) : NULL;
    if (start == NULL)
        return NULL;
    if (hak__os_commit(start + guard, size))
        return start + guard;
    hak__os_unmap_unused(start, size + 2 * guard);
    return NULL;
}

void hak__os_unmap_record(void *record, size_t size)
{
    size_t guard = hak__os_page_size();
    hak__os_unmap_unused((char *)record - guard, size + 2 * guard);
}

void *hak__os_map_aligned(size_t size, size_t alignment)
{
    return map_aligned(size, alignment, PROT_READ | PROT_WRITE);
}

void *hak__os_reserve(size_t size, size_t alignment)
{
    return map_aligned(size, alignment, PROT_NONE);
}

bool hak__os_commit(void *address, size_t size)
{
    return !hak__call_failed(hak__call(SYS_mprotect, address, size, PROT_READ | PROT_WRITE));
}

bool hak__os_protect(void *address, size_t size, bool writable)
{
    int protection = PROT_READ | (writable ? PROT_WRITE : 0);
    return !hak__call_failed(hak__call(SYS_mprotect, address, size, protection));
}

#if HAK_HARDENED
bool hak__os_forbid(void *address, size_t size)
{
    return !hak__call_failed(hak__call(SYS_mprotect, address, size, PROT_NONE));
}
#endif

/* Whoever maps something there next may use it. */
bool hak__os_unmap(void *address, size_t size)
{
    hak__annotate_lend(address, size);
    about_to_give_up();
    return !hak__call_failed(hak__told(SYS_munmap, address, size));
}

/*
 * Emulators of Linux may take this call and do nothing; seen once in a byte that is set before
 * the first one, the memory is cleared by hand from then on. Several first ones see the same.
 */
bool hak__os_purge(void *address, size_t size)
{
    enum { UNKNOWN, PURGES, PRETENDS };
    static _Atomic int kind;
    unsigned char *byte = address, before = 0;
    int known = hak_load_relaxed(&kind);
    if (hak_unlikely(known == UNKNOWN)) {
        before = *byte;
        *byte = 1;
    }
    if (hak__call_failed(hak__told(SYS_madvise, address, size, MADV_DONTNEED))) {
        if (hak_unlikely(known == UNKNOWN))
            *byte = before; /* what is refused is as it was */
        return false;
    }
    if (hak_unlikely(known == UNKNOWN)) {
        known = *byte == 0 ? PURGES : PRETENDS;
        hak_store_relaxed(&kind, known);
    }
    if (hak_unlikely(known == PRETENDS)) {
        hak__annotate_lend(address, size);
        memset(address, 0, size);
        hak__annotate_hide(address, size);
    }
    return true;
}

void hak__os_purge_unseen(void *address, size_t size)
{
    hak__told(SYS_madvise, address, size, MADV_DONTNEED);
}

/*
 * The limits that may refuse this, of mappings and of locked memory, are looked at before what is
 * there goes: a refusal leaves it as it was.
 */
bool hak__os_strip(void *address, size_t size)
{
    long result = hak__told(HAK_SYS_MMAP, address, size, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return !hak__call_failed(result);
}

static _Atomic bool sandboxed;        /* any thread, to true */
static _Atomic bool populate_refused; /* any thread, to true */
static _Atomic bool populate_known;   /* it has succeeded once; any thread, to true */
/* Calls that are left out after one has failed, and how many that are; any thread, only steer. */
static _Atomic unsigned populate_skip, populate_skips;

void hak__os_sandboxed(void)
{
    hak_store_relaxed(&sandboxed, true);
    hak_store_relaxed(&populate_refused, true);
}

bool hak__os_is_sandboxed(void)
{
    return hak_load_relaxed(&sandboxed);
}

/*
 * Whether the system does not know or allow the call. Other errors are of the moment, or of the
 * range: of one whose protection the program has changed it says EINVAL, too.
 */
static bool is_refusal(long result)
{
    return result == -ENOSYS || result == -EPERM || result == -EACCES ||
           (result == -EINVAL && !hak_load_relaxed(&populate_known));
}

static void populate_done(void)
{
    if (hak_unlikely(!hak_load_relaxed(&populate_known)))
        hak_store_relaxed(&populate_known, true);
    if (hak_unlikely(hak_load_relaxed(&populate_skips) != 0))
        hak_store_relaxed(&populate_skips, 0);
}

/* After a failure one call is left out, after the next two, up to MOST. */
static void populate_failed(void)
{
    enum { MOST = 1024 };
    unsigned last = hak_load_relaxed(&populate_skips);
    unsigned next = last == 0 ? 1 : last < MOST ? last * 2 : MOST;
    hak_store_relaxed(&populate_skips, next);
    hak_store_relaxed(&populate_skip, next);
}

bool hak__os_populate(void *address, size_t size)
{
    if (hak_load_relaxed(&populate_refused))
        return false;
    unsigned skip = hak_load_relaxed(&populate_skip);
    if (hak_unlikely(skip != 0)) {
        hak_store_relaxed(&populate_skip, skip - 1);
        return false;
    }
    long result = hak__call(SYS_madvise, address, size, MADV_POPULATE_WRITE);
    if (!hak__call_failed(result))
        populate_done();
    else if (is_refusal(result))
        hak_store_relaxed(&populate_refused, true);
    else
        populate_failed();
    return !hak__call_failed(result);
}

static _Atomic bool guards_known, guards_refused; /* it has succeeded once; never; any thread, to true */

bool hak__os_may_guard(void)
{
    return !hak_load_relaxed(&guards_refused) && !hak_load_relaxed(&sandboxed);
}

/* Of locked pages older systems say EINVAL, too. */
bool hak__os_guard(void *address, size_t size)
{
    if (!hak__os_may_guard())
        return false;
    bool done = !hak__call_failed(hak__told(SYS_madvise, address, size, MADV_GUARD_INSTALL));
    if (done)
        hak_store_relaxed(&guards_known, true);
    else if (!hak_load_relaxed(&guards_known))
        hak_store_relaxed(&guards_refused, true);
    return done;
}

bool hak__os_unguard(void *address, size_t size)
{
    return hak__os_may_guard() && !hak__call_failed(hak__call(SYS_madvise, address, size, MADV_GUARD_REMOVE));
}

void hak__os_huge_pages(void *address, size_t size, bool wanted)
{
    if (!hak_load_relaxed(&sandboxed))
        hak__call(SYS_madvise, address, size, wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

enum hak_resized hak__os_resize(void *address, size_t old_size, size_t new_size)
{
    about_to_give_up();
    long result = hak__told(SYS_mremap, address, old_size, new_size, 0, NULL);
    was_taken();
    if (!hak__call_failed(result))
        return HAK_RESIZED;
    return result == -ENOMEM ? HAK_RESIZE_NO_ROOM : HAK_RESIZE_REFUSED;
}

/* Older versions of Linux unmap the target before they look at limits. */
bool hak__os_move(void *address, size_t old_size, size_t new_size, void *target)
{
    about_to_give_up();
    long result =
        hak__told(SYS_mremap, address, old_size, new_size, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    return !hak__call_failed(result);
}

bool hak__os_lock(void *address, size_t size, bool on_fault)
{
    long result = on_fault ? hak__call(SYS_mlock2, address, size, MLOCK_ONFAULT)
                           : hak__call(SYS_mlock, address, size);
    return !hak__call_failed(result);
}

struct limit {
    uint64_t soft, hard;
};

size_t hak__os_lock_limit(void)
{
    struct limit limit;
    if (hak__call_failed(hak__call(SYS_prlimit64, 0, RLIMIT_MEMLOCK, NULL, &limit)))
        return 0;
    return limit.soft < SIZE_MAX ? (size_t)limit.soft : SIZE_MAX;
}

/* Pointers of 32 bits reach as far as a limit of 3 GiB. */
size_t hak__os_space_limit(void)
{
    static _Atomic size_t known = SIZE_MAX > UINT32_MAX ? SIZE_MAX : (size_t)3 << 30;
    struct limit limit = {UINT64_MAX, UINT64_MAX};
    size_t most = hak_load_relaxed(&known);
    if (hak_load_relaxed(&sandboxed) ||
        hak__call_failed(hak__call(SYS_prlimit64, 0, RLIMIT_AS, NULL, &limit)))
        return most;
    most = SIZE_MAX > UINT32_MAX ? SIZE_MAX : (size_t)3 << 30;
    if (limit.soft < most)
        most = (size_t)limit.soft;
    hak_store_relaxed(&known, most);
    return most;
}

uintptr_t hak__os_brk(void)
{
    long end = hak__call(SYS_brk, 0);
    return hak__call_failed(end) ? 0 : (uintptr_t)end;
}

/* SPDX-License-Identifier: MIT */
/*
 * Where a thread can be started.
 *
 * pthread_create takes locks of the C library, and so it must not be called by a free or malloc that the C
 * library makes with one of these held. glibc allocates with none of them held but those that a
 * thread may take again (dl_load_tls_lock). It frees with dl_stack_cache_lock held: the dynamic
 * linker's _dl_deallocate_tls, for the stacks of ended threads. So what the dynamic linker calls
 * starts nothing, nor what was called from where the caller cannot be told.
 *
 * The thread has no heap: what it allocates for itself, which is what the C library frees when it
 * ends, comes from the C library's way of making threads alone.
 */
#include "cache/purger.h"

#include "base/annotate.h"
#include "cache/enter.h"
#include "cache/heap_check.h"
#include "cache/heap_life.h"
#include "cache/heap_list.h"
#include "cache/heap_pool.h"
#include "cache/idle.h"
#include "cache/reclaim.h"
#include "core/options.h"
#include "core/stats.h"
#include "os/deadline.h"
#include "os/os.h"
#include "os/thread.h"
#include "page/locked.h"
#include "page/retain.h"
#include "slab/slab_holes.h"

enum {
    LOOKS = 4, /* in a decay period */
    LOOK_MIN_MS = 20,
    LOOK_MAX_MS = 2500,
    VAIN_LOOKS = 3 * LOOKS, /* by which nothing goes, and the thread looks less often */
    VAIN_SHIFT_MAX = 6,
    REFUSED_MS = 60000, /* before another thread is tried when there was none to be had */
    ALWAYS_LEAST = 64 << 10
};

/* The thread's, and written by it alone; one lives at a time. */
static HAK_SPARSE struct hak_counters counters; /* most processes have no such thread */
static bool counted;            /* under hak__heap_lock */
static uint32_t lives_in_vain;  /* in a row */
static _Atomic int process;     /* in which threads may be started; by a thread that is alone in it */

static int64_t between_looks(void)
{
    int64_t time = hak__option(HAK_OPTION_DECAY_MS) / LOOKS;
    return time < LOOK_MIN_MS ? LOOK_MIN_MS : time > LOOK_MAX_MS ? LOOK_MAX_MS : time;
}

static bool is_wanted(void)
{
    return hak__option(HAK_OPTION_BACKGROUND) != HAK_BACKGROUND_NEVER &&
           hak__option(HAK_OPTION_DECAY_MS) >= 0 && hak__heap_count() != 0 &&
           !hak__os_is_sandboxed() && !hak_load_relaxed(&hak__memory_is_locked);
}

/* Whether so much of unused memory is left that the thread goes on for it. */
static bool is_left(void)
{
    size_t retained = hak_load_relaxed(&hak__retained_bytes);
    size_t pinned = hak_load_relaxed(&hak__pinned_bytes);
    bool always = hak__option(HAK_OPTION_BACKGROUND) == HAK_BACKGROUND_ALWAYS;
    size_t least = always ? ALWAYS_LEAST : HAK_PURGER_LEAST;
    return retained > pinned && retained - pinned >= least;
}

/*
 * What idle threads kept has had its time already: it goes at once, with the pages around the blocks
 * that are left to them.
 */
static void take_from_idle(void)
{
    enum { HOLES_MS = 20 };
    size_t before = hak_load_relaxed(&hak__retained_bytes);
    if (!hak__idle_scan(LOOKS + 1))
        return;
    size_t now = hak_load_relaxed(&hak__retained_bytes);
    if (now > before)
        hak__reclaim(now - before, HAK_NEVER, false);
    hak__holes_purge(SIZE_MAX, hak__os_now_ms() + HOLES_MS);
}

/*
 * How many bytes went. No lock may be held that
 * others wait for, since functions in front of munmap are called: who takes the account waits for nothing else.
 */
static uint64_t look(bool barriers)
{
    if (!hak__lock_try(&hak__heap_check_lock))
        return 0;
    uint64_t before = hak_load_relaxed(&counters.value[HAK_COUNTER_PURGED_BYTES]);
    hak__heap_decay_orphans();
    if (barriers)
        take_from_idle();
    hak__reclaim_poll(true, 0);
    hak__lock_release(&hak__heap_check_lock);
    uint64_t gone = hak_load_relaxed(&counters.value[HAK_COUNTER_PURGED_BYTES]) - before;
    hak__count(HAK_COUNTER_PURGER_BYTES, gone);
    return gone;
}

static void count_apart(void)
{
    hak__lock_acquire(&hak__heap_lock);
    if (!counted)
        hak__counters_register(&counters);
    counted = true;
    hak__lock_release(&hak__heap_lock);
    hak__counters = &counters;
}

/*
 * When the next thread may come without being sure that there is something for it: the later, the more
 * of them have found nothing.
 */
static void note_life(uint64_t gone)
{
    lives_in_vain = gone != 0 ? 0 : lives_in_vain + 1;
    unsigned shift = lives_in_vain < VAIN_SHIFT_MAX ? lives_in_vain : VAIN_SHIFT_MAX;
    int64_t pause = lives_in_vain == 0 ? 0 : (between_looks() * LOOKS) << shift;
    hak__reclaim_no_purger_before(0, hak__os_now_ms() + pause);
}

/*
 * True when it ends since nothing is left. It does not end with memory left: who makes the program's last
 * call may have seen a thread that was there, and after it nobody asks for another.
 */
static bool look_around(bool barriers)
{
    uint64_t all = 0;
    bool quiet = false;
    for (unsigned vain = 0; is_wanted() && !quiet;) {
        int64_t pause = between_looks() * (vain < VAIN_LOOKS ? 1 : LOOKS);
        hak__os_wait(&hak__purger, HAK_PURGER_THERE, (unsigned)pause * 1000);
        uint64_t gone = is_wanted() ? look(barriers) : 0;
        all += gone;
        vain = gone != 0 ? 0 : vain + 1;
        quiet = vain > LOOKS + 1 && !is_left();
    }
    note_life(all);
    return quiet;
}

/* Who polls while the thread is about to end takes it for being there: it looks once more. */
static void *live(void *unused)
{
    HAK_UNSEEN;
    uint32_t none = HAK_PURGER_NONE;
    hak__os_name_thread("hakmem-purge");
    bool barriers = hak__os_barrier_prepare(), quiet;
    do {
        count_apart();
        quiet = look_around(barriers);
        hak__counters = &hak__counters_shared;
        hak_store_release(&hak__purger, HAK_PURGER_NONE);
    } while (quiet && is_left() && hak_cas_acquire(&hak__purger, &none, HAK_PURGER_THERE));
    return unused;
}

/* The dynamic linker, or this library, or a program that has the C library within it. */
static bool is_told_nothing(const void *caller)
{
    extern const char __ehdr_start[] __attribute__((visibility("hidden")));
    extern const char _end[] __attribute__((visibility("hidden")));
    enum { LINKER_MAX = 4 << 20 };
    uintptr_t address = (uintptr_t)caller, linker = hak__os_linker();
    return address - (uintptr_t)__ehdr_start < (uintptr_t)_end - (uintptr_t)__ehdr_start ||
           address - linker < LINKER_MAX;
}

/*
 * Whether the calling thread may start another: it is not ending, nor in the middle of a slow path,
 * which a signal handler may have interrupted. A child of vfork, or of a clone that ran no handlers,
 * is another process than the one in which polls have wanted a thread. A thread that has done nothing but
 * free large blocks has no heap yet, and gets one.
 */
static bool is_free_to_start(const void *caller)
{
    if (hak__os_process() != hak_load_relaxed(&process) || (caller != NULL && is_told_nothing(caller)))
        return false;
    struct hak_heap *heap = hak__heap;
    if (caller != NULL && !hak__heap_is_real(heap))
        heap = hak__heap_attach();
    return heap != NULL && hak__heap_is_real(heap) && !hak_load_relaxed(&heap->busy);
}

HAK_NOINLINE void hak__purger_start_slow(const void *caller)
{
    uint32_t wanted = HAK_PURGER_WANTED;
    if (!is_wanted() || hak__os_is_secure() || hak__is_watched()) { /* first: sandboxes know few calls */
        int64_t later = hak__os_now_ms() + between_looks() * LOOKS;
        hak__reclaim_no_purger_before(later, later);
        hak_cas_relaxed(&hak__purger, &wanted, HAK_PURGER_NONE);
        return;
    }
    if (!is_free_to_start(caller))
        return;
    if (!hak_cas_acquire(&hak__purger, &wanted, HAK_PURGER_THERE))
        return;
    if (hak__thread_start(live)) {
        hak__count(HAK_COUNTER_PURGER_STARTS, 1);
        return;
    }
    int64_t later = hak__os_now_ms() + REFUSED_MS;
    hak__reclaim_no_purger_before(later, later);
    hak_store_release(&hak__purger, HAK_PURGER_NONE);
}

void hak__purger_prepare(void)
{
    hak_store_relaxed(&process, hak__os_process());
}

void hak__purger_fork_child(void)
{
    hak__lock_reset(&hak__heap_check_lock);
    hak__purger_prepare();
    hak_store_relaxed(&hak__purger, HAK_PURGER_NONE);
    hak__reclaim_no_purger_before(0, 0);
    lives_in_vain = 0;
}

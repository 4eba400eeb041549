/* SPDX-License-Identifier: MIT */
#include "cache/reclaim.h"

#include "base/annotate.h"
#include "core/options.h"
#include "core/stats.h"
#include "os/deadline.h"
#include "os/os.h"
#include "page/arena.h"
#include "page/huge.h"
#include "page/locked.h"
#include "page/purge.h"
#include "page/retain.h"
#include "slab/slab_holes.h"
#include "slab/superslab.h"

HAK_WRITTEN_OFTEN struct hak_lock hak__purge_lock;

enum { ROUNDS = 64 }; /* of purging, for one poll */

size_t hak__reclaim(size_t bytes, int64_t until, bool pinned_too)
{
    HAK_UNSEEN;
    size_t done = hak__huge_purge(bytes, until, pinned_too);
    if (done < bytes)
        done += hak__arena_purge(bytes - done, until, pinned_too);
    if (done < bytes) {
        done += hak__superslab_purge(bytes - done, until, pinned_too);
        if (done < bytes)
            done += hak__holes_purge(bytes - done, until);
        if (done < bytes)
            done += hak__arena_purge(bytes - done, until, false);
    }
    return done;
}

/*
 * The same for what is not asked for explicitly: where the system has refused everything it is left
 * alone for a while.
 */
typedef size_t purge_t(size_t bytes, int64_t until, bool pinned_too);
static size_t purge_unless_refused(purge_t *purge, size_t bytes, bool pinned_too)
{
    enum { PAUSE_MS = 1000 };
    static _Atomic int64_t paused_until; /* any thread; only steers */
    int64_t until = hak_load_relaxed(&paused_until);
    if (hak_unlikely(until != 0) && hak__os_now_ms() < until)
        return 0;
    uint32_t before = hak__purge_moment();
    size_t gone = purge(bytes, HAK_NEVER, pinned_too);
    bool refused = gone == 0 && hak__purge_refused_since(before);
    if (hak_unlikely(refused || until != 0))
        hak_store_relaxed(&paused_until, refused ? hak__os_now_ms() + PAUSE_MS : 0);
    return gone;
}

HAK_READ_MOSTLY _Atomic uint32_t hak__flushes_requested;

void hak__reclaim_request_flush(void)
{
    hak_add_relaxed(&hak__flushes_requested, 1);
}

/* What other threads keep is asked for now and then, since they lose by it. */
void hak__reclaim_make_room(size_t bytes)
{
    enum { ASK_MS = 100 };
    static _Atomic int64_t asked; /* any thread; only steers */
    size_t over = hak__over_soft_limit(bytes);
    if (hak_likely(over == 0))
        return;
    int64_t now = hak__os_now_ms();
    if (now - hak_load_relaxed(&asked) >= ASK_MS) {
        hak_store_relaxed(&asked, now);
        hak__reclaim_request_flush();
    }
    purge_unless_refused(hak__reclaim, over, false);
}

/*
 * Unused slots that have memory are of no use to a slab that was begun without: too few of them lie side
 * by side, or it will need less than they have. Where the process would have more memory than ever before
 * they go, but for a few. Below that they stay: what has come and gone may do so again.
 */
static size_t make_way(size_t bytes)
{
    enum { FEW = 512 << 10 };
    size_t pinned = hak_load_relaxed(&hak__pinned_bytes); /* would be looked through each time */
    if (hak_load_relaxed(&hak__retained_bytes) <= FEW + pinned || hak_load_relaxed(&hak__memory_is_locked))
        return 0;
    return purge_unless_refused(hak__superslab_purge, bytes, false);
}

void hak__reclaim_growth(size_t bytes)
{
    static _Atomic size_t highest; /* that nothing could be purged for; any thread, only steers */
    size_t taken = hak_load_relaxed(&hak__taken_bytes);
    if (taken > hak_load_relaxed(&highest) && make_way(bytes) == 0)
        hak_store_relaxed(&highest, taken);
    hak__holes_purge_some(2 * bytes); /* more than comes, so that a process that is sparse does not grow */
}

/*
 * One thread is enough, and the others need not wait for it: it looks again when it is done, since
 * what they gave meanwhile may have been their last.
 */
static void purge_surplus(size_t surplus, size_t kept, bool pinned_too)
{
    for (int round = 0; round < ROUNDS && surplus != 0; round++) {
        if (!hak__lock_try(&hak__purge_lock))
            return;
        size_t gone = purge_unless_refused(hak__reclaim, surplus, pinned_too);
        hak__retain_purged(gone);
        hak__lock_release(&hak__purge_lock);
        surplus = gone != 0 ? hak__retain_excess(kept) : 0;
        pinned_too = false;
    }
}

void hak__reclaim_poll(bool look_at_time, size_t kept)
{
    bool pinned_too = false;
    size_t surplus = hak__retain_excess(kept);
    if (hak_likely(surplus == 0) && hak_unlikely(look_at_time))
        surplus = hak__retain_decay(&pinned_too);
    if (hak_unlikely(surplus != 0))
        purge_surplus(surplus, kept, pinned_too);
}

HAK_READ_MOSTLY _Atomic uint32_t hak__purger;
static _Atomic int64_t not_before, not_in_vain_before; /* ms; any thread, only steer */

void hak__reclaim_no_purger_before(int64_t time, int64_t time_in_vain)
{
    hak_store_relaxed(&not_before, time);
    hak_store_relaxed(&not_in_vain_before, time_in_vain);
}

/* A process that has no more than this of the system may keep it, unless that is asked for. */
static size_t kept_anyway(int64_t background)
{
    enum { ALWAYS = 2 << 20, AUTO = 16 << 20 };
    return background == HAK_BACKGROUND_ALWAYS ? ALWAYS : AUTO;
}

HAK_NOINLINE void hak__reclaim_request_purger_slow(size_t heaps, bool in_vain)
{
    int64_t background = hak__option(HAK_OPTION_BACKGROUND);
    if (background == HAK_BACKGROUND_NEVER || hak__option(HAK_OPTION_DECAY_MS) < 0 ||
        (background == HAK_BACKGROUND_AUTO && heaps < 2) ||
        hak_load_relaxed(&hak__taken_bytes) <= kept_anyway(background))
        return;
    int64_t now = hak__os_now_ms();
    if (now < hak_load_relaxed(&not_before) ||
        (in_vain && now < hak_load_relaxed(&not_in_vain_before)))
        return;
    uint32_t none = HAK_PURGER_NONE;
    hak_cas_relaxed(&hak__purger, &none, HAK_PURGER_WANTED);
}

void hak__reclaim_no_heaps(void)
{
    if (hak_load_relaxed(&hak__purger) == HAK_PURGER_THERE)
        hak__os_wake(&hak__purger);
}

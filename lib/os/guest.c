/* SPDX-License-Identifier: MIT */
#include "os/guest.h"

#include <stddef.h>

/* Of the C library; absent elsewhere. */
extern void _IO_list_lock(void) __attribute__((weak));
extern void _IO_list_unlock(void) __attribute__((weak));
/* True while its fork takes no locks; old ones do not tell. */
extern char __libc_single_threaded __attribute__((weak));

HAK_READ_MOSTLY _Atomic uintptr_t hak__lock_forker;

bool hak__guests_possible;

static _Atomic bool invited;       /* written by the thread that forks, under `section` */
static HAK_WRITTEN_OFTEN struct hak_lock section;    /* nobody passes this one */
static _Atomic uintptr_t inside;   /* who holds it to pass others; written by the holder */
static unsigned depth;             /* locks passed and not left; under section */
static bool holds_files;           /* it is a guest; under section */

void hak__files_lock(void)
{
    if (_IO_list_lock != NULL && _IO_list_unlock != NULL)
        _IO_list_lock();
}

void hak__files_unlock(void)
{
    if (_IO_list_lock != NULL && _IO_list_unlock != NULL)
        _IO_list_unlock();
}

static bool fork_stops_for_guests(void)
{
    return hak__guests_possible && _IO_list_lock != NULL && _IO_list_unlock != NULL &&
           (&__libc_single_threaded == NULL || !__libc_single_threaded);
}

void hak__fork_passes(void)
{
    hak__lock_acquire_own(&section);
    hak_store_relaxed(&hak__lock_forker, hak__thread_self());
    hak_store_relaxed(&invited, fork_stops_for_guests());
    hak__lock_release_own(&section);
}

/* In the child of a signal handler that has interrupted its thread inside, nobody else is. */
void hak__fork_passes_no_more(void)
{
    if (hak_load_relaxed(&inside) == hak__thread_self()) {
        hak_store_relaxed(&inside, 0);
        depth = 0;
    } else {
        hak__lock_acquire_own(&section);
    }
    hak_store_relaxed(&invited, false);
    hak_store_relaxed(&hak__lock_forker, 0);
    hak__lock_release_own(&section);
}

/* While a thread forks: true if the caller, this thread or a guest, passes. */
static bool enters(void)
{
    uintptr_t self = hak__thread_self();
    if (hak_load_relaxed(&inside) == self) {
        depth++;
        return true;
    }
    if (hak_load_relaxed(&hak__lock_forker) != self)
        return false;
    hak__lock_acquire_own(&section);
    hak_store_relaxed(&inside, self);
    depth = 1;
    return true;
}

/* Makes the caller a guest, if a thread forks and guests may pass. */
static bool begins(void)
{
    if (!hak_load_relaxed(&invited))
        return false;
    hak__files_lock();
    hak__lock_acquire_own(&section);
    if (hak_load_relaxed(&invited)) {
        hak_store_relaxed(&inside, hak__thread_self());
        depth = 1;
        holds_files = true;
        return true;
    }
    hak__lock_release_own(&section);
    hak__files_unlock();
    return false;
}

/*
 * Where a thread may pass as a guest it looks now and then whether somebody forks; a fork that is
 * over soon, as nearly all are, is waited for. False when it passes and has not got the lock.
 */
static bool wait_for(struct hak_lock *lock)
{
    enum { LOOK_US = 2000 };
    if (hak__lock_spin(lock))
        return true;
    while (!hak__lock_sleep(lock, hak__guests_possible ? LOOK_US : 0))
        if (hak__guests_possible && begins())
            return false;
    return true;
}

HAK_NOINLINE void hak__lock_acquire_slow(struct hak_lock *lock)
{
    if (hak_load_relaxed(&hak__lock_forker) != 0 && enters())
        return;
    if (hak__lock_is_mine(lock))
        hak__lock_self_deadlock();
    if (wait_for(lock))
        hak__lock_note(lock, 1);
}

/* What the caller took by itself while a thread forks, it leaves as ever. */
bool hak__lock_was_passed(struct hak_lock *lock)
{
    if (hak_load_relaxed(&inside) != hak__thread_self() ||
        (!lock->forked && hak__lock_is_mine(lock)))
        return false;
    if (--depth > 0)
        return true;
    bool guest = holds_files;
    holds_files = false;
    hak_store_relaxed(&inside, 0);
    hak__lock_release_own(&section);
    if (guest)
        hak__files_unlock();
    return true;
}

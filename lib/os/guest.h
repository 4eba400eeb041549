/* SPDX-License-Identifier: MIT */
/*
 * Passing locks that a forking thread holds.
 *
 * From its handler of fork to the fork itself a thread holds every lock of the library, and is in
 * no critical section: all lists are whole. If the library's handler is the last to run, nobody
 * notices. In a process that has opened the library late, handlers of others run after it. These
 * may allocate, so the forking thread passes the locks that it holds; and they may wait for a
 * thread that allocates, so other threads must be able to pass, too. They are guests.
 *
 * What a guest must not do is to be in a critical section when the process is copied. The C
 * library takes the lock of its list of files after all handlers have run, and holds it over the
 * copy. A guest holds it as well while it is inside: the copy waits. One section at a time is
 * entered, by a guest or by the forking thread, under a lock that only these take.
 *
 *     guest     lock of the list of files ─► section ─► forker still there? ─► passes
 *     forker                                  section ───────────────────────► passes
 *     fork      handlers of others ─► lock of the list of files ─► copy
 *
 * Where the C library's own allocations come to this library, a thread may hold a file's lock
 * while it allocates, and others wait for that with the list's lock held: no guests there.
 */
#ifndef HAK_OS_GUEST_H
#define HAK_OS_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "os/lock_word.h"

/* The thread that forks, or 0; written by it alone while it holds all locks. */
extern _Atomic uintptr_t hak__lock_forker;

/* Waits for a lock that hak__lock_acquire has not got at once, or passes it. */
void hak__lock_acquire_slow(struct hak_lock *lock);

/* While a thread forks: whether the caller has passed the lock, which it then leaves by this. */
bool hak__lock_was_passed(struct hak_lock *lock);

/* Whether guests may pass in this process; set when the library starts. */
extern bool hak__guests_possible;

/*
 * By the thread that forks, with all locks held: from now on it passes those whose `forked` is
 * set, and guests do unless the C library would not stop for them, as in a process of one thread.
 */
void hak__fork_passes(void);
/* The same thread: no longer. Waits until no guest is inside. */
void hak__fork_passes_no_more(void);

/* The lock of the C library's list of files, if it can be had; the holder may take it again. */
void hak__files_lock(void);
void hak__files_unlock(void);

#endif

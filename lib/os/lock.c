/* SPDX-License-Identifier: MIT */
#include "os/lock.h"

#include "os/os.h"

_Atomic uintptr_t hak__lock_forker;

enum { SPINS = 64 };

HAK_INLINE void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

HAK_NOINLINE void hak__lock_acquire_slow(struct hak_lock *lock)
{
    if (hak_load_relaxed(&hak__lock_forker) == hak__thread_self())
        return;
    for (int i = 0; i < SPINS; i++) {
        uint32_t expected = 0;
        if (hak_load_relaxed(&lock->word) == 0 && hak_cas_acquire(&lock->word, &expected, 1)) {
            hak__lock_note(lock, 1);
            return;
        }
        pause_briefly();
    }
    while (hak_swap_acquire(&lock->word, 2) != 0)
        hak__os_wait(&lock->word, 2);
    hak__lock_note(lock, 1);
}

HAK_NOINLINE void hak__lock_wake(struct hak_lock *lock)
{
    hak__os_wake(&lock->word);
}

void hak__lock_fork_prepare(struct hak_lock *lock)
{
    if (hak_load_relaxed(&lock->holder) != hak__thread_self())
        hak__lock_acquire(lock);
}

void hak__lock_fork_parent(struct hak_lock *lock)
{
    hak__lock_release(lock);
}

void hak__lock_fork_child(struct hak_lock *lock)
{
    hak_store_relaxed(&lock->holder, 0);
    hak_store_release(&lock->word, 0);
}

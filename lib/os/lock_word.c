/* SPDX-License-Identifier: MIT */
#include "os/lock_word.h"

#include "os/os.h"

HAK_INLINE void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/*
 * Two threads have the same token if they are a multiple of 4 TiB apart; `holder` tells them from
 * each other but for the instructions between the two stores of taking and leaving.
 */
bool hak__lock_is_mine(struct hak_lock *lock)
{
    if ((hak_load_relaxed(&lock->word) & ~UINT32_C(1)) != hak__lock_token())
        return false;
    uintptr_t holder = hak_load_relaxed(&lock->holder);
    return holder == 0 || holder == hak__thread_self();
}

/*
 * Each look takes the lock's line from its holder, and whoever gets the lock what it guards from the
 * processor where that lies: so waiting begins with about a microsecond without a look and doubles, and
 * a thread that takes the lock again and again goes on for some rounds.
 */
bool hak__lock_spin(struct hak_lock *lock)
{
    enum { FIRST = 64, LAST = 1024 };
    for (int pauses = FIRST; pauses <= LAST; pauses *= 2) {
        for (int i = 0; i < pauses; i++)
            pause_briefly();
        uint32_t expected = 0;
        if (hak_load_relaxed(&lock->word) == 0 &&
            hak_cas_acquire(&lock->word, &expected, hak__lock_token()))
            return true;
    }
    return false;
}

/* Whoever gets the lock after it has slept does not know whether others still do. */
bool hak__lock_sleep(struct hak_lock *lock, unsigned most_us)
{
    uint32_t word = 0;
    if (hak_cas_acquire(&lock->word, &word, hak__lock_token() | 1))
        return true;
    if ((word & 1) != 0 || hak_cas_relaxed(&lock->word, &word, word | 1))
        hak__os_wait(&lock->word, word | 1, most_us);
    return false;
}

void hak__lock_acquire_own(struct hak_lock *lock)
{
    if (hak__lock_try(lock))
        return;
    if (!hak__lock_spin(lock))
        while (!hak__lock_sleep(lock, 0))
            continue;
    hak__lock_note(lock, 1);
}

HAK_NOINLINE void hak__lock_wake(struct hak_lock *lock)
{
    hak__os_wake(&lock->word);
}

bool hak__lock_try_patiently(struct hak_lock *lock)
{
    enum { TRIES = 100, PAUSE_US = 50 };
    for (int i = 0; i < TRIES; i++) {
        if (hak__lock_try(lock))
            return true;
        hak__os_sleep_us(PAUSE_US);
    }
    return false;
}

void hak__lock_reset(struct hak_lock *lock)
{
    lock->forked = false;
    hak_store_relaxed(&lock->holder, 0);
    hak_store_release(&lock->word, 0);
}

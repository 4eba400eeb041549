/* SPDX-License-Identifier: MIT */
#include "os/thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "base/atomic.h"
#include "os/lock.h"

enum { KEY_NONE, KEY_READY, KEY_FAILED };

static _Atomic int key_state = KEY_NONE; /* set once, under key_lock; release, read by acquire */
static pthread_key_t key;                /* written before key_state becomes KEY_READY */
static HAK_WRITTEN_OFTEN struct hak_lock key_lock;

/* The first caller's function serves all: the library has only one. */
static bool key_ready(void (*function)(void *))
{
    int state = hak_load_acquire(&key_state);
    if (hak_likely(state != KEY_NONE))
        return state == KEY_READY;
    pthread_key_t fresh; /* not under the lock: a function in front of this may allocate */
    bool created = pthread_key_create(&fresh, function) == 0;
    hak__lock_acquire(&key_lock);
    state = hak_load_acquire(&key_state);
    bool first = state == KEY_NONE;
    if (first) {
        state = created ? KEY_READY : KEY_FAILED;
        key = fresh;
        hak_store_release(&key_state, state);
    }
    hak__lock_release(&key_lock);
    if (created && !first)
        pthread_key_delete(fresh);
    return state == KEY_READY;
}

bool hak__thread_at_exit(void (*function)(void *value), void *value)
{
    int saved = errno;
    bool done = key_ready(function) && pthread_setspecific(key, value) == 0;
    errno = saved;
    return done;
}

void hak__thread_reserve(void (*function)(void *value))
{
    int saved = errno;
    key_ready(function);
    errno = saved;
}

/* Of a program with the thread sanitizer, which puts functions in front of those of mutexes. */
extern void __tsan_init(void) __attribute__((weak));

/*
 * The thread sanitizer would take it for one of the program's; and while it starts, when blocks are
 * needed before it serves them, its functions cannot be called.
 */
void hak__life_prepare(struct hak_life *life)
{
    pthread_mutexattr_t attributes;
    if (hak_load_relaxed(&life->known) || __tsan_init != NULL)
        return;
    if (pthread_mutexattr_init(&attributes) == 0 &&
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0 &&
        pthread_mutex_init(&life->mutex, &attributes) == 0)
        hak_store_release(&life->known, true);
}

bool hak__life_begin(struct hak_life *life)
{
    return hak_load_relaxed(&life->known) && pthread_mutex_trylock(&life->mutex) == 0;
}

void hak__life_end(struct hak_life *life)
{
    if (hak_load_relaxed(&life->known))
        pthread_mutex_unlock(&life->mutex);
}

void hak__life_forget(struct hak_life *life)
{
    hak_store_relaxed(&life->known, false);
}

bool hak__life_is_over(struct hak_life *life)
{
    if (!hak_load_acquire(&life->known))
        return false;
    int result = pthread_mutex_trylock(&life->mutex);
    if (result == EOWNERDEAD)
        pthread_mutex_consistent(&life->mutex);
    if (result == 0 || result == EOWNERDEAD)
        pthread_mutex_unlock(&life->mutex);
    return result == EOWNERDEAD;
}

/* A static program may have no threads. */
#pragma weak pthread_create

/* With those of the C library's own that it needs, and those that tell of a crash. */
static void most_signals(sigset_t *set)
{
    static const int others[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS};
    sigfillset(set);
    for (size_t i = 0; i < HAK_COUNT_OF(others); i++)
        sigdelset(set, others[i]);
}

bool hak__thread_start(void *(*function)(void *))
{
    enum { STACK = 256 << 10 };
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t blocked, before;
    bool started = false;
    int saved = errno;
    if (&pthread_create == NULL || pthread_attr_init(&attributes) != 0)
        return false;
    most_signals(&blocked);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (pthread_attr_setstacksize(&attributes, STACK) == 0 &&
        pthread_sigmask(SIG_BLOCK, &blocked, &before) == 0) {
        started = pthread_create(&thread, &attributes, function, NULL) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attributes);
    errno = saved;
    return started;
}

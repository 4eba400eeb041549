/* SPDX-License-Identifier: MIT */
#include "os/thread.h"

#include <errno.h>
#include <pthread.h>

#include "base/atomic.h"
#include "os/lock.h"

HAK_TLS char hak__thread_anchor;

enum { KEY_NONE, KEY_READY, KEY_FAILED };

static _Atomic int key_state = KEY_NONE; /* set once, under key_lock; release, read by acquire */
static pthread_key_t key;                /* written before key_state becomes KEY_READY */
static struct hak_lock key_lock;

/* The first caller's function serves all: the library has only one. */
static bool key_ready(void (*function)(void *))
{
    int state = hak_load_acquire(&key_state);
    if (hak_likely(state != KEY_NONE))
        return state == KEY_READY;
    hak__lock_acquire(&key_lock);
    state = hak_load_acquire(&key_state);
    if (state == KEY_NONE) {
        state = pthread_key_create(&key, function) == 0 ? KEY_READY : KEY_FAILED;
        hak_store_release(&key_state, state);
    }
    hak__lock_release(&key_lock);
    return state == KEY_READY;
}

bool hak__thread_at_exit(void (*function)(void *value), void *value)
{
    int saved = errno;
    bool done = key_ready(function) && pthread_setspecific(key, value) == 0;
    errno = saved;
    return done;
}

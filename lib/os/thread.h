/* SPDX-License-Identifier: MIT */
/* Who a thread is, and being told when it ends. */
#ifndef HAK_OS_THREAD_H
#define HAK_OS_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

extern HAK_TLS char hak__thread_anchor;

/* A number that no two living threads share, never 0. Children of vfork share their parent's. */
HAK_INLINE uintptr_t hak__thread_self(void)
{
    return (uintptr_t)&hak__thread_anchor;
}

/*
 * Asks that function(value) be called when the calling thread ends. It runs
 * among the destructors of thread-specific data; to run after the others it
 * asks again from within, up to the number of rounds that the system grants.
 * False when no key is to be had: then it will not be called.
 */
bool hak__thread_at_exit(void (*function)(void *value), void *value);

#endif

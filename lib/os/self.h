/* SPDX-License-Identifier: MIT */
/* Who a thread is. */
#ifndef HAK_OS_SELF_H
#define HAK_OS_SELF_H

#include <stdint.h>

#include "base/compiler.h"

extern HAK_TLS char hak__thread_anchor;

/* A number that no two living threads share, never 0. Children of vfork share their parent's. */
HAK_INLINE uintptr_t hak__thread_self(void)
{
    return (uintptr_t)&hak__thread_anchor;
}

#endif

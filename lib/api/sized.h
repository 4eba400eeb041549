/* SPDX-License-Identifier: MIT */
/* Structs of hakmem.h whose first field is their size as the caller knows it. */
#ifndef HAK_API_SIZED_H
#define HAK_API_SIZED_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/compiler.h"

/* Whether a version of the library had a struct of this size; least is that of the first. */
HAK_INLINE bool hak__sized_is_known(size_t size, size_t least)
{
    if (size >= least)
        return true;
    errno = EINVAL;
    return false;
}

/*
 * Fills in as much of the caller's struct as both know. Its size stays; what is behind the
 * library's own is zero.
 */
HAK_INLINE void hak__sized_fill(void *to, size_t size, const void *from, size_t own)
{
    memset(to, 0, size);
    memcpy(to, from, size < own ? size : own);
    memcpy(to, &size, sizeof size);
}

#endif

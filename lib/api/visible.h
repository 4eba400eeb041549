/* SPDX-License-Identifier: MIT */
/*
 * Which malloc the program sees.
 *
 * A program that defines malloc itself gets its own, and so does every library that it loads;
 * what it does not define may still be ours. The names of the C library that are nevertheless
 * called here serve as usual: a wrapper that found them with dlsym(RTLD_NEXT) wants just that.
 */
#ifndef HAK_API_VISIBLE_H
#define HAK_API_VISIBLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

HAK_EXPORT void *malloc(size_t size);

/* Our malloc, under a name that nobody can take. */
extern __typeof__(malloc) hak__own_malloc __attribute__((visibility("hidden")));

/* Whether the function that a name leads to is that of this library, under its other name. */
HAK_INLINE bool hak__is_own(void *visible, void *own)
{
    hak_opaque(visible); /* or the compiler takes two names for two functions */
    return visible == own;
}

/* True unless the program, or a library in front of this one, has a malloc of its own. */
HAK_INLINE bool hak__malloc_is_visible(void)
{
    return hak__is_own((void *)&malloc, (void *)&hak__own_malloc);
}

#endif

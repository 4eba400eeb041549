/* SPDX-License-Identifier: MIT */
/* Wrappers as tools have them: each call goes to the next library's function of the name. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

void *malloc(size_t size)
{
    static void *(*next)(size_t);
    if (next == NULL)
        next = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    return next(size);
}

void free(void *block)
{
    static void (*next)(void *);
    if (next == NULL)
        next = (void (*)(void *))dlsym(RTLD_NEXT, "free");
    next(block);
}

/* SPDX-License-Identifier: MIT */
/* libc's own allocator, for HAKMEM_DISABLE and for blocks that it allocated itself. */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "base/atomic.h"
#include "front/front.h"

/* Exported by the GNU C library for this purpose; absent elsewhere. */
extern void *__libc_malloc(size_t size) __attribute__((weak));
extern void *__libc_calloc(size_t count, size_t size) __attribute__((weak));
extern void *__libc_realloc(void *block, size_t size) __attribute__((weak));
extern void *__libc_memalign(size_t alignment, size_t size) __attribute__((weak));
extern void __libc_free(void *block) __attribute__((weak));

bool hak__libc_has_malloc(void)
{
    return __libc_malloc != NULL;
}

void *hak__libc_malloc(size_t size)
{
    return __libc_malloc != NULL ? __libc_malloc(size) : NULL;
}

void *hak__libc_calloc(size_t count, size_t size)
{
    return __libc_calloc != NULL ? __libc_calloc(count, size) : NULL;
}

void *hak__libc_realloc(void *block, size_t size)
{
    return __libc_realloc != NULL ? __libc_realloc(block, size) : NULL;
}

void *hak__libc_memalign(size_t alignment, size_t size)
{
    return __libc_memalign != NULL ? __libc_memalign(alignment, size) : NULL;
}

void hak__libc_free(void *block)
{
    if (__libc_free != NULL)
        __libc_free(block);
}

/* There is no __libc_ name for this one: the next library's is looked up at the first call. */
size_t hak__libc_usable_size(void *block)
{
    typedef size_t usable_size_fn(void *);
    static _Atomic(usable_size_fn *) next;
    usable_size_fn *function = hak_load_relaxed(&next);
    if (function == NULL) {
        function = (usable_size_fn *)dlsym(RTLD_NEXT, "malloc_usable_size");
        if (function == NULL)
            return 0;
        hak_store_relaxed(&next, function);
    }
    return function(block);
}

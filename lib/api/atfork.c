/* SPDX-License-Identifier: MIT */
/*
 * The registration of handlers of fork, so that ours are the first (front/fork.c).
 *
 * A library registers its handlers in its constructor, which may run before ours, but always by
 * __register_atfork of the C library: the pthread_atfork in each object calls that. It is weak
 * here: in a static program the C library's own definition stands, and the library's constructor,
 * which runs before those without a priority, registers in time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

#include "base/atomic.h"
#include "front/front.h"

typedef int register_fn(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                        void *object);
HAK_EXPORT __attribute__((weak)) register_fn __register_atfork;

/*
 * A function in front of dlsym that hands on RTLD_NEXT asks as itself, and next to it comes ours. The
 * version is that of the architecture's first release, or of the function's.
 */
static register_fn *find_next(void)
{
    static const char versions[][12] = {"GLIBC_2.3.2", "GLIBC_2.17", "GLIBC_2.27", "GLIBC_2.36"};
    register_fn *function = (register_fn *)dlsym(RTLD_NEXT, "__register_atfork");
    if (function != __register_atfork)
        return function;
    function = NULL;
    for (size_t i = 0; function == NULL && i < sizeof versions / sizeof *versions; i++)
        function = (register_fn *)dlvsym(RTLD_NEXT, "__register_atfork", versions[i]);
    return function != __register_atfork ? function : NULL;
}

int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                      void *object)
{
    static _Atomic(register_fn *) next;
    register_fn *function = hak_load_relaxed(&next);
    if (function == NULL) {
        function = find_next();
        if (function == NULL)
            return ENOMEM;
        hak_store_relaxed(&next, function);
    }
    hak__fork_register();
    return function(prepare, parent, child, object);
}

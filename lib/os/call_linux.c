/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "os/call.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/atomic.h"

static HAK_READ_MOSTLY _Atomic bool libc_is_ready; /* to true, by the library's constructor */

void hak__call_libc_from_now_on(void)
{
    hak_store_relaxed(&libc_is_ready, true);
}

bool hak__libc_is_ready(void)
{
    return hak_load_relaxed(&libc_is_ready);
}

static long by_libc(long number, long a, long b, long c, long d, long e)
{
    switch (number) {
    case SYS_munmap:
        return munmap((void *)a, (size_t)b);
    case SYS_madvise:
        return madvise((void *)a, (size_t)b, (int)c);
    case SYS_mremap:
        return (long)mremap((void *)a, (size_t)b, (size_t)c, (int)d, (void *)e);
    default:
        return (long)mmap((void *)a, (size_t)b, (int)c, (int)d, (int)e, 0);
    }
}

long hak__told6(long number, long a, long b, long c, long d, long e, long f)
{
    if (!hak_load_relaxed(&libc_is_ready))
        return hak__call6(number, a, b, c, d, e, f);
    int saved = errno;
    errno = 0;
    long result = by_libc(number, a, b, c, d, e);
    if (result == -1)
        result = errno != 0 ? -errno : -EINVAL;
    errno = saved;
    return result;
}

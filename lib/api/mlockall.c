/* SPDX-License-Identifier: MIT */
/*
 * mlockall(2) and munlockall(2): what the library has mapped ahead is no reason to refuse. Where the
 * system does, all that is in use is locked instead (page/locked.h).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include "base/compiler.h"
#include "os/call.h"
#include "page/locked.h"

HAK_EXPORT int mlockall(int flags);
HAK_EXPORT int munlockall(void);

static int outcome(long result)
{
    if (!hak__call_failed(result))
        return 0;
    errno = (int)-result;
    return -1;
}

int mlockall(int flags)
{
    long result = hak__call(SYS_mlockall, flags);
    if (!hak__call_failed(result)) {
        hak__locked_by_system(flags);
        return 0;
    }
    int saved = errno;
    if (result == -ENOMEM && (flags & MCL_CURRENT) != 0 && hak__locked_use(flags)) {
        errno = saved;
        return 0;
    }
    return outcome(result);
}

int munlockall(void)
{
    hak__locked_no_more();
    return outcome(hak__call(SYS_munlockall));
}

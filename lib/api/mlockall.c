/* SPDX-License-Identifier: MIT */
/*
 * mlockall(2) and munlockall(2): what the library has mapped ahead is no reason to refuse. Where it
 * would be one, or would use up a small limit, all that is in use is locked instead (page/locked.h).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/compiler.h"
#include "core/disabled.h"
#include "front/front.h"
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

/* Of a limit under this much what is mapped ahead is a good part. */
#define LITTLE ((size_t)64 << 20)

static bool may_lock_what_is_used(int flags)
{
    if ((flags & MCL_CURRENT) == 0 || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) != 0)
        return false;
    hak__init();
    return !hak__is_disabled();
}

int mlockall(int flags)
{
    bool may = may_lock_what_is_used(flags);
    if (may && hak__locked_use(flags, LITTLE))
        return 0;
    long result = hak__call(SYS_mlockall, flags);
    if (!hak__call_failed(result)) {
        hak__locked_by_system(flags);
        return 0;
    }
    int saved = errno;
    if (result == -ENOMEM && may && hak__locked_use(flags, SIZE_MAX)) {
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

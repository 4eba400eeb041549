/* SPDX-License-Identifier: MIT */
/*
 * prctl(2), to learn that the program locks itself into a sandbox.
 *
 * Filters like those of OpenSSH and Chromium kill a process for madvise(MADV_POPULATE_WRITE),
 * which cannot be tried out. Programs set them by PR_SET_SECCOMP, or by seccomp(2) after
 * PR_SET_NO_NEW_PRIVS. From then on the library does without.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <sys/prctl.h>

#include "base/compiler.h"
#include "os/call.h"
#include "os/os.h"
#include "page/locked.h"

HAK_EXPORT int prctl(int operation, ...);

int prctl(int operation, ...)
{
    unsigned long argument[4];
    va_list list;
    va_start(list, operation);
    for (int i = 0; i < 4; i++)
        argument[i] = va_arg(list, unsigned long);
    va_end(list);
    if (operation == PR_SET_SECCOMP || operation == PR_SET_NO_NEW_PRIVS) {
        hak__os_sandboxed();
        hak__locked_no_more();
    }
    long result = hak__call(SYS_prctl, operation, argument[0], argument[1], argument[2], argument[3]);
    if (!hak__call_failed(result))
        return (int)result;
    errno = (int)-result;
    return -1;
}

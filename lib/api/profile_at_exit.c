/* SPDX-License-Identifier: MIT */
/* The options profile_dump and leaks, when the process ends by exit(3). */
#include "api/stderr_at_exit.h"
#include "base/annotate.h"
#include "core/disabled.h"
#include "core/options.h"
#include "front/front.h"
#include "os/os.h"
#include "profile/dump.h"
#include "profile/leaks.h"

/* Where a program lies that has more rights than its user is not told. */
static __attribute__((destructor)) void end_profile(void)
{
    HAK_UNSEEN;
    if (hak__is_disabled())
        return;
    hak__dump_at_exit();
    int fd = hak__stderr_at_exit();
    if (hak__option(HAK_OPTION_LEAKS) && fd >= 0 && !hak__os_is_secure())
        hak__leaks_report(fd);
}

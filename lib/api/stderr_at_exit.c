/* SPDX-License-Identifier: MIT */
#include "api/stderr_at_exit.h"

#include "core/disabled.h"
#include "core/options.h"
#include "front/front.h"
#include "os/os.h"

enum { STANDARD_ERROR = 2 };

static int first = -1;

/* Behind the constructor that reads the options. */
static __attribute__((constructor(102))) void keep_stderr(void)
{
    if ((hak__option(HAK_OPTION_STATS) != 0 || hak__option(HAK_OPTION_LEAKS) != 0) && !hak__is_disabled())
        first = hak__os_duplicate(STANDARD_ERROR);
}

int hak__stderr_at_exit(void)
{
    return hak__os_is_open(STANDARD_ERROR) ? STANDARD_ERROR : first;
}

/* SPDX-License-Identifier: MIT */
/* The options profile_dump and leaks, when the process ends by exit(3). */
#include "base/annotate.h"
#include "core/options.h"
#include "front/front.h"
#include "profile/dump.h"
#include "profile/leaks.h"

enum { STANDARD_ERROR = 2 };

static __attribute__((destructor)) void end_profile(void)
{
    HAK_UNSEEN;
    if (hak__is_disabled())
        return;
    hak__dump_at_exit();
    if (hak__option(HAK_OPTION_LEAKS))
        hak__leaks_report(STANDARD_ERROR);
}

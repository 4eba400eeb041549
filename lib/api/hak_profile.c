/* SPDX-License-Identifier: MIT */
/* The heap profiler; hakmem.h describes the functions. */
#include <errno.h>
#include <hakmem/hakmem.h>

#include "base/annotate.h"
#include "core/disabled.h"
#include "core/options.h"
#include "front/front.h"
#include "profile/heap_v2.h"
#include "profile/sampler.h"
#include "profile/tables.h"

static_assert((int)HAK_PROFILE_IN_USE == (int)HAK_PROFILE_OF_IN_USE &&
                  (int)HAK_PROFILE_ALLOCATED == (int)HAK_PROFILE_OF_ALLOCATED &&
                  (int)HAK_PROFILE_PEAK == (int)HAK_PROFILE_OF_PEAK,
              "the views of the header are those of the profile");

static int fail(int error)
{
    errno = error;
    return -1;
}

int hak_profile_start(size_t interval)
{
    hak__init(); /* or the option would be read later */
    if (hak__is_disabled())
        return fail(ENOTSUP);
    uint64_t distance = interval;
    if (distance == 0 || distance > (uint64_t)HAK_PROFILE_INTERVAL_MOST)
        return fail(EINVAL);
    return hak__sample_switch(distance) ? 0 : fail(ENOMEM);
}

void hak_profile_stop(void)
{
    hak__init();
    hak__sample_switch(0);
}

void hak_profile_reset(void)
{
    hak__profile_reset();
}

int hak_profile_write(int fd, hak_profile_view_t view, hak_profile_format_t format)
{
    HAK_UNSEEN;
    if ((unsigned)view > HAK_PROFILE_PEAK || format != HAK_PROFILE_HEAP_V2)
        return fail(EINVAL);
    int error = hak__heap_v2_write(fd, (enum hak_profile_of)view);
    return error == 0 ? 0 : fail(error);
}

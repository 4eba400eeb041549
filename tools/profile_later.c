/* SPDX-License-Identifier: MIT */
/* Formats that are still to be written. */
#include "config.h"

#include <errno.h>

#include "profile.h"

bool profile_write_svg(FILE *out, const struct profile *profile, enum profile_view view,
                       const char *title)
{
    (void)out;
    (void)profile;
    (void)view;
    (void)title;
    errno = ENOSYS;
    return false;
}

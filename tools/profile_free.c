/* SPDX-License-Identifier: MIT */
/* The end of a profile, whose names are closed before. */
#include <sys/mman.h>

#include "profile.h"

void profile_free(struct profile *profile)
{
    if (profile == NULL)
        return;
    profile_symbols_close(profile);
    munmap(profile, profile->room);
}

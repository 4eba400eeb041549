/* SPDX-License-Identifier: MIT */
/* What the plugin needs. */
#include "plugin.h"

int codec_of_library(void)
{
    return 2;
}

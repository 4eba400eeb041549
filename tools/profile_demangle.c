/* SPDX-License-Identifier: MIT */
#include "config.h"

#include HAK_DEMANGLE_HEADER

#include "profile_names.h"

char *profile_demangle(const char *symbol)
{
    return cplus_demangle(symbol, DMGL_AUTO | DMGL_ANSI);
}

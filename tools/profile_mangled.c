/* SPDX-License-Identifier: MIT */
/* For a command built without libiberty: names stay as they are in the symbol table. */
#include "config.h"

#include <stddef.h>

#include "profile_demangle.h"

const bool profile_demangle_available = false;

char *profile_demangle(const char *symbol)
{
    (void)symbol;
    return NULL;
}

/* SPDX-License-Identifier: MIT */
/* Where the library is that the command puts under programs. */
#ifndef HAK_TOOLS_LIBRARY_H
#define HAK_TOOLS_LIBRARY_H

#include <limits.h>
#include <stdbool.h>

#include "core/options.h"

/* Where make install puts the variant; nobody looks whether it is there. */
const char *library_installed(enum hak_variant variant);

/*
 * The absolute path of the library: the file that is given, if any; else the one that
 * HAKMEM_LIBRARY names; else, for a command that runs where it was built, the one built with
 * it; else the installed one. False after a message where there is no such file.
 */
bool library_find(char path[PATH_MAX], const char *given, enum hak_variant variant);

#endif

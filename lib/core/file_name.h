/* SPDX-License-Identifier: MIT */
/* Names of files that tell the processes apart which write them. */
#ifndef HAK_CORE_FILE_NAME_H
#define HAK_CORE_FILE_NAME_H

#include <limits.h>
#include <stdbool.h>

/*
 * The name of a file from its pattern: %p is the number of the process, %n the name of the program, %%
 * a %. False when that is too long.
 */
bool hak__file_name(const char *pattern, char path[PATH_MAX]);

#endif

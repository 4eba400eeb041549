/* SPDX-License-Identifier: MIT */
/* What a process that is started now, with this environment, reads its settings from. */
#ifndef HAK_TOOLS_SETTINGS_H
#define HAK_TOOLS_SETTINGS_H

#include <stdbool.h>

/* The path of the configuration file. */
const char *settings_file(void);

/* Whether somebody named it; otherwise it may as well be missing. */
bool settings_file_is_named(void);

/* Whether HAKMEM_DISABLE passes everything to the C library's allocator. */
bool settings_disabled(void);

/* The line of the file that excludes the program which is executed by this path, or 0. */
unsigned settings_excluding_line(const char *program);

#endif

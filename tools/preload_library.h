/* SPDX-License-Identifier: MIT */
/*
 * Whether a file may be put under every program: it must be a library of this project, and only root
 * may be able to change or replace it. Nothing in the file is run, and nothing in it is believed.
 */
#ifndef HAK_TOOLS_PRELOAD_LIBRARY_H
#define HAK_TOOLS_PRELOAD_LIBRARY_H

#include <limits.h>
#include <stdbool.h>

enum { PRELOAD_REASON_SIZE = PATH_MAX + 256 };

/*
 * Root is a descriptor of the folder that stands for "/". The file must be libhakmem, of either
 * variant, for the architecture of the system's programs. If safe is set, the file and every folder
 * and link target on its path must belong to root (or to the owner of the root folder), be writable
 * by nobody else, and be usable by every user. False with a reason for people.
 */
bool preload_library_is_usable(int root, const char *path, bool safe,
                               char reason[PRELOAD_REASON_SIZE]);

/*
 * Whether every file that a loader can find by an entry with $LIB may be used, in whichever folder
 * its architecture looks. False with a reason, which names the file.
 */
bool preload_library_others_usable(int root, const char *entry, char reason[PRELOAD_REASON_SIZE]);

#endif

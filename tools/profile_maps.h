/* SPDX-License-Identifier: MIT */
/* The mappings of a process, added to a profile; in a child process that looks at it. */
#ifndef HAK_TOOLS_PROFILE_MAPS_H
#define HAK_TOOLS_PROFILE_MAPS_H

#include "process.h"
#include "profile.h"

/* Executable pages of files. */
enum process_result profile_read_code(struct process *process, const struct remote_memory *memory,
                                      struct profile *profile);

/* Whole files of code, from where they start to where their last segment ends. */
enum process_result profile_read_objects(struct process *process, const struct remote_memory *memory,
                                         struct profile *profile);

#endif

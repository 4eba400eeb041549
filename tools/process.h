/* SPDX-License-Identifier: MIT */
/* The library in another process, of which nothing is asked: its memory is read. */
#ifndef HAK_TOOLS_PROCESS_H
#define HAK_TOOLS_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "api/snapshot.h"

/*
 * Finds the statistics block of a process. False after a message: there is no such process, it may
 * not be read, it has no library, or one whose statistics are others.
 */
bool process_find_block(pid_t pid, struct hak_stats_block *block);

/* Reads its statistics; false after a message when it ends meanwhile. */
bool process_snapshot(pid_t pid, const struct hak_stats_block *block,
                      struct hak_snapshot *snapshot);

#endif

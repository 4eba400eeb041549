/* SPDX-License-Identifier: MIT */
/* What the RSS of a process is made of: tools/stat_parts.def has the rows. */
#ifndef HAK_TOOLS_STAT_PARTS_H
#define HAK_TOOLS_STAT_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "api/stats_print.h"
#include "process.h"

enum stat_row {
#define HAK_ROW(id, name, label, help) STAT_##id,
#include "stat_parts.def"
    STAT_ROWS
};

/* In bytes. The parts add up to the RSS; all are 0 where that is not known. */
struct stat_parts {
    uint64_t value[STAT_ROWS];
    uint64_t absent; /* allocated and not in the RSS: never written to, or swapped out */
};
struct stat_parts stat_parts(const struct process *process);

/* The same for the forms that programs read: how many there are, which is none where the RSS is not known. */
size_t stat_parts_found(const struct process *process, struct hak_stats_found found[STAT_ROWS]);

#endif

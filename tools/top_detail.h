/* SPDX-License-Identifier: MIT */
/* What hakmem top shows of one process: what hakmem stat says, sites that allocate, and threads. */
#ifndef HAK_TOOLS_TOP_DETAIL_H
#define HAK_TOOLS_TOP_DETAIL_H

#include "top_table.h"

enum top_section { TOP_SECTION_MEMORY, TOP_SECTION_CLASSES, TOP_SECTION_SITES, TOP_SECTION_THREADS, TOP_SECTIONS };

/* Text as lines. */
struct top_lines {
    char *text;
    char **lines;
    size_t count;
    size_t section[TOP_SECTIONS]; /* the line where it begins; 0: there is none */
};

/* Takes over a text that was allocated; false, and it is freed, without memory. */
bool top_lines_split(struct top_lines *lines, char *text);
void top_lines_free(struct top_lines *lines);

/* Whether the process has a profile to be shown. */
bool top_detail_has_profile(const struct top_process *of);

/* sites: their lines, or NULL while they are not known. False without memory. */
bool top_detail_make(struct top_lines *lines, const struct top_process *of, const char *sites);

#endif

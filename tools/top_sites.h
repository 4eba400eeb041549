/* SPDX-License-Identifier: MIT */
/*
 * Which code allocated most of the memory that a process has in use, where its profiler is on. A child process
 * reads the profile and the names of functions, with the rights of the process's owner, and writes text.
 */
#ifndef HAK_TOOLS_TOP_SITES_H
#define HAK_TOOLS_TOP_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { TOP_SITES_TEXT_MOST = 1 << 14 };

struct top_sites {
    pid_t child; /* 0: none runs */
    int fd;      /* of what it writes */
    size_t used; /* of the text that it has written */
    char next[TOP_SITES_TEXT_MOST];
    char text[TOP_SITES_TEXT_MOST]; /* what the last one wrote; printable lines */
};

/* Starts a child; false when it cannot be started. */
bool top_sites_begin(struct top_sites *sites, pid_t pid);
/* After the fd can be read; true when the child has ended, and the text is there. */
bool top_sites_step(struct top_sites *sites);
/* Ends a child that runs. */
void top_sites_end(struct top_sites *sites);

#endif

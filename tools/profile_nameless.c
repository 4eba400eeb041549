/* SPDX-License-Identifier: MIT */
/* For a command built without libdw and libiberty: code has no names. */
#include "config.h"

#include <unistd.h>

#include "profile_debug.h"

const bool profile_debug_available = false;

struct profile_debug *profile_debug_open(int fd, const char *path,
                                         const struct profile_mapping *mapping)
{
    (void)path;
    (void)mapping;
    close(fd);
    return NULL;
}

void profile_debug_close(struct profile_debug *debug)
{
    (void)debug;
}

size_t profile_debug_lines(struct profile_debug *debug, uint64_t offset, struct profile_line *lines,
                           size_t most)
{
    (void)debug;
    (void)offset;
    (void)lines;
    (void)most;
    return 0;
}

char *profile_debug_table(struct profile_debug *debug, uint64_t distance)
{
    (void)debug;
    (void)distance;
    return NULL;
}

char *profile_debug_type(const char *mangled)
{
    (void)mangled;
    return NULL;
}

char *profile_debug_variable(struct profile_debug *debug, uint64_t distance, uint64_t *offset)
{
    (void)debug;
    (void)distance;
    (void)offset;
    return NULL;
}

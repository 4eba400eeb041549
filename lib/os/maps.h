/* SPDX-License-Identifier: MIT */
/* The mappings of this process, as /proc/self/maps has them, lowest first. Serves in signal handlers. */
#ifndef HAK_OS_MAPS_H
#define HAK_OS_MAPS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hak_mapping {
    uint64_t start, end;
    bool accessible; /* readable, writable or executable */
    uint64_t offset, inode; /* in and of the file */
    const char *path;       /* or another name, or empty; until the next one is read */
};

struct hak_maps {
    int fd;
    size_t start, end; /* of what has been read and not yet looked at */
    bool whole;        /* there was no more to read */
    char text[2 * PATH_MAX];
};

/* False where there is no such file. */
bool hak__maps_open(struct hak_maps *maps);

/* False behind the last one, or where the system does not tell more of them. */
bool hak__maps_next(struct hak_maps *maps, struct hak_mapping *mapping);

void hak__maps_close(struct hak_maps *maps);

/* Writes the file to another as it is; 0, or an errno value. Leaves errno alone, and is no place to cancel a thread. */
int hak__maps_write(int fd);

#endif

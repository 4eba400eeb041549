/* SPDX-License-Identifier: MIT */
/* The memory that a process has mapped, as /proc/PID/maps and pagemap show it. */
#ifndef HAK_TOOLS_READER_MAPPINGS_H
#define HAK_TOOLS_READER_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct reader_mapping {
    uintptr_t start, end;
    bool readable, writable, shared;
    bool is_stack;  /* the first thread's */
    bool is_device; /* that reading could have an effect on */
    bool is_libc;   /* of the C library, by the name of the file */
    uint64_t inode, offset; /* of the file; 0: it has none */
};

struct reader_ranges;

/* Whether a file is the C library, or a part of it that makes system calls: glibc's or musl's. */
bool mappings_is_libc(const char *path);

struct reader_mappings {
    struct reader_mapping *mapping; /* by rising address */
    size_t count, room;
    uint64_t program; /* the inode of the program's file, or 0 */
    int pages;        /* /proc/PID/pagemap, or -1 */
    const struct reader_ranges *present; /* sorted: of a core, what of the memory is in it; or NULL */
    size_t page_size;
};

/* False with errno. Freed also after a failure. */
bool mappings_read(struct reader_mappings *mappings, pid_t pid);
/* Adds one behind the others; false without memory. */
bool mappings_add(struct reader_mappings *mappings, const struct reader_mapping *mapping);
void mappings_free(struct reader_mappings *mappings);

/* The mapping in which an address lies, or NULL. */
const struct reader_mapping *mappings_find(const struct reader_mappings *mappings, uintptr_t address);

/*
 * Visits the parts of a range whose pages have memory, in memory or swapped out; with `own` only those
 * of them that are the process's alone, and not as in a file. All of the range where that cannot be told.
 */
typedef void mappings_visit(uintptr_t start, uintptr_t end, void *context);
void mappings_present(const struct reader_mappings *mappings, uintptr_t start, uintptr_t end, bool own,
                      mappings_visit *visit, void *context);

/* The same for the parts of a range that are mapped and can be read: however long the range is said to be. */
void mappings_readable(const struct reader_mappings *mappings, uintptr_t start, uintptr_t end, mappings_visit *visit,
                       void *context);

/* Ranges of addresses. */
struct reader_range {
    uintptr_t start, end;
};
struct reader_ranges {
    struct reader_range *range;
    size_t count, room;
};

/* Without memory, false. An empty range is none. */
bool ranges_add(struct reader_ranges *ranges, uintptr_t start, uintptr_t end);
/* Sorts them, and joins those that touch. */
void ranges_sort(struct reader_ranges *ranges);
/* Visits the parts of a range that are in none of the sorted ones. */
void ranges_between(const struct reader_ranges *ranges, uintptr_t start, uintptr_t end, mappings_visit *visit,
                    void *context);
/* Visits the parts of a range that are in the sorted ones. */
void ranges_within(const struct reader_ranges *ranges, uintptr_t start, uintptr_t end, mappings_visit *visit,
                   void *context);
void ranges_free(struct reader_ranges *ranges);

#endif

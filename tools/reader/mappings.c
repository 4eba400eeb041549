/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "reader/mappings.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The system allows 65530 mappings, unless told otherwise. */
enum { MAPPINGS_MOST = 1 << 22, RANGES_MOST = 1 << 24, ENTRIES = 4096 };

/* in an entry of /proc/PID/pagemap */
#define PRESENT (UINT64_C(1) << 63)
#define SWAPPED (UINT64_C(1) << 62)
#define OF_FILE (UINT64_C(1) << 61)

/* ---- maps -------------------------------------------------------------- */

static bool is_device(const char *path)
{
    return strncmp(path, "/dev/", 5) == 0 && strncmp(path, "/dev/shm/", 9) != 0 &&
           strncmp(path, "/dev/zero", 9) != 0;
}

bool mappings_is_libc(const char *path)
{
    static const char *const names[] = {"libc.so", "libc-2.", "libpthread", "libc.musl-", "ld-musl-"};
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static bool parse(const char *line, struct reader_mapping *mapping)
{
    char permissions[5];
    int length = 0;
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %" SCNx64 " %*s %" SCNu64 " %n", &mapping->start,
               &mapping->end, permissions, &mapping->offset, &mapping->inode, &length) != 5 ||
        length == 0 || mapping->start >= mapping->end)
        return false;
    const char *path = line + length;
    mapping->readable = permissions[0] == 'r';
    mapping->writable = permissions[1] == 'w';
    mapping->shared = permissions[3] == 's';
    mapping->is_stack = strncmp(path, "[stack]", 7) == 0;
    mapping->is_libc = mappings_is_libc(path);
    /* the kernel's variables, and what shows its time */
    mapping->is_device = is_device(path) || strncmp(path, "[v", 2) == 0;
    return true;
}

bool mappings_add(struct reader_mappings *mappings, const struct reader_mapping *mapping)
{
    if (mappings->count == mappings->room) {
        size_t room = mappings->room == 0 ? 256 : 2 * mappings->room;
        struct reader_mapping *more =
            room <= MAPPINGS_MOST ? reallocarray(mappings->mapping, room, sizeof *more) : NULL;
        if (more == NULL)
            return false;
        mappings->mapping = more;
        mappings->room = room;
    }
    mappings->mapping[mappings->count++] = *mapping;
    return true;
}

bool mappings_read(struct reader_mappings *mappings, pid_t pid)
{
    char path[40], *line = NULL;
    size_t room = 0;
    bool added = true;
    struct stat status;
    *mappings = (struct reader_mappings){.pages = -1, .page_size = (size_t)sysconf(_SC_PAGESIZE)};
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    if (maps == NULL)
        return false;
    while (added && getline(&line, &room, maps) > 0) {
        struct reader_mapping mapping = {0};
        uintptr_t last = mappings->count > 0 ? mappings->mapping[mappings->count - 1].end : 0;
        bool good = parse(line, &mapping) && mapping.end > last;
        if (good && mapping.start < last) { /* it has grown, or become one with its neighbour, meanwhile */
            mapping.offset += last - mapping.start;
            mapping.start = last;
        }
        if (good)
            added = mappings_add(mappings, &mapping);
    }
    free(line);
    fclose(maps);
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    mappings->program = stat(path, &status) == 0 ? status.st_ino : 0;
    snprintf(path, sizeof path, "/proc/%d/pagemap", (int)pid);
    mappings->pages = open(path, O_RDONLY | O_CLOEXEC);
    errno = added ? 0 : ENOMEM;
    return added;
}

void mappings_free(struct reader_mappings *mappings)
{
    if (mappings->pages >= 0)
        close(mappings->pages);
    free(mappings->mapping);
    *mappings = (struct reader_mappings){.pages = -1};
}

/* The number of the first one that ends behind an address. */
static size_t find_behind(const struct reader_mappings *mappings, uintptr_t address)
{
    size_t low = 0, high = mappings->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mappings->mapping[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct reader_mapping *mappings_find(const struct reader_mappings *mappings, uintptr_t address)
{
    size_t found = find_behind(mappings, address);
    return found < mappings->count && mappings->mapping[found].start <= address ? &mappings->mapping[found] : NULL;
}

/* ---- pages ------------------------------------------------------------- */

/*
 * PAGEMAP_SCAN of linux/fs.h, of Linux 6.7 and later, passes over what has no memory without looking at each page:
 * programs reserve terabytes. It tells the page of zeros, too, which has no addresses and can be mapped as often.
 */
struct scanned {
    uint64_t start, end, categories;
};
struct scan {
    uint64_t size, flags, start, end, walk_end, vector, vector_length, pages_most;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
enum { SCAN_FILE = 1 << 2, SCAN_PRESENT = 1 << 3, SCAN_SWAPPED = 1 << 4, SCAN_ZERO = 1 << 5, SCANNED = 256 };
#define SCAN _IOWR('f', 16, struct scan)

/* How far it came: to the end, unless the system cannot do it. */
static uintptr_t scan_present(const struct reader_mappings *mappings, uintptr_t start, uintptr_t end, bool own,
                              mappings_visit *visit, void *context)
{
    struct scanned found[SCANNED];
    uintptr_t at = start & ~(uintptr_t)(mappings->page_size - 1);
    uint64_t none = SCAN_ZERO | (own ? SCAN_FILE : 0);
    while (at < end) {
        struct scan scan = {.size = sizeof scan, .start = at, .end = end, .vector = (uintptr_t)found,
                            .vector_length = SCANNED, .category_inverted = none, .category_mask = none,
                            .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED, .return_mask = SCAN_FILE};
        int count = ioctl(mappings->pages, SCAN, &scan);
        if (count < 0 || scan.walk_end <= at)
            return at;
        for (int i = 0; i < count; i++)
            visit(found[i].start > start ? (uintptr_t)found[i].start : start,
                  found[i].end < end ? (uintptr_t)found[i].end : end, context);
        at = (uintptr_t)scan.walk_end;
    }
    return end;
}

/* By the entries of all pages. */
static void list_present(const struct reader_mappings *mappings, uintptr_t start, uintptr_t end, bool own,
                         mappings_visit *visit, void *context)
{
    uint64_t entry[ENTRIES];
    size_t page = mappings->page_size;
    uintptr_t begun = 0, at = start & ~(uintptr_t)(page - 1); /* begun: where a part begins, or 0 */
    while (at < end) {
        size_t count = (end - at + page - 1) / page < ENTRIES ? (size_t)((end - at + page - 1) / page) : ENTRIES;
        ssize_t got = mappings->pages < 0 ? -1
                                          : pread(mappings->pages, entry, count * sizeof *entry,
                                                  (off_t)(at / page * sizeof *entry));
        if (got < (ssize_t)sizeof *entry) { /* it cannot be told from here on */
            begun = begun != 0 ? begun : at;
            break;
        }
        count = (size_t)got / sizeof *entry;
        for (size_t i = 0; i < count; i++, at += page) {
            bool is = (entry[i] & (PRESENT | SWAPPED)) != 0 && (!own || (entry[i] & OF_FILE) == 0);
            if (is && begun == 0)
                begun = at;
            if (!is && begun != 0) {
                visit(begun > start ? begun : start, at < end ? at : end, context);
                begun = 0;
            }
        }
    }
    if (begun != 0 && end > begun)
        visit(begun > start ? begun : start, end, context);
}

void mappings_present(const struct reader_mappings *mappings, uintptr_t start, uintptr_t end, bool own,
                      mappings_visit *visit, void *context)
{
    if (mappings->present != NULL) {
        ranges_within(mappings->present, start, end, visit, context);
        return;
    }
    if (mappings->pages >= 0) {
        uintptr_t at = scan_present(mappings, start, end, own, visit, context);
        start = at > start ? at : start;
    }
    if (start < end)
        list_present(mappings, start, end, own, visit, context);
}

void mappings_readable(const struct reader_mappings *mappings, uintptr_t start, uintptr_t end, mappings_visit *visit,
                       void *context)
{
    for (size_t i = find_behind(mappings, start); i < mappings->count && mappings->mapping[i].start < end; i++) {
        const struct reader_mapping *mapping = &mappings->mapping[i];
        if (mapping->readable)
            mappings_present(mappings, mapping->start > start ? mapping->start : start,
                             mapping->end < end ? mapping->end : end, false, visit, context);
    }
}

/* ---- ranges ------------------------------------------------------------ */

bool ranges_add(struct reader_ranges *ranges, uintptr_t start, uintptr_t end)
{
    if (start >= end)
        return true;
    if (ranges->count > 0 && ranges->range[ranges->count - 1].end == start) {
        ranges->range[ranges->count - 1].end = end;
        return true;
    }
    if (ranges->count == ranges->room) {
        size_t room = ranges->room == 0 ? 256 : 2 * ranges->room;
        struct reader_range *more =
            room <= RANGES_MOST ? reallocarray(ranges->range, room, sizeof *more) : NULL;
        if (more == NULL)
            return false;
        ranges->range = more;
        ranges->room = room;
    }
    ranges->range[ranges->count++] = (struct reader_range){start, end};
    return true;
}

static int by_start(const void *a, const void *b)
{
    const struct reader_range *one = a, *other = b;
    return one->start < other->start ? -1 : one->start > other->start;
}

void ranges_sort(struct reader_ranges *ranges)
{
    size_t kept = 0;
    if (ranges->count == 0)
        return;
    qsort(ranges->range, ranges->count, sizeof *ranges->range, by_start);
    for (size_t i = 1; i < ranges->count; i++) {
        struct reader_range *last = &ranges->range[kept];
        if (ranges->range[i].start > last->end)
            ranges->range[++kept] = ranges->range[i];
        else if (ranges->range[i].end > last->end)
            last->end = ranges->range[i].end;
    }
    ranges->count = kept + 1;
}

/* The number of the first one that ends behind an address. */
static size_t find_range(const struct reader_ranges *ranges, uintptr_t address)
{
    size_t low = 0, high = ranges->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges->range[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void ranges_within(const struct reader_ranges *ranges, uintptr_t start, uintptr_t end, mappings_visit *visit,
                   void *context)
{
    for (size_t i = find_range(ranges, start); i < ranges->count && ranges->range[i].start < end; i++) {
        const struct reader_range *range = &ranges->range[i];
        visit(range->start > start ? range->start : start, range->end < end ? range->end : end, context);
    }
}

void ranges_between(const struct reader_ranges *ranges, uintptr_t start, uintptr_t end, mappings_visit *visit,
                    void *context)
{
    size_t low = find_range(ranges, start);
    for (; low < ranges->count && start < end && ranges->range[low].start < end; low++) {
        if (ranges->range[low].start > start)
            visit(start, ranges->range[low].start, context);
        start = ranges->range[low].end;
    }
    if (start < end)
        visit(start, end, context);
}

void ranges_free(struct reader_ranges *ranges)
{
    free(ranges->range);
    *ranges = (struct reader_ranges){0};
}

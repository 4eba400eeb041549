/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "reader/residency.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "page/pagemap.h"
#include "reader/own.h"

/* Granules that are looked at together, from a multiple of so many on: within one leaf of the map. */
enum { TOGETHER = 1024, PAGE_LEAST = 4096 };
#define PAGES_MOST (TOGETHER * (HAK_GRANULE / PAGE_LEAST))
static_assert(HAK_LEAF_SIZE % TOGETHER == 0 && HAK_MAP_BEGIN / HAK_GRANULE % TOGETHER == 0, "they are in one leaf");

/* in an entry of /proc/PID/pagemap; the page of zeros is present, too, but not in the RSS, and never exclusive */
#define PRESENT (UINT64_C(1) << 63)
#define EXCLUSIVE (UINT64_C(1) << 56)

enum kind { NOT_OURS, SLAB, LARGE, UNUSED, KINDS };

struct look {
    const struct remote_memory *memory;
    uintptr_t map;  /* the struct hak_pagemap of the process */
    struct reader_ranges kept; /* mappings for reuse, which that does not show */
    int pages;      /* /proc/PID/pagemap */
    size_t page;
    uint64_t resident[KINDS]; /* pages */
    /* of one mapping: pages that are present, and those of them that may be the page of zeros */
    uint64_t present[KINDS], common[KINDS];
    bool all, passed; /* whether to look at what is not ours, too; whether such a range was passed over */
    /* whether this is the look that visits, who is told, and how many pages of zeros are not to be told */
    bool visits;
    residency_visit *visit;
    void *context;
    uint64_t zeros[KINDS];
    uint32_t word[TOGETHER];
    uintptr_t empty_until; /* up to there the map has no words behind those that were read last, or 0 */
    uint64_t entry[PAGES_MOST];
    /* what the last piece that began is of, and the first granule behind it */
    enum kind kind;
    uintptr_t until;
};

/* ---- the process ------------------------------------------------------- */

static FILE *open_of(pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return fopen(path, "re");
}

/* Adds lines "NAME: NUMBER kB" to the numbers that have their names, in bytes. */
struct line {
    const char *name;
    uint64_t *bytes;
};

static bool read_lines(pid_t pid, const char *file, const struct line *wanted)
{
    char text[256];
    FILE *from = open_of(pid, file);
    if (from == NULL)
        return false;
    while (fgets(text, sizeof text, from) != NULL)
        for (const struct line *line = wanted; line->name != NULL; line++) {
            size_t length = strlen(line->name);
            if (strncmp(text, line->name, length) == 0 && text[length] == ':')
                *line->bytes += strtoull(text + length + 1, NULL, 10) << 10;
        }
    fclose(from);
    return true;
}

static bool read_totals(pid_t pid, struct residency *residency)
{
    const struct line status[] = {{"VmRSS", &residency->rss}, {"VmHWM", &residency->peak},
                                  {"RssFile", &residency->files}, {"RssShmem", &residency->files},
                                  {"VmSwap", &residency->swapped}, {NULL, NULL}};
    return read_lines(pid, "status", status);
}

/* ---- the page map ------------------------------------------------------ */

/* The words of the granules from one on; false with errno. */
static bool read_words(struct look *look, uintptr_t granule)
{
    struct hak_pagemap_place place = hak__pagemap_place(granule << HAK_GRANULE_SHIFT);
    uintptr_t distance = 0;
    memset(look->word, 0, sizeof look->word);
    look->empty_until = 0;
    if (!hak__pagemap_covers(place))
        return true;
    if (!look->memory->read(look->memory->context,
                            (const void *)(look->map + offsetof(struct hak_pagemap, root) + place.root * sizeof distance),
                            &distance, sizeof distance))
        return false;
    if (distance == 0) { /* it leads to words that are all 0 */
        look->empty_until = hak__pagemap_address((struct hak_pagemap_place){place.root + 1, 0});
        return true;
    }
    uintptr_t words = look->map + offsetof(struct hak_pagemap, none) + (distance + place.index) * sizeof look->word[0];
    return look->memory->read(look->memory->context, (const void *)words, look->word, sizeof look->word);
}

/* What a granule belongs to: a piece of a mapping shows itself in its first granule (page/pieces.h). */
static enum kind kind_of(struct look *look, uintptr_t granule, uint32_t word)
{
    uint32_t code = word & (HAK_GROWING - 1);
    uintptr_t units = 1;
    if (code == HAK_CODE_NONE)
        return granule < look->until ? look->kind : NOT_OURS;
    if (code <= HAK_CODE_CLASS_MAX) {
        look->kind = SLAB;
    } else if (hak__is_inside(word)) {
        units = (uintptr_t)1 << (word - HAK_CODE_INSIDE);
        look->kind = LARGE;
    } else {
        look->kind = code == HAK_CODE_LARGE || code == HAK_CODE_HUGE ? LARGE : UNUSED;
    }
    look->until = granule + units;
    return look->kind;
}

/* ---- both -------------------------------------------------------------- */

/* The entries of the pages of a range, which is within one reading; missing ones are 0. */
static bool read_entries(struct look *look, uintptr_t start, uintptr_t end)
{
    size_t size = (end - start) / look->page * sizeof look->entry[0], got = 0;
    off_t at = (off_t)(start / look->page * sizeof look->entry[0]);
    while (got < size) {
        ssize_t more = pread(look->pages, (char *)look->entry + got, size - got, at + (off_t)got);
        if (more < 0 && errno != EINTR)
            return false;
        if (more == 0)
            break; /* the end of the address space */
        got += more > 0 ? (size_t)more : 0;
    }
    memset((char *)look->entry + got, 0, size - got);
    return true;
}

/* Tells of a range that was read what is ours and resident. */
static void visit_range(struct look *look, uintptr_t start, uintptr_t end, const enum kind *kind)
{
    for (uintptr_t at = start, next; at < end; at = next) {
        uint64_t present = 0, common = 0;
        enum kind of = kind[(at >> HAK_GRANULE_SHIFT) % TOGETHER];
        next = (at & ~(uintptr_t)(HAK_GRANULE - 1)) + HAK_GRANULE;
        next = next < end ? next : end;
        for (uintptr_t page = at; page < next; page += look->page) {
            uint64_t entry = look->entry[(page - start) / look->page];
            present += (entry & PRESENT) != 0;
            common += (entry & (PRESENT | EXCLUSIVE)) == PRESENT;
        }
        uint64_t less = common < look->zeros[of] ? common : look->zeros[of];
        look->zeros[of] -= less;
        if (of != NOT_OURS && present > less)
            look->visit(at, (present - less) * look->page, look->context);
    }
}

static void note_kept(uintptr_t start, uintptr_t end, void *kinds)
{
    enum kind *kind = kinds;
    for (uintptr_t i = start >> HAK_GRANULE_SHIFT; i <= (end - 1) >> HAK_GRANULE_SHIFT; i++)
        if (kind[i % TOGETHER] == NOT_OURS)
            kind[i % TOGETHER] = UNUSED;
}

/* Of a range within granules that are looked at together. */
static bool add_range(struct look *look, uintptr_t start, uintptr_t end)
{
    uintptr_t first = start >> HAK_GRANULE_SHIFT, last = (end - 1) >> HAK_GRANULE_SHIFT;
    enum kind kind[TOGETHER];
    bool any = false;
    if (!read_words(look, first & ~(uintptr_t)(TOGETHER - 1)))
        return false;
    for (uintptr_t i = first; i <= last; i++)
        kind[i % TOGETHER] = kind_of(look, i, look->word[i % TOGETHER]);
    ranges_within(&look->kept, start, end, note_kept, kind);
    for (uintptr_t i = first; i <= last; i++)
        any |= kind[i % TOGETHER] != NOT_OURS;
    if (!any && !look->all) {
        look->passed = true;
        return true;
    }
    look->empty_until = 0;
    if (!read_entries(look, start, end))
        return false;
    for (uintptr_t at = start; at < end; at += look->page) {
        uint64_t entry = look->entry[(at - start) / look->page];
        enum kind of = kind[(at >> HAK_GRANULE_SHIFT) % TOGETHER];
        look->present[of] += (entry & PRESENT) != 0;
        look->common[of] += (entry & (PRESENT | EXCLUSIVE)) == PRESENT;
    }
    if (look->visits)
        visit_range(look, start, end, kind);
    return true;
}

/* Whether these are so many pages without the page of zeros, so that a mapping has no more. */
static bool has_found(const struct look *look, uint64_t pages)
{
    uint64_t found = 0;
    for (int i = 0; i < KINDS; i++)
        found += look->present[i] - look->common[i];
    return found >= pages;
}

static bool add_ranges(struct look *look, uintptr_t start, uintptr_t end, uint64_t pages, bool all)
{
    const uintptr_t step = (uintptr_t)TOGETHER << HAK_GRANULE_SHIFT;
    memset(look->present, 0, sizeof look->present);
    memset(look->common, 0, sizeof look->common);
    look->all = all;
    look->passed = false;
    while (start < end && !has_found(look, pages)) {
        uintptr_t next = (start & ~(step - 1)) + step;
        if (next > end || next == 0)
            next = end;
        if (!add_range(look, start, next))
            return false;
        start = look->empty_until > next ? (look->empty_until < end ? look->empty_until : end) : next;
    }
    return true;
}

/*
 * Pages that are present beyond the RSS of the mapping are the page of zeros: large blocks are read unwritten.
 * The program's own memory beside ours may be of the same mapping, and must be known for that.
 */
static bool add_mapping(struct look *look, uintptr_t start, uintptr_t end, uint64_t rss)
{
    static const enum kind order[KINDS] = {LARGE, SLAB, UNUSED, NOT_OURS};
    uint64_t pages = rss / look->page, present = 0;
    const enum kind begun = look->kind; /* a piece that goes on in this mapping */
    const uintptr_t until = look->until;
    if (!add_ranges(look, start, end, pages, false))
        return false;
    if (look->passed && look->common[LARGE] + look->common[SLAB] + look->common[UNUSED] != 0) {
        look->kind = begun;
        look->until = until;
        if (!add_ranges(look, start, end, pages, true))
            return false;
    }
    for (int i = 0; i < KINDS; i++)
        present += look->present[i];
    uint64_t zeros = present > pages ? present - pages : 0;
    for (int i = 0; i < KINDS; i++) {
        uint64_t less = look->common[order[i]] < zeros ? look->common[order[i]] : zeros;
        look->resident[order[i]] += look->present[order[i]] - less;
        look->zeros[order[i]] = less;
        zeros -= less;
    }
    if (look->visit == NULL)
        return true;
    look->kind = begun;
    look->until = until;
    look->visits = true;
    bool good = add_ranges(look, start, end, pages, false);
    look->visits = false;
    return good;
}

/* Those that were told last, of which one that is told then may be made. */
struct told {
    uintptr_t start[64];
    uint64_t rss[64];
    size_t count;
    uintptr_t end;
};

/*
 * The system tells of mappings by and by. One that has grown, or become one with its neighbours, meanwhile is
 * told with what was told before: only the rest of it counts.
 */
static uint64_t rest_of(struct told *told, uintptr_t *start, uintptr_t end, uint64_t rss)
{
    const size_t room = sizeof told->start / sizeof told->start[0];
    for (size_t i = 0; *start < told->end && i < room && i < told->count; i++)
        if (told->start[i] >= *start)
            rss -= told->rss[i] < rss ? told->rss[i] : rss;
    if (*start < told->end)
        *start = told->end;
    if (*start >= end)
        return 0;
    told->start[told->count % room] = *start;
    told->rss[told->count++ % room] = rss;
    told->end = end;
    return rss < end - *start ? rss : end - *start;
}

/*
 * Looks at the anonymous mappings that have resident pages, of which huge mappings that were never touched have
 * none. The sum over all mappings is exact; what status says may lack what processors have counted apart.
 */
static bool add_mappings(struct look *look, FILE *maps, uint64_t *rss)
{
    struct told told = {.count = 0};
    char *line = NULL;
    size_t room = 0;
    bool good = true;
    uintptr_t start = 0, end = 0, from, to;
    uint64_t inode = 1, number;
    *rss = 0;
    while (good && getline(&line, &room, maps) > 0) {
        if (strncmp(line, "Rss:", 4) != 0) {
            if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*4c %*s %*s %" SCNu64, &from, &to, &number) == 3)
                start = from, end = to, inode = number;
            continue;
        }
        uint64_t resident = rest_of(&told, &start, end, strtoull(line + 4, NULL, 10) << 10);
        *rss += resident;
        if (resident != 0 && inode == 0 && start < end && (start | end) % look->page == 0)
            good = add_mapping(look, start, end, resident);
        inode = 1;
    }
    free(line);
    return good;
}

static bool look_at_pages(pid_t pid, struct look *look, uint64_t *rss)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/pagemap", (int)pid);
    look->pages = open(path, O_RDONLY | O_CLOEXEC);
    FILE *maps = look->pages >= 0 ? open_of(pid, "smaps") : NULL;
    bool good = maps != NULL && add_mappings(look, maps, rss);
    if (maps != NULL)
        fclose(maps);
    if (look->pages >= 0)
        close(look->pages);
    return good;
}

bool residency_read_granules(pid_t pid, const struct remote_memory *memory, const struct hak_stats_block *block,
                             struct residency *residency, residency_visit *visit, void *context)
{
    struct look *look = calloc(1, sizeof *look);
    *residency = (struct residency){0};
    if (look == NULL)
        return false;
    look->memory = memory;
    look->visit = visit;
    look->context = context;
    look->map = (uintptr_t)block->page_map;
    look->page = (size_t)sysconf(_SC_PAGESIZE);
    own_read_kept(&look->kept, memory, block); /* it may change meanwhile; what was read is as good as any */
    bool good = look->page >= PAGE_LEAST && read_totals(pid, residency) &&
                look_at_pages(pid, look, &residency->rss);
    if (residency->peak < residency->rss)
        residency->peak = residency->rss;
    residency->slabs = look->resident[SLAB] * look->page;
    residency->large = look->resident[LARGE] * look->page;
    residency->unused = look->resident[UNUSED] * look->page;
    residency->is_known = good;
    ranges_free(&look->kept);
    free(look);
    return good;
}

bool residency_read(pid_t pid, const struct remote_memory *memory, const struct hak_stats_block *block,
                    struct residency *residency)
{
    return residency_read_granules(pid, memory, block, residency, NULL, NULL);
}

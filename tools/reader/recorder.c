/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "reader/recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "page/pagemap.h"

enum { WORDS = 2 * sizeof(uint64_t), PAGE_MOST = 1 << 16, PAGES_MOST = 1 << 26 };

/* ---- the file ---------------------------------------------------------- */

static void fail(struct recorder *recorder, int error)
{
    if (!recorder->failed)
        recorder->error = error;
    recorder->failed = true;
}

/* Whole words; where they begin in the file. */
static uint64_t append(struct recorder *recorder, const void *from, size_t size)
{
    uint64_t at = recorder->at;
    errno = 0;
    if (size > 0 && fwrite(from, size, 1, recorder->file) != 1)
        fail(recorder, errno != 0 ? errno : EIO);
    recorder->sum = snapshot_checksum(recorder->sum, from, size / sizeof(uint64_t));
    recorder->at += size;
    return at;
}

/* Makes room for so many more members of an array; false if there is no memory. */
static bool make_room(struct recorder *recorder, void *array, size_t count, size_t more, size_t *room, size_t size)
{
    void **at = array;
    if (count + more <= *room)
        return true;
    size_t wanted = 2 * *room + more + 64;
    void *larger = reallocarray(*at, wanted, size);
    if (larger == NULL) {
        fail(recorder, ENOMEM);
        return false;
    }
    *at = larger;
    *room = wanted;
    return true;
}

/* ---- pages ------------------------------------------------------------- */

static uint64_t *look_up(uint64_t *known, size_t room, uint64_t key)
{
    size_t at = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 24) & (room - 1);
    while (known[at] != 0 && known[at] != key)
        at = (at + 1) & (room - 1);
    return &known[at];
}

/* Remembers a page; false if it was known, or there is no memory. */
static bool is_new(struct recorder *recorder, uint64_t page)
{
    if (2 * recorder->known_count >= recorder->known_room) {
        size_t room = recorder->known_room == 0 ? 1 << 12 : 2 * recorder->known_room;
        uint64_t *larger = calloc(room, sizeof *larger);
        if (larger == NULL) {
            fail(recorder, ENOMEM);
            return false;
        }
        for (size_t i = 0; i < recorder->known_room; i++)
            if (recorder->known[i] != 0)
                *look_up(larger, room, recorder->known[i]) = recorder->known[i];
        free(recorder->known);
        recorder->known = larger;
        recorder->known_room = room;
    }
    uint64_t *found = look_up(recorder->known, recorder->known_room, page + 1);
    if (*found != 0)
        return false;
    if (recorder->known_count == PAGES_MOST) {
        fail(recorder, EFBIG);
        return false;
    }
    *found = page + 1;
    recorder->known_count++;
    return true;
}

static bool is_zero(const uint64_t *words, size_t size)
{
    for (size_t i = 0; i < size / sizeof *words; i++)
        if (words[i] != 0)
            return false;
    return true;
}

/* contents: of the page, where they have been read already. */
static void record_page(struct recorder *recorder, uint64_t page, const char *contents)
{
    uint64_t copy[PAGE_MOST / sizeof(uint64_t)];
    if (!is_new(recorder, page))
        return;
    if (contents != NULL)
        memcpy(copy, contents, recorder->page_size);
    else if (!remote_read(recorder->memory, (uintptr_t)page, copy, recorder->page_size))
        return;
    if (!make_room(recorder, &recorder->ranges, recorder->range_count, 1, &recorder->range_room,
                   sizeof *recorder->ranges))
        return;
    uint64_t offset = is_zero(copy, recorder->page_size) ? 0 : append(recorder, copy, recorder->page_size);
    recorder->ranges[recorder->range_count++] =
        (struct snapshot_range){page, recorder->page_size, offset};
}

static bool record(const void *context, const void *from, void *to, size_t size)
{
    struct recorder *recorder = (struct recorder *)context;
    uint64_t start = (uintptr_t)from, first = start & ~(uint64_t)(recorder->page_size - 1);
    if (!remote_read(recorder->memory, (uintptr_t)from, to, size))
        return false;
    for (uint64_t page = first; page - first < size + (start - first); page += recorder->page_size) {
        bool whole = page >= start && page - start + recorder->page_size <= size;
        record_page(recorder, page, whole ? (char *)to + (page - start) : NULL);
    }
    return true;
}

static bool record_starts(const void *context, uintptr_t from, size_t step, size_t count,
                          uint64_t (*words)[2])
{
    struct recorder *recorder = (struct recorder *)context;
    if (!remote_read_starts(recorder->memory, from, step, count, words))
        return false;
    if (make_room(recorder, &recorder->starts, recorder->starts_count, 1, &recorder->starts_room,
                  sizeof *recorder->starts)) {
        uint64_t offset = append(recorder, words, count * WORDS);
        recorder->starts[recorder->starts_count++] = (struct snapshot_starts){from, step, count, offset};
    }
    return true;
}

/* ---- all --------------------------------------------------------------- */

void recorder_begin(struct recorder *recorder, const struct remote_memory *memory, FILE *file)
{
    static const struct snapshot_header later;
    *recorder = (struct recorder){.memory = memory, .file = file};
    recorder->page_size = (size_t)sysconf(_SC_PAGESIZE);
    if (recorder->page_size > PAGE_MOST)
        recorder->page_size = PAGE_MOST;
    append(recorder, &later, sizeof later);
    recorder->sum = 0;
}

struct remote_memory recorder_memory(struct recorder *recorder)
{
    return (struct remote_memory){.read = record, .context = recorder, .starts = record_starts,
                                  .page_size = recorder->page_size};
}

void recorder_add_mapping(struct recorder *recorder, const struct snapshot_mapping *mapping, const char *path)
{
    size_t length = strlen(path) + 1;
    if (!make_room(recorder, &recorder->mappings, recorder->mapping_count, 1, &recorder->mapping_room,
                   sizeof *recorder->mappings) ||
        !make_room(recorder, &recorder->names, recorder->name_size, length + 8, &recorder->name_room, 1))
        return;
    struct snapshot_mapping *added = &recorder->mappings[recorder->mapping_count++];
    *added = *mapping;
    added->name = (uint32_t)recorder->name_size;
    memcpy(recorder->names + recorder->name_size, path, length);
    recorder->name_size += length;
}

/* Granules of which all is resident follow each other. */
void recorder_add_resident(struct recorder *recorder, uint64_t start, uint64_t bytes)
{
    size_t count = recorder->resident_count;
    struct snapshot_resident *last = count > 0 ? &recorder->residents[count - 1] : NULL;
    if (last != NULL && last->start % HAK_GRANULE == 0 && last->bytes % HAK_GRANULE == 0 && bytes == HAK_GRANULE &&
        last->start + last->bytes == start) {
        last->bytes += bytes;
        return;
    }
    if (make_room(recorder, &recorder->residents, count, 1, &recorder->resident_room, sizeof *recorder->residents))
        recorder->residents[recorder->resident_count++] = (struct snapshot_resident){start, bytes};
}

void recorder_drop_residents(struct recorder *recorder)
{
    recorder->resident_count = 0;
}

void recorder_add_thread(struct recorder *recorder, uint32_t own_tid, const char *name)
{
    struct snapshot_thread thread = {.own_tid = own_tid};
    if (!make_room(recorder, &recorder->threads, recorder->thread_count, 1, &recorder->thread_room,
                   sizeof *recorder->threads))
        return;
    memcpy(thread.name, name, strnlen(name, sizeof thread.name - 1));
    recorder->threads[recorder->thread_count++] = thread;
}

static int ranges_by_start(const void *a, const void *b)
{
    const struct snapshot_range *one = a, *other = b;
    return one->start < other->start ? -1 : one->start > other->start;
}

static int starts_by_start(const void *a, const void *b)
{
    const struct snapshot_starts *one = a, *other = b;
    return one->start < other->start ? -1 : one->start > other->start;
}

/* Pages that follow each other in memory and in the file are one range. */
static void join_ranges(struct recorder *recorder)
{
    size_t kept = 0;
    if (recorder->range_count > 0)
        qsort(recorder->ranges, recorder->range_count, sizeof *recorder->ranges, ranges_by_start);
    for (size_t i = 0; i < recorder->range_count; i++) {
        struct snapshot_range *last = &recorder->ranges[kept > 0 ? kept - 1 : 0];
        const struct snapshot_range *next = &recorder->ranges[i];
        bool follows = kept > 0 && last->start + last->size == next->start &&
                       (last->offset == 0 ? next->offset == 0 : next->offset == last->offset + last->size);
        if (follows)
            last->size += next->size;
        else
            recorder->ranges[kept++] = *next;
    }
    recorder->range_count = kept;
}

/* Of a process that ran on: the same words may have been read twice, and a slab's by other steps. */
static void sort_starts(struct recorder *recorder)
{
    size_t kept = 0;
    uint64_t end = 0;
    if (recorder->starts_count > 0)
        qsort(recorder->starts, recorder->starts_count, sizeof *recorder->starts, starts_by_start);
    for (size_t i = 0; i < recorder->starts_count; i++) {
        const struct snapshot_starts *next = &recorder->starts[i];
        if (next->start < end)
            continue;
        end = next->start + next->step * next->count;
        recorder->starts[kept++] = *next;
    }
    recorder->starts_count = kept;
}

static struct snapshot_section write_section(struct recorder *recorder, const void *records, size_t count,
                                             size_t size)
{
    uint64_t at = append(recorder, records, count * size);
    return (struct snapshot_section){at, count};
}

static void write_header(struct recorder *recorder, struct snapshot_header *header)
{
    memcpy(header->magic, SNAPSHOT_MAGIC, sizeof SNAPSHOT_MAGIC);
    header->version = SNAPSHOT_VERSION;
    header->header_size = sizeof *header;
    header->byte_order = SNAPSHOT_ORDER;
    header->pointer_size = sizeof(void *);
    header->page_size = recorder->page_size;
    header->size = recorder->at;
    header->checksum = recorder->sum;
    errno = 0;
    if (fseek(recorder->file, 0, SEEK_SET) != 0 || fwrite(header, sizeof *header, 1, recorder->file) != 1 ||
        fflush(recorder->file) != 0)
        fail(recorder, errno != 0 ? errno : EIO);
}

bool recorder_end(struct recorder *recorder, struct snapshot_header *header)
{
    join_ranges(recorder);
    sort_starts(recorder);
    header->ranges = write_section(recorder, recorder->ranges, recorder->range_count, sizeof *recorder->ranges);
    header->starts = write_section(recorder, recorder->starts, recorder->starts_count, sizeof *recorder->starts);
    header->mappings =
        write_section(recorder, recorder->mappings, recorder->mapping_count, sizeof *recorder->mappings);
    header->residents =
        write_section(recorder, recorder->residents, recorder->resident_count, sizeof *recorder->residents);
    header->threads = write_section(recorder, recorder->threads, recorder->thread_count, sizeof *recorder->threads);
    for (; recorder->name_size % sizeof(uint64_t) != 0; recorder->name_size++)
        recorder->names[recorder->name_size] = '\0'; /* there is room */
    header->names = write_section(recorder, recorder->names, recorder->name_size, 1);
    write_header(recorder, header);
    free(recorder->known);
    free(recorder->ranges);
    free(recorder->starts);
    free(recorder->mappings);
    free(recorder->residents);
    free(recorder->threads);
    free(recorder->names);
    errno = recorder->error;
    return !recorder->failed;
}

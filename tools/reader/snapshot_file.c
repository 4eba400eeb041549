/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "reader/snapshot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Far more than there are in a snapshot of a process with 256 GiB. */
enum { RECORDS_MOST = 1 << 26, NAMES_MOST = 1 << 26, WORDS = 2 * sizeof(uint64_t) };

/* ---- memory ------------------------------------------------------------ */

/* The last record that begins at an address or below, or NULL. Records begin with their address. */
static const void *last_not_above(const void *records, size_t size, uint64_t count, uint64_t address)
{
    uint64_t low = 0, high = count, start;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        memcpy(&start, (const char *)records + middle * size, sizeof start);
        if (start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? (const char *)records + (low - 1) * size : NULL;
}

/* Words that are in the file by themselves; false without errno if they are not. */
static bool peek_words(const struct snapshot_file *file, uint64_t from, uint64_t step, uint64_t count,
                       void *to, size_t size)
{
    const struct snapshot_starts *starts =
        last_not_above(file->starts, sizeof *starts, file->header.starts.count, from);
    if (starts == NULL)
        return false;
    uint64_t distance = from - starts->start, number = distance / starts->step, within = distance % starts->step;
    if (number >= starts->count || count > starts->count - number || within + size / count > WORDS ||
        (count > 1 && (step != starts->step || within != 0)))
        return false;
    return file_read_at(file->fd, starts->offset + number * WORDS + within, to, size);
}

static bool peek(const void *context, const void *from, void *to, size_t size)
{
    const struct snapshot_file *file = context;
    uint64_t address = (uintptr_t)from;
    if (size == 0 || (size <= WORDS && peek_words(file, address, WORDS, 1, to, size)))
        return true;
    while (size > 0) {
        const struct snapshot_range *range =
            last_not_above(file->ranges, sizeof *range, file->header.ranges.count, address);
        uint64_t at = range != NULL ? address - range->start : 0;
        if (range == NULL || at >= range->size) {
            errno = EFAULT;
            return false;
        }
        size_t part = range->size - at < size ? (size_t)(range->size - at) : size;
        if (range->offset == 0)
            memset(to, 0, part);
        else if (!file_read_at(file->fd, range->offset + at, to, part))
            return false;
        to = (char *)to + part;
        address += part;
        size -= part;
    }
    return true;
}

static bool peek_starts(const void *context, uintptr_t from, size_t step, size_t count,
                        uint64_t (*words)[2])
{
    const struct snapshot_file *file = context;
    if (count == 0 || peek_words(file, from, step, count, words, count * WORDS))
        return true;
    for (size_t i = 0; i < count; i++)
        if (!peek(file, (const void *)(from + i * step), words[i], WORDS))
            return false;
    return true;
}

struct remote_memory snapshot_memory(const struct snapshot_file *file)
{
    return (struct remote_memory){.read = peek, .context = file, .starts = peek_starts,
                                  .page_size = (size_t)file->header.page_size};
}

/* ---- the file ---------------------------------------------------------- */

/* Whether so many bytes at an offset are in the file, behind the header. */
static bool is_inside(const struct snapshot_header *header, uint64_t offset, uint64_t size)
{
    return offset >= sizeof *header && offset % 8 == 0 && offset <= header->size &&
           size <= header->size - offset;
}

/* Copies a section; NULL if it is not in the file, or too long. */
static void *read_section(const struct snapshot_file *file, const struct snapshot_section *section,
                          size_t record_size, uint64_t most)
{
    uint64_t size = section->count <= most ? section->count * record_size : UINT64_MAX;
    if (size >= SIZE_MAX || !is_inside(&file->header, section->offset, size))
        return NULL;
    char *copy = malloc((size_t)size + 1);
    if (copy == NULL || !file_read_at(file->fd, section->offset, copy, (size_t)size)) {
        free(copy);
        return NULL;
    }
    copy[size] = '\0';
    return copy;
}

static bool check_ranges(const struct snapshot_file *file)
{
    uint64_t end = 0;
    for (uint64_t i = 0; i < file->header.ranges.count; i++) {
        const struct snapshot_range *range = &file->ranges[i];
        if (range->start < end || range->size == 0 || range->size > UINT64_MAX - range->start ||
            (range->offset != 0 && !is_inside(&file->header, range->offset, range->size)))
            return false;
        end = range->start + range->size;
    }
    return true;
}

static bool check_starts(const struct snapshot_file *file)
{
    uint64_t end = 0, length;
    for (uint64_t i = 0; i < file->header.starts.count; i++) {
        const struct snapshot_starts *starts = &file->starts[i];
        if (starts->start < end || starts->step < WORDS || starts->count == 0 ||
            starts->count > file->header.size / WORDS ||
            __builtin_mul_overflow(starts->step, starts->count, &length) ||
            length > UINT64_MAX - starts->start ||
            !is_inside(&file->header, starts->offset, starts->count * WORDS))
            return false;
        end = starts->start + length;
    }
    return true;
}

static bool check_mappings(const struct snapshot_file *file)
{
    for (uint64_t i = 0; i < file->header.mappings.count; i++) {
        const struct snapshot_mapping *mapping = &file->mappings[i];
        if (mapping->start >= mapping->end || mapping->name >= file->header.names.count ||
            mapping->build_id_size > SNAPSHOT_BUILD_ID_MOST)
            return false;
    }
    return true;
}

static bool check_residents(const struct snapshot_file *file)
{
    uint64_t end = 0;
    for (uint64_t i = 0; i < file->header.residents.count; i++) {
        const struct snapshot_resident *resident = &file->residents[i];
        if (resident->start < end || resident->bytes == 0 || resident->bytes > UINT64_MAX - resident->start)
            return false;
        end = resident->start + resident->bytes;
    }
    return true;
}

static bool check_threads(const struct snapshot_file *file)
{
    for (uint64_t i = 0; i < file->header.threads.count; i++)
        if (memchr(file->threads[i].name, '\0', sizeof file->threads[i].name) == NULL)
            return false;
    return true;
}

static bool has_sum(const struct snapshot_file *file)
{
    uint64_t part[1 << 13], sum = 0, at = sizeof file->header;
    while (at < file->header.size) {
        size_t size = file->header.size - at < sizeof part ? (size_t)(file->header.size - at) : sizeof part;
        if (!file_read_at(file->fd, at, part, size))
            return false;
        sum = snapshot_checksum(sum, part, size / sizeof *part);
        at += size;
    }
    return sum == file->header.checksum;
}

static bool read_sections(struct snapshot_file *file)
{
    const struct snapshot_header *header = &file->header;
    file->ranges = read_section(file, &header->ranges, sizeof *file->ranges, RECORDS_MOST);
    file->starts = read_section(file, &header->starts, sizeof *file->starts, RECORDS_MOST);
    file->mappings = read_section(file, &header->mappings, sizeof *file->mappings, RECORDS_MOST);
    file->residents = read_section(file, &header->residents, sizeof *file->residents, RECORDS_MOST);
    file->threads = read_section(file, &header->threads, sizeof *file->threads, RECORDS_MOST);
    file->names = read_section(file, &header->names, 1, NAMES_MOST);
    return file->ranges != NULL && file->starts != NULL && file->mappings != NULL && file->residents != NULL &&
           file->threads != NULL && file->names != NULL && check_ranges(file) && check_starts(file) &&
           check_mappings(file) && check_residents(file) && check_threads(file);
}

enum snapshot_result snapshot_open(struct snapshot_file *file, int fd, bool check_sum)
{
    struct snapshot_header *header = &file->header;
    struct stat status;
    *file = (struct snapshot_file){.fd = fd};
    if (fstat(fd, &status) != 0)
        return SNAPSHOT_UNREADABLE;
    if (!S_ISREG(status.st_mode) || !file_read_at(fd, 0, header, sizeof header->magic) ||
        memcmp(header->magic, SNAPSHOT_MAGIC, sizeof SNAPSHOT_MAGIC) != 0)
        return SNAPSHOT_NONE;
    if (!file_read_at(fd, 0, header, sizeof *header))
        return SNAPSHOT_DAMAGED;
    if (header->version != SNAPSHOT_VERSION || header->header_size != sizeof *header ||
        header->byte_order != SNAPSHOT_ORDER || header->pointer_size != sizeof(void *))
        return SNAPSHOT_OTHER;
    header->name[sizeof header->name - 1] = '\0';
    if (header->size != (uint64_t)status.st_size || header->size % 8 != 0 ||
        header->page_size > (uint64_t)1 << 30 || (header->page_size & (header->page_size - 1)) != 0 ||
        (check_sum && !has_sum(file)))
        return SNAPSHOT_DAMAGED;
    return read_sections(file) ? SNAPSHOT_READ : SNAPSHOT_DAMAGED;
}

void snapshot_close(struct snapshot_file *file)
{
    free(file->ranges);
    free(file->starts);
    free(file->mappings);
    free(file->residents);
    free(file->threads);
    free(file->names);
    close(file->fd);
}

bool snapshot_is_one(const char *path)
{
    char magic[sizeof SNAPSHOT_MAGIC];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return false;
    bool is_one = file_read_at(fd, 0, magic, sizeof magic) && memcmp(magic, SNAPSHOT_MAGIC, sizeof magic) == 0;
    close(fd);
    return is_one;
}

const char *snapshot_failure(enum snapshot_result result)
{
    switch (result) {
    case SNAPSHOT_UNREADABLE:
        return strerror(errno);
    case SNAPSHOT_NONE:
        return "is no snapshot";
    case SNAPSHOT_OTHER:
        return "is a snapshot of another version of this command, or of another kind of machine";
    case SNAPSHOT_DAMAGED:
        return "is a damaged snapshot";
    default:
        return "was read";
    }
}

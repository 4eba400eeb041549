/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "profile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "command.h"
#include "number_text.h"

/* ---- memory ------------------------------------------------------------ */

/* Enough for the largest tables of a process; only what is used takes memory. */
static const size_t room_most = sizeof(void *) == 8 ? (size_t)1 << 30 : (size_t)1 << 27;
static const size_t room_least = (size_t)1 << 24;

struct profile *profile_new(void)
{
    for (size_t room = room_most; room >= room_least; room /= 2) {
        struct profile *profile =
            mmap(NULL, room, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (profile == MAP_FAILED)
            continue;
        *profile = (struct profile){.room = room, .used = sizeof *profile};
        return profile;
    }
    command_error("%s", strerror(errno));
    return NULL;
}

void *profile_room(struct profile *profile, size_t count, size_t size)
{
    size_t bytes, start = (profile->used + 15) & ~(size_t)15;
    if (__builtin_mul_overflow(count, size, &bytes) || start > profile->room ||
        bytes > profile->room - start) {
        errno = ENOMEM;
        return NULL;
    }
    profile->used = start + bytes;
    return (char *)profile + start;
}

char *profile_keep(struct profile *profile, const char *text)
{
    char *kept = text != NULL ? profile_room(profile, strlen(text) + 1, 1) : NULL;
    return kept != NULL ? strcpy(kept, text) : NULL;
}

/* ---- text -------------------------------------------------------------- */

/* Characters that end a line, or change the order in which a terminal shows those after them. */
static bool is_control(uint32_t code)
{
    return code == 0x7f || code == 0x61c || code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

/* The length of the valid and printable UTF-8 character that a text begins with; 0: there is none. */
static size_t character_length(const unsigned char *text)
{
    /* by length; those of two bytes begin with control characters */
    static const uint32_t least[] = {0, 0x20, 0xa0, 0x800, 0x10000};
    static const unsigned char length_of[16] = {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 2, 2, 3, 4};
    size_t length = length_of[text[0] >> 4];
    uint32_t code = length == 1 ? text[0] : text[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3f);
    }
    bool allowed = length > 0 && text[0] < 0xf5 && code >= least[length] && code <= 0x10ffff &&
                   !is_control(code) && !(code >= 0xd800 && code < 0xe000) && (code & 0xfffe) != 0xfffe;
    return allowed ? length : 0;
}

void profile_clean(char *text)
{
    while (*text != '\0') {
        size_t length = character_length((const unsigned char *)text);
        if (length == 0) {
            *text = '?';
            length = 1;
        }
        text += length;
    }
}

void profile_format_interval(char *text, size_t size, const struct profile *profile)
{
    struct number_text shortest = number_bytes((double)(profile->interval > 1 ? profile->interval : 1));
    struct number_text longest = number_bytes((double)profile->interval_most);
    bool same = strcmp(shortest.text, longest.text) == 0;
    snprintf(text, size, "%s%s%s", same ? "" : shortest.text, same ? "" : " to ", longest.text);
}

/* ---- mappings ---------------------------------------------------------- */

bool profile_parse_map(char *line, struct profile_map_line *map)
{
    uint64_t major, minor;
    char permissions[5];
    int length = 0;
    line[strcspn(line, "\n")] = '\0';
    if (sscanf(line,
               "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %" SCNx64 ":%" SCNx64 " %" SCNu64 " %n",
               &map->start, &map->end, permissions, &map->offset, &major, &minor, &map->inode,
               &length) != 7 ||
        length == 0 || map->start >= map->end)
        return false;
    map->device = major << 32 | (minor & UINT32_MAX);
    map->readable = permissions[0] == 'r';
    map->executable = strchr(permissions, 'x') != NULL;
    map->path = line + length;
    return true;
}

static bool ends_in(const char *text, size_t length, const char *end)
{
    size_t end_length = strlen(end);
    return length > end_length && memcmp(text + length - end_length, end, end_length) == 0;
}

bool profile_add_mapping(struct profile *profile, const struct profile_map_line *map, size_t *room)
{
    static const char deleted[] = " (deleted)";
    size_t length = strlen(map->path), count = profile->mapping_count;
    if (count == *room) {
        *room = count == 0 ? 64 : 2 * count;
        struct profile_mapping *more = profile_room(profile, *room, sizeof *more);
        if (more == NULL)
            return false;
        if (count > 0)
            memcpy(more, profile->mappings, count * sizeof *more);
        profile->mappings = more;
    }
    bool gone = ends_in(map->path, length, deleted);
    if (gone)
        length -= sizeof deleted - 1;
    char *path = profile_room(profile, length + 1, 1);
    if (path == NULL)
        return false;
    memcpy(path, map->path, length);
    profile_clean(path);
    profile->mappings[count] = (struct profile_mapping){
        .start = map->start, .end = map->end, .offset = map->offset, .path = path, .deleted = gone};
    profile->mapping_count++;
    return true;
}

static int by_start(const void *a, const void *b)
{
    const struct profile_mapping *one = a, *other = b;
    return one->start < other->start ? -1 : one->start > other->start;
}

void profile_sort_mappings(struct profile *profile)
{
    if (profile->mapping_count > 0)
        qsort(profile->mappings, profile->mapping_count, sizeof *profile->mappings, by_start);
}

const struct profile_mapping *profile_mapping_of(const struct profile *profile, uint64_t address)
{
    size_t low = 0, high = profile->mapping_count; /* the first that starts above the address */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (profile->mappings[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || address >= profile->mappings[low - 1].end)
        return NULL;
    return &profile->mappings[low - 1];
}

bool profile_may_be_table(const struct profile *profile, uint64_t word, const struct profile_mapping **last)
{
    if (word % sizeof(void *) != 0 || word == 0)
        return false;
    if (*last != NULL && word >= (*last)->start && word < (*last)->end)
        return true;
    const struct profile_mapping *mapping = profile_mapping_of(profile, word);
    if (mapping != NULL)
        *last = mapping;
    return mapping != NULL;
}

/* ---- sums -------------------------------------------------------------- */

struct profile_sum profile_total(const struct profile *profile, enum profile_view view)
{
    struct profile_sum total = {0, 0};
    for (size_t i = 0; i < profile->entry_count; i++) {
        total.blocks += profile->entries[i].sum[view].blocks;
        total.bytes += profile->entries[i].sum[view].bytes;
    }
    return total;
}

static bool same_file(const struct profile_mapping *a, const struct profile_mapping *b)
{
    if (a->build_id_size > 0 && b->build_id_size > 0)
        return a->build_id_size == b->build_id_size &&
               memcmp(a->build_id, b->build_id, a->build_id_size) == 0;
    return strcmp(a->path, b->path) == 0;
}

/* Where the mapping starts in a profile; added at an address of its own if the file is not there. */
static uint64_t place_mapping(struct profile *profile, size_t known, const struct profile_mapping *old,
                              uint64_t *free_address)
{
    for (size_t i = 0; i < known; i++) {
        const struct profile_mapping *own = &profile->mappings[i];
        if (own->offset == old->offset && same_file(own, old))
            return own->start;
    }
    uint64_t start = *free_address, size = old->end - old->start;
    if (size > UINT64_MAX / 4 - (start - UINT64_MAX / 2)) /* nonsense of a file: no names for it */
        return 0;
    struct profile_mapping *added = &profile->mappings[profile->mapping_count++];
    *added = *old;
    added->start = start;
    added->end = start + size;
    *free_address += size;
    return start;
}

/* Copies the mappings of NEW and adds those of OLD; moved[i] is where OLD's number i now starts. */
static bool join_mappings(struct profile *profile, const struct profile *new,
                          const struct profile *old, uint64_t *moved)
{
    uint64_t free_address = UINT64_MAX / 2; /* above the addresses of processes */
    profile->mappings = profile_room(profile, new->mapping_count + old->mapping_count,
                                     sizeof *profile->mappings);
    if (profile->mappings == NULL)
        return false;
    if (new->mapping_count > 0)
        memcpy(profile->mappings, new->mappings, new->mapping_count * sizeof *new->mappings);
    profile->mapping_count = new->mapping_count;
    for (size_t i = 0; i < old->mapping_count; i++)
        moved[i] = place_mapping(profile, new->mapping_count, &old->mappings[i], &free_address);
    return true;
}

static bool subtract_entry(struct profile *profile, const struct profile *old,
                           const struct profile_entry *entry, const uint64_t *moved)
{
    uint64_t *frames = profile_room(profile, entry->depth, sizeof *frames);
    if (frames == NULL)
        return false;
    for (size_t i = 0; i < entry->depth; i++) {
        const struct profile_mapping *mapping = profile_mapping_of(old, entry->frames[i] - 1);
        uint64_t start = mapping != NULL ? moved[mapping - old->mappings] : 0;
        frames[i] = start != 0 ? entry->frames[i] - mapping->start + start : 0;
    }
    struct profile_entry *negative = &profile->entries[profile->entry_count++];
    *negative = *entry;
    negative->frames = frames;
    for (int view = 0; view < PROFILE_VIEWS; view++) {
        negative->sum[view].blocks = -entry->sum[view].blocks;
        negative->sum[view].bytes = -entry->sum[view].bytes;
    }
    return true;
}

static bool subtract(struct profile *profile, const struct profile *new, const struct profile *old)
{
    uint64_t *moved = profile_room(profile, old->mapping_count, sizeof *moved);
    profile->entries =
        profile_room(profile, new->entry_count + old->entry_count, sizeof *profile->entries);
    if (moved == NULL || profile->entries == NULL || !join_mappings(profile, new, old, moved))
        return false;
    if (new->entry_count > 0)
        memcpy(profile->entries, new->entries, new->entry_count * sizeof *new->entries);
    profile->entry_count = new->entry_count;
    for (size_t i = 0; i < old->entry_count; i++)
        if (!subtract_entry(profile, old, &old->entries[i], moved))
            return false;
    profile_sort_mappings(profile);
    return true;
}

struct profile *profile_difference(const struct profile *new, const struct profile *old)
{
    struct profile *profile = profile_new();
    if (profile == NULL)
        return NULL;
    profile->pid = new->pid;
    memcpy(profile->name, new->name, sizeof profile->name);
    profile->interval = new->interval < old->interval ? new->interval : old->interval;
    profile->interval_most = new->interval_most > old->interval_most ? new->interval_most : old->interval_most;
    profile->seconds = new->seconds;
    profile->has_peak = new->has_peak && old->has_peak;
    profile->is_difference = true;
    if (subtract(profile, new, old))
        return profile;
    command_error("the difference does not fit in memory");
    munmap(profile, profile->room);
    return NULL;
}

/* SPDX-License-Identifier: MIT */
/*
 * The profile in a core file. The kernel and gdb write what is needed by default: memory that the
 * process has changed, the first page of each program file, and a list of mapped files. Nothing in
 * the core is believed.
 */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "profile.h"
#include "profile_tables.h"

/* The kernel allows a process 65,530 mappings unless it is told otherwise. */
enum { SEGMENTS_MOST = 1 << 20, NOTES_MOST = 1 << 26, FILES_MOST = 1 << 20 };

struct core {
    const char *path;
    int fd;
    ElfW(Phdr) *segments; /* the loaded ones come first, by rising address */
    size_t segment_count, loaded_count;
    unsigned char *notes;
    size_t notes_size;
};

/* A list of mapped files in a note: NT_FILE. */
struct mapped {
    const unsigned char *numbers; /* three for each: start, end, and offset in pages */
    const char *names, *end;      /* one after the other, each ended by a null byte */
    size_t count, page_size;
};

/* ---- the file ---------------------------------------------------------- */

static bool read_at(const struct core *core, uint64_t offset, void *to, size_t size)
{
    while (size > 0) {
        ssize_t got = offset <= INT64_MAX ? pread(core->fd, to, size, (off_t)offset) : 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got == 0 ? EFAULT : errno;
            return false;
        }
        to = (char *)to + got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return true;
}

static const ElfW(Phdr) *segment_of(const struct core *core, uintptr_t address)
{
    size_t low = 0, high = core->loaded_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (core->segments[middle].p_vaddr <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || address - core->segments[low - 1].p_vaddr >= core->segments[low - 1].p_memsz)
        return NULL;
    return &core->segments[low - 1];
}

/* Memory of the process, as far as it is in the file; a hak_peek. */
static bool peek(const void *context, const void *from, void *to, size_t size)
{
    const struct core *core = context;
    uintptr_t address = (uintptr_t)from;
    while (size > 0) {
        const ElfW(Phdr) *segment = segment_of(core, address);
        uintptr_t at = segment != NULL ? address - segment->p_vaddr : 0;
        if (segment == NULL || at >= segment->p_filesz) {
            errno = EFAULT;
            return false;
        }
        size_t part = segment->p_filesz - at < size ? (size_t)(segment->p_filesz - at) : size;
        if (!read_at(core, segment->p_offset + at, to, part))
            return false;
        to = (char *)to + part;
        address += part;
        size -= part;
    }
    return true;
}

static int loaded_by_address(const void *a, const void *b)
{
    const ElfW(Phdr) *one = a, *other = b;
    if ((one->p_type == PT_LOAD) != (other->p_type == PT_LOAD))
        return one->p_type == PT_LOAD ? -1 : 1;
    return one->p_vaddr < other->p_vaddr ? -1 : one->p_vaddr > other->p_vaddr;
}

static bool read_segments(struct core *core)
{
    ElfW(Ehdr) file;
    ElfW(Shdr) section;
    if (!read_at(core, 0, &file, sizeof file) || memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 ||
        file.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) ||
        file.e_type != ET_CORE || file.e_phentsize != sizeof *core->segments)
        return false;
    core->segment_count = file.e_phnum;
    if (file.e_phnum == PN_XNUM) { /* the number does not fit there */
        if (!read_at(core, file.e_shoff, &section, sizeof section))
            return false;
        core->segment_count = section.sh_info;
    }
    if (core->segment_count == 0 || core->segment_count > SEGMENTS_MOST)
        return false;
    core->segments = calloc(core->segment_count, sizeof *core->segments);
    if (core->segments == NULL ||
        !read_at(core, file.e_phoff, core->segments, core->segment_count * sizeof *core->segments))
        return false;
    qsort(core->segments, core->segment_count, sizeof *core->segments, loaded_by_address);
    while (core->loaded_count < core->segment_count &&
           core->segments[core->loaded_count].p_type == PT_LOAD)
        core->loaded_count++;
    return true;
}

/* ---- notes ------------------------------------------------------------- */

static bool read_notes(struct core *core)
{
    for (size_t i = core->loaded_count; i < core->segment_count; i++) {
        const ElfW(Phdr) *segment = &core->segments[i];
        if (segment->p_type != PT_NOTE)
            continue;
        if (segment->p_filesz > NOTES_MOST || (core->notes = malloc(segment->p_filesz + 1)) == NULL)
            return false;
        core->notes_size = (size_t)segment->p_filesz;
        return read_at(core, segment->p_offset, core->notes, core->notes_size);
    }
    return false;
}

/* The description of the first note of a type, or NULL. */
static const unsigned char *find_note(const struct core *core, uint32_t type, size_t *size)
{
    ElfW(Nhdr) note;
    for (size_t at = 0; core->notes_size - at >= sizeof note;) {
        memcpy(&note, core->notes + at, sizeof note);
        at += sizeof note;
        uint64_t name = ((uint64_t)note.n_namesz + 3) & ~(uint64_t)3;
        uint64_t description = ((uint64_t)note.n_descsz + 3) & ~(uint64_t)3;
        if (name + note.n_descsz > core->notes_size - at)
            return NULL;
        if (note.n_type == type) {
            *size = note.n_descsz;
            return core->notes + at + name;
        }
        if (name + description > core->notes_size - at)
            return NULL;
        at += (size_t)(name + description);
    }
    return NULL;
}

static size_t number_at(const unsigned char *numbers, size_t i)
{
    size_t number;
    memcpy(&number, numbers + i * sizeof number, sizeof number);
    return number;
}

static bool find_mapped(const struct core *core, struct mapped *mapped)
{
    size_t size = 0;
    const unsigned char *note = find_note(core, NT_FILE, &size);
    if (note == NULL || size < 2 * sizeof(size_t))
        return false;
    mapped->count = number_at(note, 0);
    mapped->page_size = number_at(note, 1);
    if (mapped->count > FILES_MOST || (2 + 3 * mapped->count) * sizeof(size_t) > size)
        return false;
    mapped->numbers = note + 2 * sizeof(size_t);
    mapped->names = (const char *)mapped->numbers + 3 * mapped->count * sizeof(size_t);
    mapped->end = (const char *)note + size;
    return true;
}

/* Takes the next file off the list; false at the end. */
static bool next_mapped(struct mapped *mapped, struct profile_map_line *map)
{
    size_t room = (size_t)(mapped->end - mapped->names), length = strnlen(mapped->names, room);
    if (mapped->count == 0 || length == room)
        return false;
    *map = (struct profile_map_line){.start = number_at(mapped->numbers, 0),
                                     .end = number_at(mapped->numbers, 1),
                                     .offset = number_at(mapped->numbers, 2) * mapped->page_size,
                                     .path = (char *)(uintptr_t)mapped->names};
    mapped->numbers += 3 * sizeof(size_t);
    mapped->names += length + 1;
    mapped->count--;
    return true;
}

/* ---- the profile ------------------------------------------------------- */

static bool complain(const struct core *core, const char *text)
{
    command_error("%s: %s", core->path, text);
    return false;
}

static bool find_block(const struct core *core, const struct remote_memory *memory,
                       struct hak_stats_block *block)
{
    struct mapped mapped;
    struct profile_map_line map;
    uintptr_t address = 0;
    if (!find_mapped(core, &mapped))
        return complain(core, "has no list of mapped files");
    while (address == 0 && next_mapped(&mapped, &map))
        if (map.offset == 0)
            remote_block_find(memory, (uintptr_t)map.start, &address);
    if (address == 0)
        return complain(core, "its process did not run on libhakmem, or the core lacks the first "
                              "pages of program files");
    enum remote_result result = remote_block_read(memory, address, block);
    if (result == REMOTE_DISABLED)
        return complain(core, "its process had libhakmem, but it was disabled there");
    return result == REMOTE_FOUND ||
           complain(core, "its process ran on another version of libhakmem, which this command "
                          "cannot read");
}

static bool add_mappings(const struct core *core, const struct remote_memory *memory,
                         struct profile *profile)
{
    struct mapped mapped;
    struct profile_map_line map, image = {0};
    size_t room = 0;
    if (!find_mapped(core, &mapped))
        return false;
    while (next_mapped(&mapped, &map)) {
        const ElfW(Phdr) *segment = segment_of(core, (uintptr_t)map.start);
        if (map.offset == 0)
            image = map;
        /* gdb leaves out segments of which it writes nothing, such as code */
        bool is_data = segment != NULL && (segment->p_flags & PF_X) == 0;
        if (is_data || map.start >= map.end)
            continue;
        if (!profile_add_mapping(profile, &map, &room))
            return complain(core, "has too many mapped files");
        struct profile_mapping *added = &profile->mappings[profile->mapping_count - 1];
        if (image.path != NULL && strcmp(image.path, map.path) == 0)
            added->build_id_size = remote_build_id(memory, (uintptr_t)image.start, added->build_id);
    }
    profile_sort_mappings(profile);
    return true;
}

static void set_name(const struct core *core, struct profile *profile)
{
    prpsinfo_t information;
    size_t size = 0, most = sizeof information.pr_fname;
    const unsigned char *note = find_note(core, NT_PRPSINFO, &size);
    if (note == NULL || size < sizeof information)
        return;
    memcpy(&information, note, sizeof information);
    most = most < sizeof profile->name - 1 ? most : sizeof profile->name - 1;
    memcpy(profile->name, information.pr_fname, strnlen(information.pr_fname, most));
    profile_clean(profile->name);
}

static bool read_core(struct core *core, struct profile *profile)
{
    struct remote_memory memory = {.read = peek, .context = core};
    struct hak_stats_block block;
    if (!read_segments(core) || !read_notes(core))
        return complain(core, "is no core file of this architecture, or is damaged; for a running "
                              "program, give its process ID");
    if (!find_block(core, &memory, &block))
        return false;
    switch (profile_tables_read(profile, &memory, (uintptr_t)block.profile, 0)) {
    case PROFILE_TABLES_READ:
        break;
    case PROFILE_TABLES_UNREADABLE:
        return complain(core, "has no profile: that part of memory is not in the core");
    case PROFILE_TABLES_NEVER_USED:
    case PROFILE_TABLES_NOT_YET:
        return complain(core, "its process was not profiled");
    case PROFILE_TABLES_OTHER:
        return complain(core, "has a profile that this command cannot read");
    case PROFILE_TABLES_TOO_LARGE:
        return complain(core, "has a profile that does not fit in memory");
    case PROFILE_TABLES_DAMAGED:
        return complain(core, "has a damaged profile");
    }
    set_name(core, profile);
    return add_mappings(core, &memory, profile);
}

bool profile_is_core(const char *path)
{
    char start[SELFMAG];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return false;
    ssize_t length = pread(fd, start, sizeof start, 0);
    close(fd);
    return length == sizeof start && memcmp(start, ELFMAG, SELFMAG) == 0;
}

bool profile_read_core(struct profile *profile, const char *path)
{
    struct core core = {.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)};
    if (core.fd < 0) {
        command_error("%s: %s", path, strerror(errno));
        return false;
    }
    bool read = read_core(&core, profile);
    free(core.segments);
    free(core.notes);
    close(core.fd);
    return read;
}

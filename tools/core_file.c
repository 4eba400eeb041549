/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "config.h"

#include "core_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "page/pagemap.h"

/* The kernel allows a process 65,530 mappings unless it is told otherwise. */
enum { SEGMENTS_MOST = 1 << 20, NOTES_MOST = 1 << 26, FILES_MOST = 1 << 20, PAGE = 4096 };

/* A list of mapped files in a note: NT_FILE. */
struct mapped {
    const unsigned char *numbers; /* three for each: start, end, and offset in pages */
    const char *names, *end;      /* one after the other, each ended by a null byte */
    size_t count, page_size;
};

/* ---- the file ---------------------------------------------------------- */

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
        if (!file_read_at(core->fd, segment->p_offset + at, to, part))
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
    if (!file_read_at(core->fd, 0, &file, sizeof file) || memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 ||
        file.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) ||
        file.e_type != ET_CORE || file.e_phentsize != sizeof *core->segments)
        return false;
    core->segment_count = file.e_phnum;
    if (file.e_phnum == PN_XNUM) { /* the number does not fit there */
        if (!file_read_at(core->fd, file.e_shoff, &section, sizeof section))
            return false;
        core->segment_count = section.sh_info;
    }
    if (core->segment_count == 0 || core->segment_count > SEGMENTS_MOST)
        return false;
    core->segments = calloc(core->segment_count, sizeof *core->segments);
    if (core->segments == NULL ||
        !file_read_at(core->fd, file.e_phoff, core->segments, core->segment_count * sizeof *core->segments))
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
        return file_read_at(core->fd, segment->p_offset, core->notes, core->notes_size);
    }
    return false;
}

struct note {
    uint32_t type;
    const unsigned char *description;
    size_t size;
};

/* The note at a place, which is moved to the next one; false at the end. */
static bool next_note(const struct core *core, size_t *at, struct note *found)
{
    ElfW(Nhdr) note;
    if (core->notes_size - *at < sizeof note)
        return false;
    memcpy(&note, core->notes + *at, sizeof note);
    size_t start = *at + sizeof note, left = core->notes_size - start;
    uint64_t name = ((uint64_t)note.n_namesz + 3) & ~(uint64_t)3;
    uint64_t description = ((uint64_t)note.n_descsz + 3) & ~(uint64_t)3;
    if (name + note.n_descsz > left)
        return false;
    *found = (struct note){note.n_type, core->notes + start + name, note.n_descsz};
    *at = name + description > left ? core->notes_size : start + (size_t)(name + description);
    return true;
}

/* The description of the first note of a type, or NULL. */
static const unsigned char *find_note(const struct core *core, uint32_t type, size_t *size)
{
    struct note note;
    for (size_t at = 0; next_note(core, &at, &note);) {
        if (note.type == type) {
            *size = note.size;
            return note.description;
        }
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

/* ---- the library ------------------------------------------------------- */

static bool complain(const struct core *core, const char *text)
{
    command_error("%s: %s", core->path, text);
    return false;
}

static bool complain_of_disabled(const struct core *core)
{
    command_error("%s: its process had libhakmem, but it was disabled: %s", core->path,
                  remote_block_disabled(&core->memory, &core->block));
    return false;
}

static bool find_block(struct core *core)
{
    struct mapped mapped;
    struct profile_map_line map;
    if (!find_mapped(core, &mapped))
        return complain(core, "has no list of mapped files");
    while (core->address == 0 && next_mapped(&mapped, &map))
        if (map.offset == 0)
            remote_block_find(&core->memory, (uintptr_t)map.start, &core->address);
    if (core->address == 0)
        return complain(core, "its process did not use libhakmem, or the core lacks the first "
                              "pages of program files");
    enum remote_result result = remote_block_read(&core->memory, core->address, &core->block);
    if (result == REMOTE_DISABLED)
        return complain_of_disabled(core);
    return result == REMOTE_FOUND ||
           complain(core, "its process used another version of libhakmem, which this command "
                          "cannot read");
}

static bool load(struct core *core)
{
    if (!read_segments(core) || !read_notes(core))
        return complain(core, "is damaged, or not a core file of this architecture; for a running "
                              "program, give its process ID");
    return find_block(core);
}

bool core_is_one(const char *path)
{
    char start[SELFMAG];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return false;
    ssize_t length = pread(fd, start, sizeof start, 0);
    close(fd);
    return length == sizeof start && memcmp(start, ELFMAG, SELFMAG) == 0;
}

bool core_load(struct core *core, const char *path)
{
    *core = (struct core){.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)};
    core->memory = (struct remote_memory){.read = peek, .context = core};
    if (core->fd < 0)
        return complain(core, strerror(errno));
    if (load(core))
        return true;
    core_unload(core);
    return false;
}

void core_unload(struct core *core)
{
    free(core->segments);
    free(core->notes);
    close(core->fd);
}

void core_name(const struct core *core, char *name, size_t size)
{
    prpsinfo_t information;
    size_t length = 0, most = sizeof information.pr_fname;
    const unsigned char *note = find_note(core, NT_PRPSINFO, &length);
    if (note == NULL || length < sizeof information)
        return;
    memcpy(&information, note, sizeof information);
    most = most < size - 1 ? most : size - 1;
    length = strnlen(information.pr_fname, most);
    memcpy(name, information.pr_fname, length);
    name[length] = '\0';
    profile_clean(name);
}

/* ---- mapped files ------------------------------------------------------ */

static bool add(const struct core *core, const struct profile_map_line *map, uint64_t image, struct profile *profile,
                size_t *room)
{
    if (!profile_add_mapping(profile, map, room))
        return complain(core, "has too many mapped files");
    struct profile_mapping *added = &profile->mappings[profile->mapping_count - 1];
    if (image != 0)
        added->build_id_size = remote_build_id(&core->memory, (uintptr_t)image, added->build_id);
    return true;
}

bool core_add_code(const struct core *core, struct profile *profile)
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
        bool is_of_image = image.path != NULL && strcmp(image.path, map.path) == 0;
        if (!is_data && map.start < map.end && !add(core, &map, is_of_image ? image.start : 0, profile, &room))
            return false;
    }
    profile_sort_mappings(profile);
    return true;
}

bool core_add_objects(const struct core *core, struct profile *profile)
{
    struct mapped mapped;
    struct profile_map_line map;
    size_t room = 0;
    if (!find_mapped(core, &mapped))
        return false;
    while (next_mapped(&mapped, &map)) {
        uintptr_t end;
        if (map.offset != 0 || !remote_image_end(&core->memory, (uintptr_t)map.start, &end))
            continue;
        map.end = end;
        if (!add(core, &map, map.start, profile, &room))
            return false;
    }
    profile_sort_mappings(profile);
    return true;
}

/* ---- pages ------------------------------------------------------------- */

/* What of a segment is in the file, and no hole of it. */
struct extent {
    uintptr_t address;
    uint64_t offset, size;
};
typedef bool extent_visit(const struct extent *extent, void *context);

/* How much of a segment is in the file, and not of the next one. */
static uint64_t segment_size(const struct core *core, size_t number, uint64_t most, uint64_t file_size)
{
    const ElfW(Phdr) *segment = &core->segments[number];
    uintptr_t until = number + 1 < core->loaded_count ? core->segments[number + 1].p_vaddr : UINTPTR_MAX;
    uint64_t room = segment->p_offset < file_size ? file_size - segment->p_offset : 0;
    most = most < room ? most : room;
    return most < until - segment->p_vaddr ? most : until - segment->p_vaddr;
}

static bool visit_segment(const struct core *core, const ElfW(Phdr) *segment, uint64_t size, extent_visit *visit,
                          void *context)
{
    for (uint64_t at = 0, end; at < size; at = end) {
        off_t data = lseek(core->fd, (off_t)(segment->p_offset + at), SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            return true;
        uint64_t found = data > 0 && (uint64_t)data > segment->p_offset ? (uint64_t)data - segment->p_offset : 0;
        found &= ~(uint64_t)(PAGE - 1);
        at = found > at ? found : at;
        if (at >= size)
            return true;
        off_t hole = lseek(core->fd, (off_t)(segment->p_offset + at), SEEK_HOLE);
        end = hole > 0 && (uint64_t)hole > segment->p_offset + at ? (uint64_t)hole - segment->p_offset : size;
        end = end < size ? end : size;
        struct extent extent = {(uintptr_t)(segment->p_vaddr + at), segment->p_offset + at, end - at};
        if (!visit(&extent, context))
            return false;
    }
    return true;
}

/* Segments may say that they all have the same part of the file: together they have no more than it has. */
static bool visit_extents(const struct core *core, extent_visit *visit, void *context)
{
    struct stat status;
    if (fstat(core->fd, &status) != 0)
        return complain(core, strerror(errno));
    uint64_t file_size = (uint64_t)status.st_size, left = file_size;
    for (size_t i = 0; i < core->loaded_count; i++) {
        const ElfW(Phdr) *segment = &core->segments[i];
        uint64_t size = segment->p_filesz < segment->p_memsz ? segment->p_filesz : segment->p_memsz;
        size = segment_size(core, i, size, file_size);
        if (size > left)
            return complain(core, "is damaged: its segments overlap");
        left -= size;
        if (!visit_segment(core, segment, size, visit, context))
            return false;
    }
    return true;
}

struct pages {
    const struct core *core;
    struct residency *residency;
    residency_visit *visit;
    void *context;
    unsigned char granule[HAK_GRANULE];
};

static bool is_zero(const unsigned char *bytes, size_t size)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* A part of one granule. */
static bool look_at_part(struct pages *pages, uintptr_t address, uint64_t offset, size_t size)
{
    uint64_t bytes = 0;
    if (!file_read_at(pages->core->fd, offset, pages->granule, size))
        return complain(pages->core, strerror(errno));
    for (size_t at = 0, part; at < size; at += part) {
        part = PAGE - (address + at) % PAGE < size - at ? PAGE - (address + at) % PAGE : size - at;
        if (!is_zero(pages->granule + at, part))
            bytes += part;
    }
    pages->residency->rss += bytes;
    if (bytes != 0)
        pages->visit(address, bytes, pages->context);
    return true;
}

static bool look_at_extent(const struct extent *extent, void *context)
{
    bool good = true;
    for (uint64_t at = 0, part; good && at < extent->size; at += part) {
        uintptr_t address = extent->address + (uintptr_t)at;
        part = HAK_GRANULE - address % HAK_GRANULE;
        part = part < extent->size - at ? part : extent->size - at;
        good = look_at_part(context, address, extent->offset + at, (size_t)part);
    }
    return good;
}

bool core_residency(const struct core *core, struct residency *residency, residency_visit *visit, void *context)
{
    struct pages *pages = malloc(sizeof *pages);
    *residency = (struct residency){.is_known = true};
    if (pages == NULL)
        return complain(core, strerror(errno));
    *pages = (struct pages){.core = core, .residency = residency, .visit = visit, .context = context};
    bool good = visit_extents(core, look_at_extent, pages);
    residency->peak = residency->rss;
    free(pages);
    return good;
}

/* ---- mappings ---------------------------------------------------------- */

/* A value of the auxiliary vector; 0 if it is not there. */
static uintptr_t auxiliary(const struct core *core, uintptr_t type)
{
    size_t size = 0;
    const unsigned char *vector = find_note(core, NT_AUXV, &size);
    for (size_t i = 0; vector != NULL && (i + 2) * sizeof(size_t) <= size; i += 2)
        if (number_at(vector, i) == type)
            return number_at(vector, i + 1);
    return 0;
}

/* Numbers the files by their names, and takes them for what inodes are. */
static void find_files(const struct core *core, struct reader_mappings *mappings)
{
    struct mapped mapped;
    struct profile_map_line map;
    const char *last = NULL;
    uint64_t inode = 0;
    uintptr_t program = auxiliary(core, AT_PHDR);
    size_t i = 0;
    if (!find_mapped(core, &mapped))
        return;
    while (next_mapped(&mapped, &map)) {
        inode += last == NULL || strcmp(last, map.path) != 0;
        last = map.path;
        while (i < mappings->count && mappings->mapping[i].end <= map.start)
            i++;
        for (; i < mappings->count && mappings->mapping[i].start < map.end && mappings->mapping[i].start >= map.start; i++) {
            mappings->mapping[i].inode = inode;
            mappings->mapping[i].offset = map.offset + (mappings->mapping[i].start - map.start);
        }
        if (program - map.start < map.end - map.start)
            mappings->program = inode;
    }
}

/* gdb says of pages that guard stacks that they can be read: nothing is in them. */
static bool is_guard(const struct core *core, const struct reader_mapping *mapping)
{
    static unsigned char bytes[HAK_GRANULE];
    size_t size = mapping->end - mapping->start;
    return !mapping->writable && mapping->inode == 0 && size <= sizeof bytes &&
           peek(core, (const void *)mapping->start, bytes, size) && is_zero(bytes, size);
}

static bool add_extent(const struct extent *extent, void *ranges)
{
    return ranges_add(ranges, extent->address, extent->address + (uintptr_t)extent->size);
}

bool core_mappings(const struct core *core, struct reader_mappings *mappings, struct reader_ranges *present)
{
    bool added = true;
    uintptr_t stack = auxiliary(core, AT_RANDOM);
    *mappings = (struct reader_mappings){.pages = -1, .present = present, .page_size = (size_t)sysconf(_SC_PAGESIZE)};
    *present = (struct reader_ranges){0};
    for (size_t i = 0; added && i < core->loaded_count; i++) {
        const ElfW(Phdr) *segment = &core->segments[i];
        uintptr_t start = (uintptr_t)segment->p_vaddr;
        uint64_t size = segment->p_memsz < UINTPTR_MAX - start ? segment->p_memsz : UINTPTR_MAX - start;
        if (i + 1 < core->loaded_count && size > core->segments[i + 1].p_vaddr - start)
            size = core->segments[i + 1].p_vaddr - start;
        if (size == 0)
            continue;
        struct reader_mapping mapping = {.start = start, .end = start + (uintptr_t)size,
                                         .readable = (segment->p_flags & PF_R) != 0,
                                         .writable = (segment->p_flags & PF_W) != 0,
                                         .is_stack = stack - start < size};
        added = mappings_add(mappings, &mapping);
    }
    if (!added || !visit_extents(core, add_extent, present))
        return false;
    ranges_sort(present);
    find_files(core, mappings);
    for (size_t i = 0; i < mappings->count; i++)
        if (is_guard(core, &mappings->mapping[i]))
            mappings->mapping[i].readable = false;
    return true;
}

/* By the list of files: gdb leaves code out of the core. */
static bool is_in_libc(const struct core *core, uintptr_t address)
{
    struct mapped mapped;
    struct profile_map_line map;
    if (!find_mapped(core, &mapped))
        return false;
    while (next_mapped(&mapped, &map))
        if (address - map.start < map.end - map.start)
            return mappings_is_libc(map.path);
    return false;
}

static bool add_registers(const struct core *core, struct roots_threads *threads, const unsigned char *description)
{
    prstatus_t status;
    size_t count = threads->count;
    memcpy(&status, description, sizeof status);
    bool added = roots_add_registers(threads, &status.pr_reg, sizeof status.pr_reg);
    if (threads->count > count) {
        threads->thread[count].id = status.pr_pid;
        threads->thread[count].is_in_libc = is_in_libc(core, threads->thread[count].pc);
    }
    return added;
}

bool core_threads(const struct core *core, struct roots_threads *threads)
{
    struct note note;
    bool added = true;
    *threads = (struct roots_threads){0};
    for (size_t at = 0; added && next_note(core, &at, &note);) {
        if (note.type == NT_PRSTATUS && note.size >= sizeof(prstatus_t))
            added = add_registers(core, threads, note.description);
        else if (note.type == NT_FPREGSET || note.type == NT_X86_XSTATE)
            added = roots_add_words(threads, note.description, note.size);
#if defined(__aarch64__)
        else if (note.type == NT_ARM_TLS && threads->count > 0 && note.size >= sizeof(uintptr_t))
            memcpy(&threads->thread[threads->count - 1].tls, note.description, sizeof(uintptr_t));
#endif
    }
    return added || complain(core, strerror(errno));
}

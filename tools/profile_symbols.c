/* SPDX-License-Identifier: MIT */
/*
 * Finds the file of a mapping, keeps the names of each frame, and knows which functions are the
 * allocator's.
 *
 * The process or the file that a profile is from may belong to anybody. Only regular files are
 * opened, and only those with the build ID that the process has in memory are believed.
 */
#define _GNU_SOURCE
#include "config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profile.h"
#include "profile_debug.h"

enum { INLINED_MOST = 64 };

struct profile_symbols {
    struct file {
        bool tried;
        struct profile_debug *debug;
    } *files; /* one for each mapping */
    struct place {
        uint64_t frame;
        struct profile_place *place;
    } *places; /* a hash table; the room is a power of two, and never full */
    size_t place_count, place_room;
};

static const struct profile_line unknown_line = {.function = "[unknown]"};
static const struct profile_place unknown_place = {.lines = &unknown_line, .line_count = 1};

bool profile_symbols_open(struct profile *profile)
{
    struct profile_symbols *symbols = calloc(1, sizeof *symbols);
    if (symbols == NULL)
        return false;
    symbols->files = calloc(profile->mapping_count + 1, sizeof *symbols->files);
    symbols->place_room = 1024;
    symbols->places = calloc(symbols->place_room, sizeof *symbols->places);
    profile->symbols = symbols;
    if (symbols->files != NULL && symbols->places != NULL)
        return true;
    profile_symbols_close(profile);
    return false;
}

static void free_place(struct profile_place *place)
{
    for (size_t i = 0; i < place->line_count; i++) {
        free((void *)(uintptr_t)place->lines[i].function);
        free((void *)(uintptr_t)place->lines[i].file);
    }
    free((void *)(uintptr_t)place->lines);
    free(place);
}

void profile_symbols_close(struct profile *profile)
{
    struct profile_symbols *symbols = profile->symbols;
    if (symbols == NULL)
        return;
    for (size_t i = 0; symbols->files != NULL && i < profile->mapping_count; i++)
        profile_debug_close(symbols->files[i].debug);
    for (size_t i = 0; symbols->places != NULL && i < symbols->place_room; i++)
        if (symbols->places[i].place != NULL)
            free_place(symbols->places[i].place);
    free(symbols->files);
    free(symbols->places);
    free(symbols);
    profile->symbols = NULL;
}

/* ---- files ------------------------------------------------------------- */

/* Opens a regular file and nothing else: opening a device or a pipe would do something. */
static int open_regular(const char *path)
{
    struct stat status;
    char link[40];
    int handle = open(path, O_PATH | O_CLOEXEC), fd = -1;
    if (handle < 0)
        return -1;
    if (fstat(handle, &status) == 0 && S_ISREG(status.st_mode)) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
        fd = open(link, O_RDONLY | O_CLOEXEC);
    }
    close(handle);
    return fd;
}

static struct profile_debug *try_file(const char *path, const struct profile_mapping *mapping)
{
    int fd = open_regular(path);
    return fd >= 0 ? profile_debug_open(fd, path, mapping) : NULL;
}

/* Below the process's root, or by the mapping itself, which leads to a deleted file, too. */
static struct profile_debug *find_file_of_process(pid_t pid, const struct profile_mapping *mapping)
{
    char path[PATH_MAX];
    struct profile_debug *debug = NULL;
    if (!mapping->deleted &&
        snprintf(path, sizeof path, "/proc/%d/root%s", (int)pid, mapping->path) < (int)sizeof path)
        debug = try_file(path, mapping);
    if (debug == NULL) {
        snprintf(path, sizeof path, "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid,
                 mapping->start, mapping->end);
        debug = try_file(path, mapping);
    }
    /* which needs more rights than the program's file, told from others by its build ID */
    if (debug == NULL && mapping->build_id_size > 0) {
        snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
        debug = try_file(path, mapping);
    }
    return debug;
}

static struct profile_debug *find_file(const struct profile *profile,
                                       const struct profile_mapping *mapping)
{
    struct profile_debug *debug = NULL;
    if (!profile_debug_available || mapping->path[0] != '/')
        return NULL;
    if (profile->pid != 0)
        debug = find_file_of_process(profile->pid, mapping);
    return debug != NULL || mapping->deleted ? debug : try_file(mapping->path, mapping);
}

static struct profile_debug *debug_of(const struct profile *profile, const struct profile_mapping *mapping)
{
    struct file *file = &profile->symbols->files[mapping - profile->mappings];
    if (!file->tried)
        file->debug = find_file(profile, mapping);
    file->tried = true;
    return file->debug;
}

const char *profile_type_of(struct profile *profile, uint64_t word)
{
    const struct profile_mapping *mapping = profile_mapping_of(profile, word);
    struct profile_debug *debug = mapping != NULL ? debug_of(profile, mapping) : NULL;
    char *type = debug != NULL ? profile_debug_table(debug, word - mapping->start) : NULL;
    char *kept = profile_keep(profile, type);
    free(type);
    return kept;
}

const char *profile_variable_of(struct profile *profile, uint64_t address, uint64_t *offset)
{
    const struct profile_mapping *mapping = profile_mapping_of(profile, address);
    struct profile_debug *debug = mapping != NULL ? debug_of(profile, mapping) : NULL;
    char *name = debug != NULL ? profile_debug_variable(debug, address - mapping->start, offset) : NULL;
    char *kept = profile_keep(profile, name);
    free(name);
    return kept;
}

/* ---- frames ------------------------------------------------------------ */

static char *nameless(const struct profile_mapping *mapping, uint64_t offset)
{
    char *text = NULL;
    const char *slash = mapping != NULL ? strrchr(mapping->path, '/') : NULL;
    const char *name = slash != NULL ? slash + 1 : mapping != NULL ? mapping->path : "";
    int length = mapping != NULL ? asprintf(&text, "%s+0x%" PRIx64, name, offset)
                                 : asprintf(&text, "%s", unknown_line.function);
    return length >= 0 ? text : NULL;
}

static struct profile_place *make_place(const struct profile *profile, uint64_t frame)
{
    struct profile_line lines[INLINED_MOST] = {{0}};
    struct profile_place *place = calloc(1, sizeof *place);
    if (place == NULL)
        return NULL;
    place->address = frame > 0 ? frame - 1 : 0;
    place->mapping = profile_mapping_of(profile, place->address);
    uint64_t offset = 0;
    size_t count = 0;
    if (place->mapping != NULL) {
        struct profile_debug *debug = debug_of(profile, place->mapping);
        offset = place->address - place->mapping->start + place->mapping->offset;
        if (debug != NULL)
            count = profile_debug_lines(debug, offset, lines, INLINED_MOST);
    }
    if (count == 0) {
        lines[0].function = nameless(place->mapping, offset);
        count = lines[0].function != NULL;
    }
    struct profile_line *copy = calloc(count, sizeof *copy);
    if (count == 0 || copy == NULL) {
        free(copy);
        free(place);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        lines[i].mapping = place->mapping;
    memcpy(copy, lines, count * sizeof *copy);
    place->lines = copy;
    place->line_count = count;
    return place;
}

/* Where a frame is in the table, or belongs. */
static struct place *look_up(struct place *places, size_t room, uint64_t frame)
{
    size_t at = (size_t)(frame * 0x9e3779b97f4a7c15u >> 20) & (room - 1);
    while (places[at].place != NULL && places[at].frame != frame)
        at = (at + 1) & (room - 1);
    return &places[at];
}

static bool grow(struct profile_symbols *symbols)
{
    size_t room = 2 * symbols->place_room;
    struct place *places = calloc(room, sizeof *places);
    if (places == NULL)
        return false;
    for (size_t i = 0; i < symbols->place_room; i++)
        if (symbols->places[i].place != NULL)
            *look_up(places, room, symbols->places[i].frame) = symbols->places[i];
    free(symbols->places);
    symbols->places = places;
    symbols->place_room = room;
    return true;
}

const struct profile_place *profile_place(const struct profile *profile, uint64_t frame)
{
    struct profile_symbols *symbols = profile->symbols;
    struct place *found = look_up(symbols->places, symbols->place_room, frame);
    if (found->place != NULL)
        return found->place;
    if (symbols->place_count >= symbols->place_room / 2) {
        if (!grow(symbols))
            return &unknown_place;
        found = look_up(symbols->places, symbols->place_room, frame);
    }
    found->place = make_place(profile, frame);
    if (found->place == NULL)
        return &unknown_place;
    found->frame = frame;
    symbols->place_count++;
    return found->place;
}

/* ---- functions of the allocator ---------------------------------------- */

bool profile_is_dropped(const char *function)
{
    static const char *const names[] = {
        "malloc", "calloc", "realloc", "reallocarray", "memalign", "aligned_alloc",
        "posix_memalign", "valloc", "pvalloc", "__rust_alloc", "__rust_alloc_zeroed",
        "__rust_realloc"};
    static const char *const beginnings[] = {
        "hak_", "operator new", "std::allocator<", "std::allocator_traits<", "std::__new_allocator<",
        "__gnu_cxx::new_allocator<", "std::__allocate_guarded<", "std::__1::allocator<",
        "std::__1::allocator_traits<", "std::__1::__libcpp_", "std::__1::__allocate_at_least",
        "__rdl_", "alloc::alloc::", "<alloc::alloc::Global", "alloc::raw_vec::",
        "<alloc::raw_vec::", "alloc::boxed::box_new",
        /* jemalloc, whose files have its own functions too, in a program or under another name */
        "je_", "_rjem_je_", "prof_backtrace", "prof_alloc_prep", "imalloc"};
    static const char *const methods[] = {"::_M_allocate", "::_M_get_node", "::_M_allocate_node",
                                          "::_M_create"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(function, names[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
        if (strncmp(function, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    const char *method = strncmp(function, "std::", 5) == 0 ? strrchr(function, ':') : NULL;
    for (size_t i = 0; method != NULL && i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(method - 1, methods[i]) == 0)
            return true;
    return false;
}

static bool is_in_allocator(const struct profile_place *place)
{
    static const char *const libraries[] = {"libhakmem", "libjemalloc.", "libtcmalloc"};
    const char *slash = place->mapping != NULL ? strrchr(place->mapping->path, '/') : NULL;
    for (size_t i = 0; slash != NULL && i < sizeof libraries / sizeof libraries[0]; i++)
        if (strncmp(slash + 1, libraries[i], strlen(libraries[i])) == 0)
            return true;
    return false;
}

/* As pprof does: by the name of the function, of its source file, or of the file of its code. */
static bool is_hidden(const struct profile *profile, const struct profile_line *line)
{
    const char *names[] = {line->function, line->file, line->mapping != NULL ? line->mapping->path : NULL};
    for (size_t i = 0; profile->hidden != NULL && i < sizeof names / sizeof names[0]; i++)
        if (names[i] != NULL && regexec(profile->hidden, names[i], 0, NULL, 0) == 0)
            return true;
    return false;
}

size_t profile_lines(const struct profile *profile, const struct profile_entry *entry,
                     const struct profile_line **lines, size_t most)
{
    size_t count = 0;
    for (size_t i = 0; i < entry->depth && count < most; i++) {
        const struct profile_place *place = profile_place(profile, entry->frames[i]);
        for (size_t k = 0; k < place->line_count && count < most; k++) {
            const struct profile_line *line = &place->lines[k];
            bool last = i + 1 == entry->depth && k + 1 == place->line_count;
            bool left_out = is_hidden(profile, line) ||
                            (count == 0 && (is_in_allocator(place) || profile_is_dropped(line->function)));
            if (!left_out || (last && count == 0))
                lines[count++] = line;
        }
    }
    if (count == 0)
        lines[count++] = &unknown_line;
    return count;
}

/* SPDX-License-Identifier: MIT */
#include "reader/remote_block.h"

#include <errno.h>
#include <link.h>
#include <string.h>

#include "core/disabled.h"

/* A segment of notes larger than this, more of them, and more program headers are none of ours. */
enum { NOTES_MAX = 4096, SEGMENTS_MAX = 8, HEADERS_MAX = 64 };

static size_t padded(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

/* A note that is looked for, and what was found: the address of its description, and a copy. */
struct wanted {
    uint32_t type;
    const char *name;
    size_t size_most; /* of the description */
    uintptr_t address;
    size_t size;
    unsigned char description[REMOTE_BUILD_ID_MOST];
};

static bool find_note(const unsigned char *notes, size_t size, uintptr_t address,
                      struct wanted *wanted)
{
    ElfW(Nhdr) note;
    for (size_t at = 0; at + sizeof note <= size;) {
        memcpy(&note, notes + at, sizeof note);
        if (note.n_namesz > size || note.n_descsz > size)
            return false;
        size_t name = at + sizeof note, text = name + padded(note.n_namesz);
        size_t end = text + padded(note.n_descsz), name_size = strlen(wanted->name) + 1;
        if (end > size)
            return false;
        if (note.n_type == wanted->type && note.n_namesz == name_size && note.n_descsz > 0 &&
            note.n_descsz <= wanted->size_most && memcmp(notes + name, wanted->name, name_size) == 0) {
            wanted->address = address + text;
            wanted->size = note.n_descsz;
            memcpy(wanted->description, notes + text, note.n_descsz);
            return true;
        }
        at = end;
    }
    return false;
}

static bool find_note_in_segment(const struct remote_memory *memory, uintptr_t address, size_t size,
                                 struct wanted *wanted)
{
    unsigned char notes[NOTES_MAX];
    return size <= sizeof notes && remote_read(memory, address, notes, size) &&
           find_note(notes, size, address, wanted);
}

/* The program headers of a file that is mapped, and how far its addresses are moved. */
struct image {
    ElfW(Phdr) segment[HEADERS_MAX];
    int count;
    uintptr_t bias;
};

static enum remote_result read_image(const struct remote_memory *memory, uintptr_t start,
                                     struct image *image)
{
    ElfW(Ehdr) file;
    if (!remote_read(memory, start, &file, sizeof file))
        return REMOTE_UNREADABLE;
    if (memcmp(file.e_ident, ELFMAG, SELFMAG) != 0)
        return REMOTE_NONE;
    if (file.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32))
        return REMOTE_OTHER_CLASS;
    if (file.e_phnum > HEADERS_MAX || file.e_phentsize != sizeof *image->segment ||
        !remote_read(memory, start + file.e_phoff, image->segment, file.e_phnum * sizeof *image->segment))
        return REMOTE_NONE;
    image->count = file.e_phnum;
    image->bias = 0;
    for (int i = 0; i < image->count; i++)
        if (image->segment[i].p_type == PT_LOAD && image->segment[i].p_offset == 0)
            image->bias = start - image->segment[i].p_vaddr;
    return REMOTE_FOUND;
}

static enum remote_result find_note_of_file(const struct remote_memory *memory, uintptr_t start,
                                            struct wanted *wanted)
{
    struct image image;
    enum remote_result result = read_image(memory, start, &image);
    if (result != REMOTE_FOUND)
        return result;
    for (int i = 0, seen = 0; i < image.count && seen < SEGMENTS_MAX; i++)
        if (image.segment[i].p_type == PT_NOTE) {
            seen++;
            if (find_note_in_segment(memory, image.bias + image.segment[i].p_vaddr,
                                     image.segment[i].p_filesz, wanted))
                return REMOTE_FOUND;
        }
    return REMOTE_NONE;
}

bool remote_image_end(const struct remote_memory *memory, uintptr_t start, uintptr_t *end)
{
    struct image image;
    if (read_image(memory, start, &image) != REMOTE_FOUND)
        return false;
    *end = start;
    for (int i = 0; i < image.count; i++) {
        uintptr_t behind = image.bias + image.segment[i].p_vaddr + image.segment[i].p_memsz;
        if (image.segment[i].p_type == PT_LOAD && behind > *end)
            *end = behind;
    }
    return *end > start;
}

size_t remote_image_tls(const struct remote_memory *memory, uintptr_t start)
{
    struct image image;
    if (read_image(memory, start, &image) != REMOTE_FOUND)
        return 0;
    for (int i = 0; i < image.count; i++)
        if (image.segment[i].p_type == PT_TLS)
            return (size_t)image.segment[i].p_memsz;
    return 0;
}

enum remote_result remote_block_find(const struct remote_memory *memory, uintptr_t start,
                                     uintptr_t *block)
{
    int32_t distance = 0;
    struct wanted wanted = {
        .type = HAK_STATS_NOTE_TYPE, .name = HAK_STATS_NOTE, .size_most = sizeof distance};
    *block = 0;
    enum remote_result result = find_note_of_file(memory, start, &wanted);
    if (result != REMOTE_FOUND)
        return result;
    if (wanted.size == sizeof distance) {
        memcpy(&distance, wanted.description, sizeof distance);
        *block = wanted.address + (uintptr_t)(intptr_t)distance;
    }
    return *block != 0 ? REMOTE_FOUND : REMOTE_NONE;
}

size_t remote_build_id(const struct remote_memory *memory, uintptr_t start,
                       unsigned char id[REMOTE_BUILD_ID_MOST])
{
    struct wanted wanted = {
        .type = NT_GNU_BUILD_ID, .name = ELF_NOTE_GNU, .size_most = REMOTE_BUILD_ID_MOST};
    if (find_note_of_file(memory, start, &wanted) != REMOTE_FOUND)
        return 0;
    memcpy(id, wanted.description, wanted.size);
    return wanted.size;
}

static bool layout_is_known(const struct hak_stats_block *block)
{
    static const struct hak_stats_block own = {
        .layout = HAK_STATS_LAYOUT, .size = sizeof own, .pointer_size = sizeof(void *),
        .super_chunk_size = sizeof(struct super_chunk), .superslab_size = sizeof(SuperSlab),
        .heap_size = sizeof(struct hak_heap), .counters_size = sizeof(struct hak_counters),
        .lock_size = sizeof(struct hak_lock), .page_map_size = sizeof(struct hak_pagemap), .class_count = HAK_CLASS_COUNT,
        .stat_count = HAK_STAT_COUNT, .lock_count = HAK_LOCK_COUNT,
        .records_sum = HAK_RECORDS_SUM};
    return block->layout == own.layout && block->size == own.size &&
           block->pointer_size == own.pointer_size &&
           memcmp(&block->super_chunk_size, &own.super_chunk_size,
                  offsetof(struct hak_stats_block, checks) -
                      offsetof(struct hak_stats_block, super_chunk_size)) == 0;
}

/* A text of letters, digits and what else versions are written with. */
static bool is_version(const char *version, size_t size)
{
    static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+~-_";
    size_t length = strnlen(version, size);
    return length > 0 && length < size && strspn(version, allowed) == length;
}

enum remote_result remote_block_read(const struct remote_memory *memory, uintptr_t address,
                                     struct hak_stats_block *block)
{
    unsigned char disabled = 0;
    if (!remote_read(memory, address, block, sizeof *block)) {
        strcpy(block->version, "?");
        return REMOTE_UNREADABLE;
    }
    if (!is_version(block->version, sizeof block->version)) {
        strcpy(block->version, "?");
        return REMOTE_OTHER_BLOCK;
    }
    if (memcmp(block->magic, HAK_STATS_MAGIC, sizeof HAK_STATS_MAGIC) != 0 || !layout_is_known(block))
        return REMOTE_OTHER_BLOCK;
    if (!remote_read(memory, (uintptr_t)block->disabled, &disabled, sizeof disabled))
        return REMOTE_UNREADABLE;
    return disabled != 0 ? REMOTE_DISABLED : REMOTE_FOUND;
}

const char *remote_block_disabled(const struct remote_memory *memory, const struct hak_stats_block *block)
{
    static const char *const reasons[] = {
        [HAK_DISABLED_NOT] = "another allocator serves the program",
        [HAK_DISABLED_BY_MALLOC] = "the program brings a malloc of its own",
        [HAK_DISABLED_BY_ENVIRONMENT] = "the program was started with HAKMEM_DISABLE=1",
        [HAK_DISABLED_BY_FILE] = "the configuration file excludes the program (see hakmem.conf(5))",
        [HAK_DISABLED_BY_SANITIZER] = "the program was built with a sanitizer, which has a malloc of its own"};
    unsigned char why = 0;
    if (!remote_read(memory, (uintptr_t)block->disabled, &why, sizeof why) ||
        why >= sizeof reasons / sizeof reasons[0])
        why = HAK_DISABLED_NOT;
    return reasons[why];
}

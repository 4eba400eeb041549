/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <inttypes.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "command.h"

/* A segment of notes larger than this, and more program headers, are none of ours. */
enum { NOTES_MAX = 4096, HEADERS_MAX = 64 };

static bool read_memory(pid_t pid, uintptr_t from, void *to, size_t size)
{
    struct iovec here = {to, size}, there = {(void *)from, size};
    return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)size;
}

static size_t padded(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

/* The block's address, from a segment of notes and where it is; 0 when no note is ours. */
static uintptr_t block_of_notes(const unsigned char *notes, size_t size, uintptr_t address)
{
    ElfW(Nhdr) note;
    for (size_t at = 0; at + sizeof note <= size;) {
        memcpy(&note, notes + at, sizeof note);
        size_t name = at + sizeof note, text = name + padded(note.n_namesz);
        size_t end = text + padded(note.n_descsz);
        int32_t distance;
        if (note.n_namesz > size || note.n_descsz > size || end > size)
            return 0;
        if (note.n_type == HAK_STATS_NOTE_TYPE && note.n_namesz == sizeof HAK_STATS_NOTE &&
            note.n_descsz == sizeof distance &&
            memcmp(notes + name, HAK_STATS_NOTE, sizeof HAK_STATS_NOTE) == 0) {
            memcpy(&distance, notes + text, sizeof distance);
            return address + text + (uintptr_t)(intptr_t)distance;
        }
        at = end;
    }
    return 0;
}

struct search {
    pid_t pid;
    bool other_class; /* something was of another word size */
    int error;        /* of the last read that failed, or 0 */
};

static uintptr_t block_of_segment(const struct search *search, const ElfW(Phdr) *segment,
                                  uintptr_t bias)
{
    unsigned char notes[NOTES_MAX];
    if (segment->p_type != PT_NOTE || segment->p_filesz > sizeof notes ||
        !read_memory(search->pid, bias + segment->p_vaddr, notes, segment->p_filesz))
        return 0;
    return block_of_notes(notes, segment->p_filesz, bias + segment->p_vaddr);
}

/* The block's address, by the ELF headers that a mapping begins with; 0 when there is none. */
static uintptr_t block_of_mapping(struct search *search, uintptr_t start)
{
    ElfW(Ehdr) file;
    ElfW(Phdr) segment[HEADERS_MAX];
    if (!read_memory(search->pid, start, &file, sizeof file)) {
        search->error = errno;
        return 0;
    }
    if (memcmp(file.e_ident, ELFMAG, SELFMAG) != 0)
        return 0;
    if (file.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)) {
        search->other_class = true;
        return 0;
    }
    if (file.e_phnum > HEADERS_MAX || file.e_phentsize != sizeof *segment ||
        !read_memory(search->pid, start + file.e_phoff, segment, file.e_phnum * sizeof *segment))
        return 0;
    uintptr_t bias = 0, block = 0;
    for (int i = 0; i < file.e_phnum; i++)
        if (segment[i].p_type == PT_LOAD && segment[i].p_offset == 0)
            bias = start - segment[i].p_vaddr;
    for (int i = 0; i < file.e_phnum && block == 0; i++)
        block = block_of_segment(search, &segment[i], bias);
    return block;
}

/* Looks at each mapping that has the start of a file; 0 when none has the block. */
static uintptr_t search_mappings(struct search *search, FILE *maps)
{
    uintptr_t block = 0;
    char *line = NULL;
    size_t room = 0;
    while (block == 0 && getline(&line, &room, maps) > 0) {
        uintptr_t start = 0;
        uint64_t offset = 1, inode = 0;
        char readable = '-';
        if (sscanf(line, "%" SCNxPTR "-%*x %c%*3c %" SCNx64 " %*s %" SCNu64, &start, &readable,
                   &offset, &inode) == 4 &&
            readable == 'r' && offset == 0 && inode != 0)
            block = block_of_mapping(search, start);
    }
    free(line);
    return block;
}

static bool complain_of(pid_t pid, int error)
{
    switch (error) {
    case ENOENT:
    case ESRCH:
        command_error("there is no process %d", (int)pid);
        break;
    case EACCES:
    case EPERM:
        command_error("process %d may not be read: it is another user's, or protected%s", (int)pid,
                      geteuid() == 0 ? "" : "; root may");
        break;
    default:
        command_error("process %d: %s", (int)pid, strerror(error));
    }
    return false;
}

static bool layout_is_known(const struct hak_stats_block *block)
{
    static const struct hak_stats_block own = {
        .layout = HAK_STATS_LAYOUT, .size = sizeof own, .pointer_size = sizeof(void *),
        .super_chunk_size = sizeof(struct super_chunk), .superslab_size = sizeof(SuperSlab),
        .heap_size = sizeof(struct hak_heap), .counters_size = sizeof(struct hak_counters),
        .lock_size = sizeof(struct hak_lock), .class_count = HAK_CLASS_COUNT,
        .stat_count = HAK_STAT_COUNT, .lock_count = HAK_LOCK_COUNT};
    return block->layout == own.layout && block->size == own.size &&
           block->pointer_size == own.pointer_size &&
           memcmp(&block->super_chunk_size, &own.super_chunk_size,
                  offsetof(struct hak_stats_block, live_bytes) -
                      offsetof(struct hak_stats_block, super_chunk_size)) == 0;
}

static bool read_block(pid_t pid, uintptr_t address, struct hak_stats_block *block)
{
    bool disabled = false;
    if (!read_memory(pid, address, block, sizeof *block))
        return complain_of(pid, errno);
    block->version[sizeof block->version - 1] = '\0';
    if (strcmp(block->magic, HAK_STATS_MAGIC) != 0 || !layout_is_known(block)) {
        command_error("process %d runs on libhakmem %s, whose statistics are not those of this "
                      "command, %s",
                      (int)pid, block->version, PACKAGE_VERSION);
        return false;
    }
    if (!read_memory(pid, (uintptr_t)block->disabled, &disabled, sizeof disabled))
        return complain_of(pid, errno);
    if (disabled)
        command_error("process %d has libhakmem, but it is disabled there", (int)pid);
    return !disabled;
}

bool process_find_block(pid_t pid, struct hak_stats_block *block)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    if (maps == NULL)
        return complain_of(pid, errno);
    struct search search = {.pid = pid};
    errno = 0;
    uintptr_t address = search_mappings(&search, maps);
    int error = ferror(maps) ? errno : search.error;
    fclose(maps);
    if (address != 0)
        return read_block(pid, address, block);
    if (error != 0)
        return complain_of(pid, error);
    if (search.other_class)
        command_error("process %d has another word size: the command of its architecture reads it",
                      (int)pid);
    else
        command_error("process %d does not run on libhakmem", (int)pid);
    return false;
}

static bool peek(const void *context, const void *from, void *to, size_t size)
{
    const pid_t *pid = context;
    return read_memory(*pid, (uintptr_t)from, to, size);
}

bool process_snapshot(pid_t pid, const struct hak_stats_block *block, struct hak_snapshot *snapshot)
{
    if (hak__snapshot_read(block, peek, &pid, snapshot))
        return true;
    int error = errno;
    if (kill(pid, 0) == 0 || errno == EPERM)
        return complain_of(pid, error);
    command_error("process %d has ended", (int)pid);
    return false;
}

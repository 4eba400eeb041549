/* SPDX-License-Identifier: MIT */
/*
 * Which function of which file an address belongs to.
 *
 * Runs in a signal handler. The dynamic linker, which knows as well, is not asked: another thread may
 * hold its lock. /proc/self/maps names the file, and the symbol table of the file the function; the
 * full table, with static functions, if the file was not stripped, else that of the linker. Nothing
 * in the file is believed.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/call.h"
#include "os/crash.h"
#include "os/maps.h"
#include "os/os.h"

static bool read_at(int fd, void *bytes, size_t size, uint64_t offset)
{
    return offset <= (uint64_t)INT64_MAX - size && pread(fd, bytes, size, (off_t)offset) == (ssize_t)size;
}

/* The path is there until the next call. */
static bool find_mapping(uintptr_t address, struct hak_mapping *mapping)
{
    static HAK_SPARSE struct hak_maps maps;
    bool found = false;
    if (!hak__maps_open(&maps))
        return false;
    while (!found && hak__maps_next(&maps, mapping))
        found = address >= mapping->start && address < mapping->end;
    hak__maps_close(&maps);
    return found && mapping->path[0] == '/';
}

/* Turns a place in the file into the address by which the file's own tables call it. */
static bool find_address(int fd, const ElfW(Ehdr) *header, uint64_t place, uintptr_t *address)
{
    for (unsigned i = 0; i < header->e_phnum; i++) {
        ElfW(Phdr) segment;
        if (!read_at(fd, &segment, sizeof segment, header->e_phoff + i * sizeof segment))
            return false;
        if (segment.p_type == PT_LOAD && place >= segment.p_offset &&
            place - segment.p_offset < segment.p_filesz) {
            *address = (uintptr_t)(segment.p_vaddr + (place - segment.p_offset));
            return true;
        }
    }
    return false;
}

/* The table of this type; false where there is none. */
static bool find_table(int fd, const ElfW(Ehdr) *header, unsigned type, ElfW(Shdr) *table)
{
    for (unsigned i = 0; i < header->e_shnum; i++)
        if (!read_at(fd, table, sizeof *table, header->e_shoff + i * sizeof *table))
            return false;
        else if (table->sh_type == type)
            return true;
    return false;
}

static bool is_function_at(const ElfW(Sym) *symbol, uintptr_t address)
{
    unsigned type = symbol->st_info & 15;
    return (type == STT_FUNC || type == STT_GNU_IFUNC) && symbol->st_shndx != SHN_UNDEF &&
           address >= symbol->st_value && address - symbol->st_value < symbol->st_size;
}

static bool find_function(int fd, const ElfW(Ehdr) *header, unsigned type, struct hak_code *code)
{
    ElfW(Shdr) table, strings;
    ElfW(Sym) symbols[64];
    if (!find_table(fd, header, type, &table) ||
        !read_at(fd, &strings, sizeof strings, header->e_shoff + table.sh_link * sizeof strings))
        return false;
    size_t count = table.sh_size / sizeof *symbols, part;
    for (size_t first = 0; first < count; first += part) {
        part = count - first < HAK_COUNT_OF(symbols) ? count - first : HAK_COUNT_OF(symbols);
        if (!read_at(fd, symbols, part * sizeof *symbols, table.sh_offset + first * sizeof *symbols))
            return false;
        for (size_t i = 0; i < part; i++)
            if (is_function_at(&symbols[i], code->offset)) {
                ssize_t got = pread(fd, code->function, sizeof code->function - 1,
                                    (off_t)(strings.sh_offset + symbols[i].st_name));
                code->function[got > 0 ? got : 0] = '\0';
                code->function_offset = code->offset - symbols[i].st_value;
                return true;
            }
    }
    return false;
}

static bool read_file(int fd, const struct hak_mapping *mapping, uintptr_t address, struct hak_code *code)
{
    ElfW(Ehdr) header;
    struct statx status;
    /* another one may lie there by now */
    if (hak__call(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_INO, &status) != 0 ||
        status.stx_ino != mapping->inode ||
        !read_at(fd, &header, sizeof header, 0) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        !find_address(fd, &header, address - mapping->start + mapping->offset, &code->offset))
        return false;
    if (!find_function(fd, &header, SHT_SYMTAB, code))
        find_function(fd, &header, SHT_DYNSYM, code);
    return true;
}

bool hak__os_find_code(uintptr_t address, struct hak_code *code)
{
    struct hak_mapping mapping;
    code->function[0] = '\0';
    if (!find_mapping(address, &mapping))
        return false;
    code->file = mapping.path;
    int fd = open(mapping.path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    bool read = fd >= 0 && read_file(fd, &mapping, address, code);
    if (fd >= 0)
        close(fd);
    return read;
}

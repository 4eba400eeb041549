/* SPDX-License-Identifier: MIT */
#include "elf_file.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { NATIVE_ORDER = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB };

/* The parts of a header that are of interest, of either width. */
struct segment {
    uint32_t type;
    uint64_t offset, size;
};

static bool read_at(int fd, void *bytes, size_t size, uint64_t offset)
{
    return offset <= INT64_MAX && pread(fd, bytes, size, (off_t)offset) == (ssize_t)size;
}

static bool read_segment(int fd, bool wide, uint64_t offset, struct segment *segment)
{
    if (wide) {
        Elf64_Phdr header;
        if (!read_at(fd, &header, sizeof header, offset))
            return false;
        *segment = (struct segment){header.p_type, header.p_offset, header.p_filesz};
    } else {
        Elf32_Phdr header;
        if (!read_at(fd, &header, sizeof header, offset))
            return false;
        *segment = (struct segment){header.p_type, header.p_offset, header.p_filesz};
    }
    return true;
}

/* Whether a dynamic section has an entry DT_SONAME. */
static bool names_itself(int fd, bool wide, const struct segment *dynamic)
{
    uint64_t entry = wide ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn);
    for (uint64_t at = 0; at + entry <= dynamic->size; at += entry) {
        int64_t tag;
        int32_t narrow_tag;
        if (wide ? !read_at(fd, &tag, sizeof tag, dynamic->offset + at)
                 : !read_at(fd, &narrow_tag, sizeof narrow_tag, dynamic->offset + at))
            return false;
        if (!wide)
            tag = narrow_tag;
        if (tag == DT_SONAME || tag == DT_NULL)
            return tag == DT_SONAME;
    }
    return false;
}

static void read_segments(int fd, bool wide, uint64_t offset, unsigned count, size_t stride,
                          struct elf_file *file)
{
    for (unsigned i = 0; i < count; i++) {
        struct segment segment;
        if (!read_segment(fd, wide, offset + (uint64_t)i * stride, &segment))
            return;
        if (segment.type == PT_DYNAMIC) {
            file->has_name = names_itself(fd, wide, &segment);
        } else if (segment.type == PT_INTERP && segment.size < sizeof file->interpreter) {
            if (read_at(fd, file->interpreter, (size_t)segment.size, segment.offset))
                file->interpreter[segment.size] = '\0';
        }
    }
}

static bool read_file(int fd, struct elf_file *file)
{
    Elf64_Ehdr header; /* up to e_entry the same in both widths */
    if (!read_at(fd, &header, sizeof(Elf32_Ehdr), 0) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return false;
    file->width = header.e_ident[EI_CLASS];
    file->byte_order = header.e_ident[EI_DATA];
    file->machine = header.e_machine;
    if (file->byte_order != NATIVE_ORDER)
        return true;
    if (file->width == ELFCLASS64) {
        if (read_at(fd, &header, sizeof header, 0))
            read_segments(fd, true, header.e_phoff, header.e_phnum, header.e_phentsize, file);
    } else if (file->width == ELFCLASS32) {
        Elf32_Ehdr narrow;
        if (read_at(fd, &narrow, sizeof narrow, 0))
            read_segments(fd, false, narrow.e_phoff, narrow.e_phnum, narrow.e_phentsize, file);
    }
    return true;
}

bool elf_file_read(const char *path, struct elf_file *file)
{
    memset(file, 0, sizeof *file);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool read = read_file(fd, file);
    close(fd);
    return read;
}

bool elf_file_same_kind(const struct elf_file *a, const struct elf_file *b)
{
    return a->width == b->width && a->byte_order == b->byte_order && a->machine == b->machine;
}

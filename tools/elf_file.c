/* SPDX-License-Identifier: MIT */
#include "elf_file.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/stats_block.h"

enum {
    NATIVE_ORDER = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB,
    /* a file that has more of these is none that a loader takes for long */
    HEADERS_MAX = 64,
    ENTRIES_MAX = 1024,
    NOTES_MAX = 4096
};

/* The parts of a program header that are of interest, of either width. */
struct segment {
    uint32_t type;
    uint64_t offset, address, size;
};

struct image {
    int fd;
    bool wide;
    uint64_t size; /* of the file */
    unsigned count;
    struct segment segment[HEADERS_MAX];
};

static bool read_at(int fd, void *bytes, size_t size, uint64_t offset)
{
    return offset <= INT64_MAX && pread(fd, bytes, size, (off_t)offset) == (ssize_t)size;
}

static bool read_segment(int fd, bool wide, uint64_t offset, struct segment *segment)
{
    Elf64_Phdr header;
    Elf32_Phdr narrow;
    if (wide ? !read_at(fd, &header, sizeof header, offset)
             : !read_at(fd, &narrow, sizeof narrow, offset))
        return false;
    *segment = wide ? (struct segment){header.p_type, header.p_offset, header.p_vaddr,
                                       header.p_filesz}
                    : (struct segment){narrow.p_type, narrow.p_offset, narrow.p_vaddr,
                                       narrow.p_filesz};
    return true;
}

/* An entry of the dynamic section. */
static bool read_entry(const struct image *image, uint64_t offset, int64_t *tag, uint64_t *value)
{
    Elf64_Dyn entry;
    Elf32_Dyn narrow;
    if (image->wide ? !read_at(image->fd, &entry, sizeof entry, offset)
                    : !read_at(image->fd, &narrow, sizeof narrow, offset))
        return false;
    *tag = image->wide ? entry.d_tag : narrow.d_tag;
    *value = image->wide ? entry.d_un.d_val : narrow.d_un.d_val;
    return true;
}

/* Where in the file an address of the image lies. */
static bool offset_of(const struct image *image, uint64_t address, uint64_t *offset)
{
    for (unsigned i = 0; i < image->count; i++) {
        const struct segment *segment = &image->segment[i];
        if (segment->type == PT_LOAD && address >= segment->address &&
            address - segment->address < segment->size)
            return !__builtin_add_overflow(segment->offset, address - segment->address, offset);
    }
    return false;
}

static void read_name(const struct image *image, const struct segment *dynamic,
                      struct elf_file *file)
{
    uint64_t stride = image->wide ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn);
    uint64_t name = 0, strings = 0, offset;
    bool found = false;
    for (uint64_t i = 0; i < ENTRIES_MAX && i < dynamic->size / stride; i++) {
        int64_t tag;
        uint64_t value;
        if (!read_entry(image, dynamic->offset + i * stride, &tag, &value) || tag == DT_NULL)
            break;
        if (tag == DT_SONAME) {
            name = value;
            found = true;
        } else if (tag == DT_STRTAB) {
            strings = value;
        }
    }
    if (!found)
        return;
    strcpy(file->name, "?"); /* has one, even if it cannot be read */
    if (!offset_of(image, strings, &offset) || __builtin_add_overflow(offset, name, &offset) ||
        offset > INT64_MAX)
        return;
    char text[sizeof file->name];
    ssize_t length = pread(image->fd, text, sizeof text, (off_t)offset);
    if (length > 1 && text[0] != '\0' && memchr(text, '\0', (size_t)length) != NULL)
        memcpy(file->name, text, sizeof text);
}

static size_t padded(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

static bool has_note(const struct image *image, const struct segment *segment)
{
    unsigned char notes[NOTES_MAX];
    Elf32_Nhdr note; /* the same in both widths */
    size_t size = (size_t)segment->size;
    if (segment->size > sizeof notes || !read_at(image->fd, notes, size, segment->offset))
        return false;
    for (size_t at = 0; at + sizeof note <= size;) {
        memcpy(&note, notes + at, sizeof note);
        if (note.n_namesz > size || note.n_descsz > size)
            return false;
        size_t name = at + sizeof note;
        size_t end = name + padded(note.n_namesz) + padded(note.n_descsz);
        if (end > size)
            return false;
        if (note.n_type == HAK_STATS_NOTE_TYPE && note.n_namesz == sizeof HAK_STATS_NOTE &&
            memcmp(notes + name, HAK_STATS_NOTE, sizeof HAK_STATS_NOTE) == 0)
            return true;
        at = end;
    }
    return false;
}

static void read_interpreter(const struct image *image, const struct segment *segment,
                             struct elf_file *file)
{
    if (segment->size < sizeof file->interpreter &&
        read_at(image->fd, file->interpreter, (size_t)segment->size, segment->offset))
        file->interpreter[segment->size] = '\0';
}

/* A loader maps such a segment, and the program dies when it touches the missing part. */
static bool is_cut(const struct image *image, const struct segment *segment)
{
    uint64_t end;
    return segment->type == PT_LOAD &&
           (__builtin_add_overflow(segment->offset, segment->size, &end) || end > image->size);
}

static void read_image(struct image *image, uint64_t offset, unsigned count, size_t stride,
                       struct elf_file *file)
{
    for (unsigned i = 0; i < count && i < HEADERS_MAX; i++) {
        uint64_t at;
        if (__builtin_add_overflow(offset, (uint64_t)i * stride, &at) ||
            !read_segment(image->fd, image->wide, at, &image->segment[i])) {
            file->is_cut = true;
            break;
        }
        image->count = i + 1;
    }
    for (unsigned i = 0; i < image->count; i++) {
        const struct segment *segment = &image->segment[i];
        file->is_cut = file->is_cut || is_cut(image, segment);
        if (segment->type == PT_DYNAMIC)
            read_name(image, segment, file);
        else if (segment->type == PT_INTERP)
            read_interpreter(image, segment, file);
        else if (segment->type == PT_NOTE && !file->has_note)
            file->has_note = has_note(image, segment);
    }
}

bool elf_file_read_from(int fd, struct elf_file *file)
{
    Elf64_Ehdr header; /* up to e_entry the same in both widths */
    struct stat status;
    memset(file, 0, sizeof *file);
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
        !read_at(fd, &header, sizeof(Elf32_Ehdr), 0) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return false;
    file->width = header.e_ident[EI_CLASS];
    file->byte_order = header.e_ident[EI_DATA];
    file->type = header.e_type;
    file->machine = header.e_machine;
    if (file->byte_order != NATIVE_ORDER)
        return true;
    struct image image = {
        .fd = fd, .wide = file->width == ELFCLASS64, .size = (uint64_t)status.st_size};
    Elf32_Ehdr narrow;
    if (image.wide && read_at(fd, &header, sizeof header, 0))
        read_image(&image, header.e_phoff, header.e_phnum, header.e_phentsize, file);
    else if (file->width == ELFCLASS32 && read_at(fd, &narrow, sizeof narrow, 0))
        read_image(&image, narrow.e_phoff, narrow.e_phnum, narrow.e_phentsize, file);
    return true;
}

bool elf_file_read(const char *path, struct elf_file *file)
{
    memset(file, 0, sizeof *file);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool read = elf_file_read_from(fd, file);
    close(fd);
    return read;
}

bool elf_file_same_kind(const struct elf_file *a, const struct elf_file *b)
{
    return a->width == b->width && a->byte_order == b->byte_order && a->machine == b->machine;
}

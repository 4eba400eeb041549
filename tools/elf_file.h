/* SPDX-License-Identifier: MIT */
/* What an ELF file says about who loads it. Nothing in the file is believed: it may be anybody's. */
#ifndef HAK_TOOLS_ELF_FILE_H
#define HAK_TOOLS_ELF_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct elf_file {
    unsigned char width, byte_order; /* EI_CLASS, EI_DATA */
    uint16_t type, machine;          /* e_type, e_machine */
    char name[64];                   /* DT_SONAME: a library, or the loader itself; empty: none */
    bool has_note;                   /* the note of libhakmem: the library, or it is linked in */
    bool is_cut;                     /* the file ends before what its headers say it has */
    char interpreter[PATH_MAX];      /* PT_INTERP; empty: none, the program is static */
};

/* False when the file cannot be read, is no regular file or no ELF file. Of another byte order
   nothing is read but the first four. */
bool elf_file_read(const char *path, struct elf_file *file);

/* The same of an open file, of which only the bytes are read. */
bool elf_file_read_from(int fd, struct elf_file *file);

/* Whether one loader can load both. */
bool elf_file_same_kind(const struct elf_file *a, const struct elf_file *b);

#endif

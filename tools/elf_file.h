/* SPDX-License-Identifier: MIT */
/* What an ELF file says about who loads it. */
#ifndef HAK_TOOLS_ELF_FILE_H
#define HAK_TOOLS_ELF_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct elf_file {
    unsigned char width, byte_order; /* EI_CLASS, EI_DATA */
    uint16_t machine;                /* e_machine */
    bool has_name;                   /* DT_SONAME: a library, or the loader itself */
    char interpreter[PATH_MAX];      /* PT_INTERP; empty: none, the program is static */
};

/* False when the file cannot be read or is no ELF file. Of another byte order nothing is read
   but the first three. */
bool elf_file_read(const char *path, struct elf_file *file);

/* Whether one loader can load both. */
bool elf_file_same_kind(const struct elf_file *a, const struct elf_file *b);

#endif

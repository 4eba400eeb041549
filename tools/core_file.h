/* SPDX-License-Identifier: MIT */
/*
 * The memory of a process in its core file. The kernel and gdb write what is needed by default: memory that
 * the process has changed, the first page of each program file, and a list of mapped files. Nothing in the
 * core is believed.
 */
#ifndef HAK_TOOLS_CORE_FILE_H
#define HAK_TOOLS_CORE_FILE_H

#include <link.h>

#include "profile.h"
#include "reader/remote_block.h"
#include "reader/residency.h"
#include "reader/roots.h"

struct core {
    const char *path;
    int fd;
    ElfW(Phdr) *segments; /* the loaded ones come first, by rising address */
    size_t segment_count, loaded_count;
    unsigned char *notes;
    size_t notes_size;
    struct remote_memory memory;  /* that is in the file; leads here, so that the struct may not move */
    struct hak_stats_block block; /* a copy */
    uintptr_t address;            /* of the block */
};

/* Whether a file is an ELF file, as cores are. */
bool core_is_one(const char *path);

/* False after a message. */
bool core_load(struct core *core, const char *path);
void core_unload(struct core *core);

/* The name of the program, printable; as it was if it is not known. */
void core_name(const struct core *core, char *name, size_t size);

/* Adds executable pages of files, or whole files as they were loaded, to a profile; false after a message. */
bool core_add_code(const struct core *core, struct profile *profile);
bool core_add_objects(const struct core *core, struct profile *profile);

/*
 * A core does not tell which pages were resident. Pages with other bytes than zero are taken for it; visits are as
 * those of residency_read_granules. Only the RSS is set. False after a message.
 */
bool core_residency(const struct core *core, struct residency *residency, residency_visit *visit, void *context);

/*
 * The mappings of the process, and those of them that are in the core, which the mappings lead to; and the registers
 * of its threads. To be freed, also after a failure: false after a message.
 */
bool core_mappings(const struct core *core, struct reader_mappings *mappings, struct reader_ranges *present);
bool core_threads(const struct core *core, struct roots_threads *threads);

#endif

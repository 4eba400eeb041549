/* SPDX-License-Identifier: MIT */
/*
 * The statistics block in memory that is not ours: of another process, or of a test. Nothing there
 * is believed; addresses, lengths and texts are whatever its owner wants them to be.
 */
#ifndef HAK_TOOLS_REMOTE_BLOCK_H
#define HAK_TOOLS_REMOTE_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "reader/memory.h"

enum remote_result {
    REMOTE_FOUND,
    REMOTE_NONE,        /* no library starts here */
    REMOTE_UNREADABLE,  /* errno says why */
    REMOTE_OTHER_CLASS, /* an ELF file of another word size */
    REMOTE_OTHER_BLOCK, /* the block of another version: only the version is known */
    REMOTE_DISABLED     /* the library passes everything on */
};

/* The address of the block whose library is mapped from start on, by its ELF headers. */
enum remote_result remote_block_find(const struct remote_memory *memory, uintptr_t start,
                                     uintptr_t *block);

/* The build ID of the ELF file that is mapped from start on; its size, 0 if there is none. */
enum { REMOTE_BUILD_ID_MOST = 32 };
size_t remote_build_id(const struct remote_memory *memory, uintptr_t start,
                       unsigned char id[REMOTE_BUILD_ID_MOST]);

/* Where the last segment of the ELF file that is mapped from start on ends; false if there is none. */
bool remote_image_end(const struct remote_memory *memory, uintptr_t start, uintptr_t *end);

/* The size of its thread-local variables; 0 if it has none, or cannot be read. */
size_t remote_image_tls(const struct remote_memory *memory, uintptr_t start);

/* Copies the block: its version is a text in any case, the rest as wanted where it was FOUND. */
enum remote_result remote_block_read(const struct remote_memory *memory, uintptr_t address,
                                     struct hak_stats_block *block);

/* Why a block is DISABLED that was read, as the rest of a sentence: "it is disabled there: ..." */
const char *remote_block_disabled(const struct remote_memory *memory, const struct hak_stats_block *block);

#endif

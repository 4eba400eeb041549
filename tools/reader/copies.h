/* SPDX-License-Identifier: MIT */
/*
 * Copies of memory that is read by block: of the range that was read last, and of slabs of which one block
 * after the other is asked for, so that not each of them takes a system call.
 *
 *     slab ──► line (by the lower bits of its granule) ──► copy of the slab
 *
 * A copy stays as it is while the memory changes.
 */
#ifndef HAK_TOOLS_READER_COPIES_H
#define HAK_TOOLS_READER_COPIES_H

#include "reader/memory.h"

/* Bytes that are read at once, at most; a slab has no more. */
enum { COPIES_MOST = 1 << 19 };

struct copies {
    const struct remote_memory *memory;
    uint64_t bytes;       /* that were read */
    uintptr_t start, end; /* of what is in the buffer */
    struct copies_line {
        uintptr_t start, end; /* of the copy */
        uintptr_t asked;      /* the slab of the last block that was in no copy, */
        unsigned times;       /* and how many such there were in a row */
    } *line;
    size_t lines;         /* a power of two */
    unsigned char *room;  /* of all lines */
    unsigned char *buffer;
};

/* With so many lines, a power of two; false without memory. Freed also after a failure. */
bool copies_make(struct copies *copies, const struct remote_memory *memory, size_t lines);
void copies_free(struct copies *copies);

/* What is there of a range, aligned as it is in the process up to 16 bytes, until the next call; or NULL. */
const unsigned char *copies_find(const struct copies *copies, uintptr_t start, uintptr_t end);

/* The same, and reads it; NULL if it cannot be read. */
const unsigned char *copies_read(struct copies *copies, uintptr_t start, uintptr_t end);

/* The same for a slab, whose copy stays. */
const unsigned char *copies_keep(struct copies *copies, uintptr_t start, uintptr_t end);

/* The same for a block of a slab that lies in some range. */
const unsigned char *copies_read_block(struct copies *copies, uintptr_t start, uintptr_t end, uintptr_t slab,
                                       uintptr_t slab_end);

#endif

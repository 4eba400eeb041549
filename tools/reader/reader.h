/* SPDX-License-Identifier: MIT */
/* What reads of a process, what it may still read, and what went wrong. */
#ifndef HAK_TOOLS_READER_READER_H
#define HAK_TOOLS_READER_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reader/memory.h"

enum reader_result {
    READER_DONE,
    READER_STOPPED,    /* by visit */
    READER_UNREADABLE, /* what all else is found by cannot be read; errno says why */
    READER_DAMAGED,    /* a list leads back to itself, or is too long */
    READER_TOO_MUCH,   /* more was to be read than is allowed */
    READER_NO_MEMORY   /* of this command */
};

struct reader_summary {
    uint64_t slabs, spans; /* that were visited */
    uint64_t passed_over;  /* slabs, spans and lists that changed, disagree, or cannot be read */
    bool has_marks;        /* else a small free block in none of the places of enum reader_state is taken for live */
};

struct reader {
    const struct remote_memory *memory;
    const struct hak_stats_block *block;
    uint64_t reads_left;
    enum reader_result failure; /* why the walk ends, or READER_DONE */
    struct reader_summary *summary;
};

/* False when nothing may be read any more, which is the failure then, or with errno. */
bool reader_read(struct reader *reader, uintptr_t from, void *to, size_t size);

/* The first words of blocks, which counts as one. */
bool reader_read_starts(struct reader *reader, uintptr_t from, size_t step, size_t count,
                        uint64_t (*words)[2]);

/* The same for a word that all else depends on: then that it cannot be read is a failure, too. */
bool reader_read_root(struct reader *reader, uintptr_t from, void *to, size_t size);

/* Counts what changed, disagrees or cannot be read; false if nothing may be read any more. */
bool reader_pass_over(struct reader *reader);

/* What went wrong, as the rest of a sentence about a process or file: "has ..." */
const char *reader_failure(enum reader_result result);

/* A field of a record whose address is a number. */
#define READER_FIELD(type, record, field) ((uintptr_t)(record) + offsetof(type, field))

#endif

/* SPDX-License-Identifier: MIT */
/* What the parts of a walk share. */
#ifndef HAK_TOOLS_READER_READER_H
#define HAK_TOOLS_READER_READER_H

#include "reader/walk.h"

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

/* A field of a record whose address is a number. */
#define READER_FIELD(type, record, field) ((uintptr_t)(record) + offsetof(type, field))

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Writes a snapshot: memory that is read through the recorder is written to the file, pages as a
 * whole, and of blocks only the words that were asked for.
 */
#ifndef HAK_TOOLS_READER_RECORDER_H
#define HAK_TOOLS_READER_RECORDER_H

#include <stdbool.h>
#include <stdio.h>

#include "reader/memory.h"
#include "reader/snapshot_format.h"

struct recorder {
    const struct remote_memory *memory;
    FILE *file;
    uint64_t at, sum;     /* behind what was written, and its checksum */
    bool failed;          /* errno of that time is `error` */
    int error;
    size_t page_size;
    uint64_t *known;      /* pages that are written: a hash table of their addresses plus 1 */
    size_t known_count, known_room;
    struct snapshot_range *ranges;
    struct snapshot_starts *starts;
    struct snapshot_mapping *mappings;
    struct snapshot_resident *residents;
    struct snapshot_thread *threads;
    char *names;
    size_t range_count, range_room, starts_count, starts_room, mapping_count, mapping_room, resident_count,
        resident_room, thread_count, thread_room, name_size, name_room;
};

/* file: empty, and open for writing. The memory stays where it is. */
void recorder_begin(struct recorder *recorder, const struct remote_memory *memory, FILE *file);

/* Memory that is recorded as it is read. */
struct remote_memory recorder_memory(struct recorder *recorder);

void recorder_add_mapping(struct recorder *recorder, const struct snapshot_mapping *mapping, const char *path);

/* Resident bytes of a granule, or a part of one; by rising address. */
void recorder_add_resident(struct recorder *recorder, uint64_t start, uint64_t bytes);
/* Forgets these. */
void recorder_drop_residents(struct recorder *recorder);

void recorder_add_thread(struct recorder *recorder, uint32_t own_tid, const char *name);

/* Writes the tables and the header, of which the caller has set what is not the recorder's; false with errno. */
bool recorder_end(struct recorder *recorder, struct snapshot_header *header);

#endif

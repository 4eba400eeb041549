/* SPDX-License-Identifier: MIT */
/* Memory of a process in a snapshot. The file is not believed, as little as a process. */
#ifndef HAK_TOOLS_READER_SNAPSHOT_FILE_H
#define HAK_TOOLS_READER_SNAPSHOT_FILE_H

#include <stdbool.h>

#include "reader/memory.h"
#include "reader/snapshot_format.h"

struct snapshot_file {
    int fd;
    struct snapshot_header header; /* its sections lie within the file, and its name is ended */
    struct snapshot_range *ranges;
    struct snapshot_starts *starts;
    struct snapshot_mapping *mappings; /* their names are ended, and their build IDs not too long */
    struct snapshot_resident *residents; /* they do not overlap */
    struct snapshot_thread *threads;     /* their names are ended */
    char *names;
};

enum snapshot_result {
    SNAPSHOT_READ,
    SNAPSHOT_UNREADABLE, /* errno says why */
    SNAPSHOT_NONE,       /* the file is something else */
    SNAPSHOT_OTHER,      /* of another version, or of another kind of machine */
    SNAPSHOT_DAMAGED
};

/* Whether a file begins as one. */
bool snapshot_is_one(const char *path);

/* Takes an open file, which snapshot_close closes, also after a failure. */
enum snapshot_result snapshot_open(struct snapshot_file *file, int fd, bool check_sum);
void snapshot_close(struct snapshot_file *file);

/* The memory in it, as long as it is open. */
struct remote_memory snapshot_memory(const struct snapshot_file *file);

/* What went wrong, to stand behind the name of the file. */
const char *snapshot_failure(enum snapshot_result result);

#endif

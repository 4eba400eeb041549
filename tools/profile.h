/* SPDX-License-Identifier: MIT */
/* A heap profile, wherever it was read from: a process, or a file. */
#ifndef HAK_TOOLS_PROFILE_H
#define HAK_TOOLS_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum profile_view { PROFILE_IN_USE, PROFILE_ALLOCATED, PROFILE_AT_PEAK, PROFILE_VIEWS };

/* Estimates of all blocks from the sampled ones; of a difference they may be negative. */
struct profile_sum {
    double blocks, bytes;
};

/* What was allocated by one call stack, in blocks of about one size. */
struct profile_entry {
    const uint64_t *frames; /* where calls return to, the innermost first */
    size_t depth;
    uint64_t size;          /* of a block, about, in bytes */
    struct profile_sum sum[PROFILE_VIEWS];
};

/* A sampled block in use; only of a process. */
struct profile_sample {
    size_t entry; /* the number of it */
    uint64_t size;
    double blocks;  /* for how many it stands */
    double seconds; /* since it was allocated */
    uint32_t thread;
};

enum { PROFILE_BUILD_ID_MOST = 32 };

/* A mapping of executable code. */
struct profile_mapping {
    uint64_t start, end, offset; /* in memory; and where in the file it starts */
    char *path;
    unsigned char build_id[PROFILE_BUILD_ID_MOST];
    size_t build_id_size; /* 0: not known */
};

struct profile {
    pid_t pid;        /* 0: not known */
    char name[32];    /* of the program, printable; may be empty */
    uint64_t interval; /* mean distance between samples, in bytes */
    double seconds;   /* for how long it was sampled; 0: not known */
    struct profile_entry *entries;
    size_t entry_count;
    struct profile_sample *samples;
    size_t sample_count;
    struct profile_mapping *mappings; /* by rising address */
    size_t mapping_count;
    uint64_t samples_dropped;
};

/* A frame with its names: more than one where functions were inlined, the innermost first. */
struct profile_line {
    const char *function; /* demangled; never NULL: an address or [unknown] where there is no name */
    const char *file;     /* NULL: not known */
    unsigned line;        /* 0: not known */
};

struct profile_place {
    uint64_t address;                 /* in the code of the call: one less than where it returns to */
    const struct profile_mapping *mapping; /* NULL: none */
    const struct profile_line *lines;
    size_t line_count;                /* at least one */
};

#endif

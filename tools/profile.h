/* SPDX-License-Identifier: MIT */
/*
 * A heap profile, wherever it was read from: a process, a core, or a file.
 *
 *     profile_process.c ─┐                                ┌─► profile_text.c, profile_folded.c
 *     profile_core.c ────┼─► struct profile ─► places ────┼─► profile_pprof.c, profile_svg.c
 *     profile_heap_v2.c ─┘                                └─► profile_heap_v2.c
 *
 * A profile and all that it leads to, except for names, lies in one mapping of a bounded size. The
 * mapping is shared with child processes, so that one of them can fill it while the parent waits.
 */
#ifndef HAK_TOOLS_PROFILE_H
#define HAK_TOOLS_PROFILE_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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
    uint64_t address;
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
    bool deleted;         /* whether the file is no longer at that path */
};

struct profile {
    pid_t pid;        /* 0: not known, or not of this machine */
    char name[32];    /* of the program, printable; may be empty */
    uint64_t interval; /* mean distance between samples, in bytes; 0: every block was recorded; of several the
                          shortest */
    uint64_t interval_most; /* the longest of them */
    double seconds;   /* for how long it was sampled; 0: not known */
    bool of_text;     /* of a heap_v2 file: the first address of a stack is within its call already */
    struct profile_entry *entries;
    size_t entry_count;
    struct profile_sample *samples;
    size_t sample_count;
    struct profile_mapping *mappings; /* by rising address */
    size_t mapping_count;
    uint64_t samples_dropped;
    uint64_t samples_taken; /* since the profile began; 0: not known */
    bool running;           /* whether the process takes samples now */
    bool has_peak;          /* else the sums of PROFILE_AT_PEAK are 0 */
    bool has_samples;       /* else there are no samples, in use or not */
    bool is_difference;     /* entries of OLD are negative, those of NEW are not */
    struct profile_symbols *symbols; /* see profile_place */
    struct profile_types *types; /* see profile_read_types */
    const regex_t *hidden;  /* functions that profile_lines leaves out; NULL: none */
    size_t room, used;      /* of the mapping that all this lies in, in bytes */
};

/* A frame with its names: more than one where functions were inlined, the innermost first. */
struct profile_line {
    const char *function; /* demangled; never NULL: an address or [unknown] where there is no name */
    const char *file;     /* NULL: not known */
    unsigned line;        /* 0: not known */
    const struct profile_mapping *mapping; /* as its place; NULL: none */
};

struct profile_place {
    uint64_t address;                 /* in the code of the call: one less than where it returns to */
    const struct profile_mapping *mapping; /* NULL: none */
    const struct profile_line *lines;
    size_t line_count;                /* at least one */
};

/* ---- profile.c --------------------------------------------------------- */

/* An empty profile; NULL after a message. */
struct profile *profile_new(void);
void profile_free(struct profile *profile);

/* Zeroed memory that lives as long as the profile; NULL with ENOMEM. */
void *profile_room(struct profile *profile, size_t count, size_t size);

/* A copy of a text, likewise; NULL of NULL, too. */
char *profile_keep(struct profile *profile, const char *text);

/* Makes a text printable and valid UTF-8, in place: other bytes and control characters become '?'. */
void profile_clean(char *text);

/* The mapping that an address lies in, or NULL. */
const struct profile_mapping *profile_mapping_of(const struct profile *profile, uint64_t address);

/*
 * Whether the first word of an object may lead to its virtual table: it is aligned, and lies in a mapping.
 * *last is the mapping that a word was found in before, which is tried first, or NULL.
 */
bool profile_may_be_table(const struct profile *profile, uint64_t word, const struct profile_mapping **last);

/* One line of /proc/PID/maps. */
struct profile_map_line {
    uint64_t start, end, offset, device, inode;
    bool readable, executable;
    char *path; /* the part of the line after its numbers; empty for anonymous memory */
};
bool profile_parse_map(char *line, struct profile_map_line *map);

/* Appends an executable mapping of a file; false without memory. *room is the length of the array. */
bool profile_add_mapping(struct profile *profile, const struct profile_map_line *map, size_t *room);
void profile_sort_mappings(struct profile *profile);

/* The sum over all entries. */
struct profile_sum profile_total(const struct profile *profile, enum profile_view view);

/*
 * NEW minus OLD: its sums may be negative. Frames of OLD are moved to where NEW has the same file.
 * It leads to memory of both, which must stay. NULL after a message.
 */
struct profile *profile_difference(const struct profile *new, const struct profile *old);

/* The interval of a profile, or the shortest and the longest: "4.0 KiB to 512.0 KiB". */
void profile_format_interval(char *text, size_t size, const struct profile *profile);

/* ---- where profiles come from ------------------------------------------ */

/* Reads the profile of a process; false after a message. */
bool profile_read_process(struct profile *profile, pid_t pid);

/* Switches the profiler of a process. */
enum profile_switched {
    PROFILE_SWITCH_FAILED, /* after a message */
    PROFILE_SWITCHED,
    PROFILE_UNCHANGED      /* it has another interval than the expected one, which *interval then is */
};

/* Sets the interval to what it shall be if it is `expected` now. */
enum profile_switched profile_switch(pid_t pid, uint64_t expected, uint64_t *interval);

/* Reads a file in the format heap_v2 of gperftools or jemalloc; false after a message. */
bool profile_read_heap_v2(struct profile *profile, const char *path);

/* How many blocks and bytes were sampled of so many estimated ones: what such a file has. */
struct profile_sum profile_sampled(struct profile_sum all, uint64_t interval);

/* Reads the profile in a snapshot; false after a message. */
bool profile_read_snapshot(struct profile *profile, const char *path);

/* Reads the profile of a process from its core; false after a message. */
bool profile_read_core(struct profile *profile, const char *path);

/* ---- names (profile_symbols.c) ----------------------------------------- */

/* Gives up root's rights for those of the owner of a process; false after a message. */
bool profile_drop_rights(pid_t pid);

/* To be called once before profile_place; false without memory. */
bool profile_symbols_open(struct profile *profile);
void profile_symbols_close(struct profile *profile);

/* The names of a frame of an entry. Never NULL; valid as long as the symbols are open. */
const struct profile_place *profile_place(const struct profile *profile, uint64_t frame);

/*
 * The C++ type of the objects that have this first word, by symbols, in memory of the profile, or NULL. Of a
 * profile whose mappings are whole files as they were loaded.
 */
const char *profile_type_of(struct profile *profile, uint64_t word);

/* The variable in which an address lies, likewise, and how far behind its start; or NULL. */
const char *profile_variable_of(struct profile *profile, uint64_t address, uint64_t *offset);

/* ---- types of C++ objects (profile_types.c, profile_type_names.c) ------- */

struct remote_memory;

/* Adds a word that objects begin with, and that profile_may_be_table holds for. */
void profile_add_word(struct profile *profile, uint64_t word);
/* Reads from the process's memory the names of types that the added words lead to. */
void profile_read_types(struct profile *profile, const struct remote_memory *memory);
/* Reads those that were found once more, from memory that is recorded. */
void profile_record_types(struct profile *profile, const struct remote_memory *recorded);

/* The mangled name so found of the type that a word stands for, or NULL. */
const char *profile_mangled_type(const struct profile *profile, uint64_t word);

/*
 * The types of words, for people: from what profile_read_types has found, else by symbols. Both arrays lie in
 * memory of the profile. A child process does it, within a time; what it has not found is NULL, after a warning.
 */
void profile_name_types(struct profile *profile, const uint64_t *words, size_t count, const char **types);

/* ---- functions --------------------------------------------------------- */

/* Whether a function belongs to the allocator, and is left out where it is the innermost. */
bool profile_is_dropped(const char *function);

/*
 * The functions that an entry's stack runs through, the innermost first and inlined ones in their
 * places, without those of the allocator at the leaf and without hidden ones. Fills up to `most` and
 * returns how many, at least one.
 */
enum { PROFILE_LINES_MOST = 1024 };
size_t profile_lines(const struct profile *profile, const struct profile_entry *entry,
                     const struct profile_line **lines, size_t most);

/* ---- what becomes of them; false when a write failed ------------------- */

/* The title, what the estimate is based on, and an empty line. */
void profile_write_summary(FILE *out, const struct profile *profile, enum profile_view view,
                           const char *title);
/*
 * A table of sites, which are lines of functions, or functions; percentages are of the total, or of
 * OLD's total in a difference.
 */
bool profile_write_text(FILE *out, const struct profile *profile, enum profile_view view,
                        bool by_function);
/* So many of the sites that allocate most, in 80 columns with names that are not too long. */
bool profile_write_sites(FILE *out, const struct profile *profile, enum profile_view view, size_t most);
bool profile_write_ages(FILE *out, const struct profile *profile, bool by_function);
/* Lines "outermost;...;innermost BYTES"; of a difference "... OLD NEW". */
bool profile_write_folded(FILE *out, const struct profile *profile, enum profile_view view);
bool profile_write_heap_v2(FILE *out, const struct profile *profile, enum profile_view view);
bool profile_write_pprof(FILE *out, const struct profile *profile, const struct profile *base);
bool profile_write_svg(FILE *out, const struct profile *profile, enum profile_view view,
                       const char *title);

#endif

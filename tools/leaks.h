/* SPDX-License-Identifier: MIT */
/*
 * The blocks of a process that nothing leads to any more.
 *
 *     leaks_search.c (in a child process) ──► leaks_groups.c ──► leaks_names.c ──► leaks_text.c, leaks_json.c
 *                     │                                     suppressions.c ──┘
 *                     └─ leaks_look.c, leaks_trace.c, of one address: ──► leaks_trace_names.c ──► leaks_trace_text.c, …
 *
 * All of it lies in the mapping of a struct profile, which also has the loaded objects and finds their files.
 */
#ifndef HAK_TOOLS_LEAKS_H
#define HAK_TOOLS_LEAKS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "profile.h"

struct leaks_trace;
struct roots_threads;

struct leaks_request {
    bool exact;   /* stopped until everything is read, however much it is */
    bool no_stop; /* not stopped at all */
    const struct roots_threads *stopped; /* the caller has stopped it, and these are its threads; or NULL */
    bool list;    /* addresses of the blocks */
    const uint64_t *trace; /* no leaks, but how the program comes to this address; or NULL */
    size_t pointers;       /* words that lead directly to that, which are listed, at most */
    size_t dump;  /* words of each listed block, or of one block of each group */
};

struct leaks_sum {
    uint64_t blocks, bytes;
};

struct leaks_block {
    uint64_t address;
    struct leaks_block *next; /* of the group */
    const uint64_t *words;    /* what it begins with */
    size_t word_count;
};

enum { LEAKS_NO_GROUP = UINT32_MAX, LEAKS_NO_STACK = UINT32_MAX };

/* Lost blocks that are alike. */
struct leaks_group {
    bool indirect;
    uint32_t owner; /* of indirect ones: the group of the direct block that leads to them; else NO_GROUP */
    uint32_t entry; /* the call stack that allocated them, of the profile; or NO_STACK */
    uint64_t size;  /* usable bytes of a block */
    uint64_t word;  /* what they begin with, if it leads into a loaded object; else 0 */
    const char *type; /* that this is the virtual table of, or NULL; by leaks_find_names */
    struct leaks_sum sum;
    struct leaks_sum through; /* of direct ones: indirect blocks that are lost with them, each with one alone */
    struct leaks_block *list, *list_end; /* by the order in which they were found */
};

struct leaks {
    struct profile *profile, *stacks; /* of loaded objects; of the heap profiler, with mappings of code */
    pid_t pid;           /* 0: of a core */
    char name[32], version[24];
    bool listed;         /* all blocks are in lists */
    bool has_marks;      /* else a free block on its way may be taken for a lost one */
    bool exact;          /* the process was stopped until everything was read */
    unsigned looks;      /* how often the heap was read */
    uint64_t unsettled;  /* suspected blocks that the last of them has cleared; 0: it was sure */
    unsigned stops;
    double stopped, longest; /* seconds; of all stops together */
    double seconds;      /* of the search */
    uint64_t unread_threads, unread_blocks, passed_over;
    struct leaks_sum in_use, direct, indirect, suppressed;
    struct leaks_group *groups;
    size_t group_count, group_room;
    uint32_t *table;     /* a hash table of numbers of groups plus one; twice as long as there is room */
    struct leaks_sum ungrouped; /* for lack of memory */
    uint64_t unlisted;          /* likewise */
    struct leaks_trace *trace;  /* if that was asked for (leaks_trace.h) */
};

/* Searches a process, or a core file; NULL after a message. */
struct leaks *leaks_search(pid_t pid, const struct leaks_request *request);
struct leaks *leaks_search_core(const char *path, const struct leaks_request *request);
void leaks_free(struct leaks *leaks);

/* ---- groups ------------------------------------------------------------ */

/*
 * Adds a block to the group that it is like, and to its list if there is one; the number of the group.
 * The words of the block stay where they are.
 */
uint32_t leaks_add(struct leaks *leaks, const struct leaks_group *like, const struct leaks_block *block);
/* Adds a block to the list of a group alone. */
void leaks_list(struct leaks *leaks, uint32_t group, const struct leaks_block *block);
/* The bytes of a group, and of all that is lost with it. */
uint64_t leaks_total(const struct leaks_group *group);
/* Joins groups that look the same, and puts them in order: direct ones first, by what is lost through them in all. */
void leaks_sort(struct leaks *leaks);

/* ---- names ------------------------------------------------------------- */

struct suppressions;

/*
 * Finds the names of types, takes out what is suppressed (NULL: nothing), and puts the rest in order. From
 * here on files of the process are read. False after a message.
 */
bool leaks_find_names(struct leaks *leaks, struct suppressions *suppressions);

/* The functions that have allocated a group, the innermost first; how many, 0 if they are not known. */
size_t leaks_stack(const struct leaks *leaks, const struct leaks_group *group,
                   const struct profile_line *lines[PROFILE_LINES_MOST]);

/* ---- output ------------------------------------------------------------ */

void leaks_write_text(FILE *out, const struct leaks *leaks, size_t rows_most);
void leaks_write_json(FILE *out, const struct leaks *leaks);

/* The lines on the process and the search. */
void leaks_write_title(FILE *out, const struct leaks *leaks);
/* The first members of the object. */
void leaks_write_json_head(FILE *out, const struct leaks *leaks);
/* The stack of a group, if it is known; in JSON as one more member. */
void leaks_write_stack(FILE *out, const struct leaks *leaks, const struct leaks_group *group);
void leaks_write_json_stack(FILE *out, const struct leaks *leaks, const struct leaks_group *group);

#endif

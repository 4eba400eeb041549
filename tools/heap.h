/* SPDX-License-Identifier: MIT */
/*
 * The blocks of a process, counted by size and by type.
 *
 *     heap_read.c (in a child process) ──► words that blocks begin with ──► heap_types.c ──► heap_text.c
 *
 * All of it lies in the mapping of a struct profile, which also has the loaded objects and finds
 * their files.
 */
#ifndef HAK_TOOLS_HEAP_H
#define HAK_TOOLS_HEAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "profile.h"
#include "reader/walk.h"
#include "slab/size_class.h"

struct heap_sum {
    uint64_t blocks, bytes;
};

/* Blocks that begin with the same word, which leads into a loaded object. */
struct heap_word {
    uint64_t word;
    struct heap_sum sum;
    const char *type; /* NULL: the word is none of a virtual table with a name */
};

/* Block sizes: the classes, then one for each doubling of larger ones. */
enum { HEAP_SIZES = HAK_CLASS_COUNT + 64 };

struct heap_block {
    uint64_t address, size, word;
    const unsigned char *content; /* a copy of the first bytes, or NULL */
    size_t content_size;
};

/* Blocks that were asked for. */
struct heap_list {
    struct heap_list *next;
    size_t count;
    struct heap_block block[1000];
};

/* What is looked for. */
struct heap_request {
    bool no_stop;
    bool list;          /* blocks of a type or of sizes */
    uint64_t list_from, list_to; /* usable bytes; 0 and 0: all that begin with a word of an object, of which
                                    some have the type */
    size_t dump;        /* bytes of each to be copied */
};

/* A row of a table: a type, or if that is NULL a size. */
struct heap_row {
    const char *type;
    uint64_t size, size_to; /* of larger blocks from .. to */
    struct heap_sum sum;
};

struct heap {
    struct profile *profile;
    pid_t pid;
    char name[32], version[24];
    struct reader_summary summary;
    double stopped;              /* seconds; 0: not */
    struct heap_sum live, free;  /* free: cached, on lists and in holes */
    struct heap_sum size[HEAP_SIZES];
    struct heap_word *words;     /* a hash table; its room is a power of two */
    size_t word_count, word_room;
    struct heap_sum uncounted;   /* blocks whose words were too many to count */
    struct heap_list *first, *last;
    uint64_t left_out;           /* of the list, for lack of memory */
    /* the tables, by falling size; made by heap_find_types */
    struct heap_row *types, *sizes;
    size_t type_count, size_count;
};

/* Reads the blocks of a process; NULL after a message. */
struct heap *heap_read_process(pid_t pid, const struct heap_request *request);
/* The same of a snapshot, and of a core file. */
struct heap *heap_read_snapshot(const char *path, const struct heap_request *request);
struct heap *heap_read_core(const char *path, const struct heap_request *request);
void heap_free(struct heap *heap);

/* Finds the names of types, and makes the tables. From here on files of the process are read. False after a message. */
bool heap_find_types(struct heap *heap);
/* The type of a block that begins with a word, or NULL. */
const char *heap_type_of(const struct heap *heap, uint64_t word);

/* ---- output ------------------------------------------------------------ */

void heap_write_text(FILE *out, const struct heap *heap, size_t rows_most);
void heap_write_json(FILE *out, const struct heap *heap);
/* What changed from old to new. */
void heap_write_difference(FILE *out, const struct heap *new, const struct heap *old, size_t rows_most);
void heap_write_difference_json(FILE *out, const struct heap *new, const struct heap *old);
/* The blocks that were asked for: of types like a shell pattern if that is not NULL; how many. */
uint64_t heap_write_blocks(FILE *out, const struct heap *heap, const char *type, size_t most);
uint64_t heap_write_blocks_json(FILE *out, const struct heap *heap, const char *type);

#endif

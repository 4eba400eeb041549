/* SPDX-License-Identifier: MIT */
/*
 * Programs that misuse the heap, one a process: `misuse MISTAKE KIND CALL`.
 *
 * Before its mistake the program writes to standard output the line that the library has to write to
 * standard error; or `silent` where hakmem(3) says that the mistake goes unnoticed; or `crash` where
 * the access itself ends the process. Then it looks at what the heap hands out, and ends with 1 if
 * that is worse, or better, than the row says.
 *
 * The rows are tables in pointers.c, damage.c, access.c, operators.c and requests.c. Invalid pointers
 * are reported alike by all builds; rows of which that is not so have a column for each build.
 */
#ifndef HAK_TESTS_MISUSE_H
#define HAK_TESTS_MISUSE_H

#include <stdbool.h>
#include <stddef.h>

#include "../preload/test.h"

/* FIRST ones are among the first blocks of the process (lib/slab/starter.h), SMALL ones come later. */
enum { SMALL = 1, SPAN = 2, HUGE = 4, ALL = SMALL | SPAN | HUGE, FIRST = 8, NO_KIND = 0 };

/* A way to get a block, and what the block is. */
struct kind {
    const char *name;
    enum how { BY_MALLOC, BY_CALLOC, BY_ALIGNED_ALLOC, BY_REALLOC } how;
    size_t request, alignment; /* alignment of BY_ALIGNED_ALLOC */
    size_t usable;             /* of small ones the size of the class, else with room to begin later */
    size_t slab;               /* of small ones the size of the slab */
    bool plain;                /* one of its sort: tried with every call and every seed */
};

extern const struct kind kinds[];
extern const size_t kind_count;

void *get(const struct kind *kind);
/* The usable bytes of a block of the kind. */
size_t usable(const struct kind *kind, void *block);
/* One of SMALL, FIRST, SPAN and HUGE. */
unsigned family(const struct kind *kind);
/* Runs work in a thread that has ended when the function returns. */
void in_thread(void *(*work)(void *), void *argument);
/* A function of the library by its name. */
void *function(const char *name);
/* A further variant of the library gets its column in BY_BUILD, by which the compiler finds all rows. */
enum build { RELEASE, DEBUG, BUILDS };
enum build build(void);
/* Ends the program: what it needs for its mistake cannot be had. */
_Noreturn void not_there(const char *what);

/* Says what the library will say of a call. A size of 0 is none. */
void announce(const char *call, const void *pointer, const char *reason, size_t size);
void announce_silence(void);
/* The same by the row's column for this build; what that does not need is not looked at. */
void announce_by_row(const char *call, const void *pointer, size_t size);
/* Whether the row's column says that the mistake does harm in silence. */
bool does_harm(void);

/* Takes blocks until all free ones must have come again, and looks whether any two share memory. */
void take_apart(const struct kind *kind);

/* What a column may hold instead of a reason. */
#define SILENT "silent"                 /* nothing is said, and no block or secret is harmed */
#define HARM "silent, but harmful"      /* nothing is said, though a block or a secret is harmed */
#define CRASH "crash"                   /* SIGSEGV by the access itself */

/* A pointer that must not be freed, and why; a size of 0 is none. */
struct mistake {
    void *pointer;
    const char *reason;
    size_t size;
};

/* How a row goes on when it has its pointer. */
enum who { THIS_THREAD, ANOTHER_THREAD, CHILD };

struct row {
    const char *name;
    struct mistake (*make)(const struct kind *kind, size_t argument); /* or NULL */
    void (*run)(const struct kind *kind, size_t argument, size_t seed); /* in place of make */
    size_t argument;
    unsigned families;  /* the kinds that it is for, of these */
    size_t least, most; /* those with so many usable bytes; most 0: any */
    enum who who;
    bool every_call;
    bool needs_tail;
    unsigned seeds; /* of run, if above 0: numbers below it stand in place of a call */
    const char *says[BUILDS]; /* by build; NULL: run knows */
};

#define BY_BUILD(release, debug) .says = {[RELEASE] = (release), [DEBUG] = (debug)}

struct table {
    const struct row *rows;
    size_t count;
};
extern const struct table pointer_table, damage_table, access_table, operator_table, request_table;
#define TABLE(name, rows) const struct table name = {rows, sizeof rows / sizeof *rows}

/* What the library says. */
#define TWICE "double free or use after free of a block"
#define TWICE_LARGE "double free or use after free of a large block"
#define GONE "double free or use after free: no block lives here any more"
#define NEVER "not allocated, or freed before: a block"
#define NOT_OURS "not allocated by hakmem, or freed before and given back to the system"
#define INSIDE "not the start of a block: inside a slab of blocks"
#define INSIDE_LARGE "not the start of a block: inside a large one"
#define WRONG_SIZE "wrong size %zu: this is a block"
#define WRONG_ALIGNMENT "wrong alignment %zu: this is a block"
#define WRITTEN "found written after free: a block"
#define BROKEN_LIST "free list of %zu-byte blocks broken: written after free, or freed without being allocated"

#endif

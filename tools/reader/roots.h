/* SPDX-License-Identifier: MIT */
/*
 * Where a program can have the addresses of its blocks: registers of its threads, and memory that is not
 * the library's. Of stacks what is in use, as far as they can be told from other memory.
 *
 *     stack of a thread   [ guard |  dead  | red zone | in use        | TLS, struct pthread ]
 *                                          sp
 */
#ifndef HAK_TOOLS_READER_ROOTS_H
#define HAK_TOOLS_READER_ROOTS_H

#include "reader/mappings.h"
#include "reader/memory.h"

/* Registers of threads that are stopped by the caller. */
struct roots_threads {
    struct roots_thread {
        pid_t id;
        uintptr_t sp, tls; /* 0: not known */
        uintptr_t pc;      /* of a thread that is in a system call; else 0 */
        bool is_in_libc;   /* that is in the C library; or it is by the mappings */
        uintptr_t *words;
        size_t count, general; /* the first of them are general registers, and those others that calls preserve */
    } *thread;
    size_t count;
    uint64_t unread; /* threads whose registers could not be read */
};

struct roots {
    const struct remote_memory *memory;
    struct reader_mappings mappings;
    struct reader_ranges none; /* that are no roots: the library's memory, and dead parts of stacks */
    uint64_t bytes;            /* that were read */
    uint64_t looks;            /* at what may be a struct pthread */
    uintptr_t at;              /* where words that are visited stand; 0: in registers of */
    size_t thread;             /* the thread of this number */
};

/* Reads those of one, by its tracer; false without memory. */
bool roots_add_thread(struct roots_threads *threads, pid_t id);
/*
 * The same of a core: the general registers of a thread, as PTRACE_GETREGSET gives them; and then more words of the
 * thread that was added last.
 */
bool roots_add_registers(struct roots_threads *threads, const void *registers, size_t size);
bool roots_add_words(struct roots_threads *threads, const void *words, size_t size);
/* The name of a register that is a word of those of a thread, or NULL. */
const char *roots_register(size_t word);
void roots_free_threads(struct roots_threads *threads);

/* Words of the process; their number is a multiple of what a page has but for registers. */
typedef void roots_visit(const uintptr_t *words, size_t count, void *context);

/*
 * Visits the registers of stopped threads, all that there are, and notes which parts of their stacks are dead.
 * Ranges that are no roots are added before. False without memory. Where this is not called, whole stacks are roots.
 */
bool roots_read_threads(struct roots *roots, const struct roots_threads *threads, roots_visit *visit, void *context);

/* Visits the memory. False without memory of this command. */
bool roots_read_memory(struct roots *roots, roots_visit *visit, void *context);

#endif

/* SPDX-License-Identifier: MIT */
/* What an address leads to, and how the program comes to it. */
#ifndef HAK_TOOLS_LEAKS_TRACE_H
#define HAK_TOOLS_LEAKS_TRACE_H

#include "leaks.h"
#include "process.h"

struct search;

struct trace_block {
    uint64_t address, size;
    uint64_t word;    /* as of struct leaks_group, */
    const char *type; /* and these */
    uint32_t entry;
};

/* Where a word is that leads to a block. */
struct trace_place {
    enum trace_kind { TRACE_REGISTER, TRACE_STACK, TRACE_TLS, TRACE_DATA, TRACE_MEMORY, TRACE_BLOCK, TRACE_KINDS } kind;
    uint64_t address;        /* of the word; 0: in a register, or not known any more */
    pid_t thread;            /* of a register, stack or TLS; 0: not known */
    char thread_name[32];    /* printable; empty: not known */
    const char *reg;         /* NULL: a vector register, or one without a name */
    const struct profile_mapping *object; /* the program's or a library's, of data */
    const char *variable;    /* in which the word is, or NULL */
    uint64_t variable_offset;
    struct trace_block block; /* in which the word is, of TRACE_BLOCK */
};

struct leaks_trace {
    uint64_t address;
    enum trace_found { TRACE_IN_NONE, TRACE_IN_FREE, TRACE_IN_USE } found;
    struct trace_block block;  /* in which the address lies, unless it lies in none */
    bool is_reached;
    uint64_t link_count;       /* of the chain; if there are more than CHAIN_SHOWN, the middle is left out */
    size_t shown;
    struct trace_place *links; /* the root first; what the last one leads to is the block */
    uint64_t pointer_total;
    size_t pointer_count;      /* listed */
    struct trace_place *pointers;
};

/* In a search: fills search->leaks->trace. */
enum process_result trace_address(struct search *search);

/* In place of leaks_find_names. */
bool trace_find_names(struct leaks *leaks);

void trace_write_text(FILE *out, const struct leaks *leaks);
void trace_write_json(FILE *out, const struct leaks *leaks);

#endif

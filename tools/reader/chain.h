/* SPDX-License-Identifier: MIT */
/*
 * How a program comes to one block: by the shortest chain from a root, and by what words lead to it directly.
 *
 *     root ──► block ──► … ──► block ──► target
 *
 * The search is by distance: first the blocks that roots lead to, then those that these lead to, and so on. Each block
 * has the number of the one from which it was reached first: four bytes for each block that there can be.
 */
#ifndef HAK_TOOLS_READER_CHAIN_H
#define HAK_TOOLS_READER_CHAIN_H

#include "reader/copies.h"
#include "reader/live.h"
#include "reader/mappings.h"
#include "reader/roots.h"

enum {
    CHAIN_SHOWN = 64,       /* links of a chain that are kept: half of them from its beginning, half from its end */
    CHAIN_POINTERS = 1000   /* words that lead to the target, likewise */
};

/* Where a word is that leads to a block. */
struct chain_place {
    bool is_root, is_register;
    uintptr_t address;       /* of the word, unless it is in a register; 0: not known any more */
    size_t thread, index;    /* of a register: of which thread that is stopped, and which word of them */
    struct live_block block; /* that the word is in, unless it is a root */
};

struct chain {
    struct live *live;
    const struct remote_memory *memory;
    const struct roots *roots;
    bool has_marks; /* as in struct reach */
    uint64_t secret;
    struct live_block target;
    size_t pointers_most; /* that are listed */
    /* found */
    bool is_reached;
    struct chain_place *links;  /* CHAIN_SHOWN: the root first; if there are more, those in the middle are left out */
    uint64_t link_count;        /* with those */
    struct chain_place *pointers;
    size_t pointer_count;       /* listed */
    uint64_t pointer_total, unread;
    /* the search */
    struct copies copies;
    uint32_t *parent; /* by the number of a block: 0: not reached; CHAIN_ROOT; or the number of another block */
    uint32_t *next;   /* reached, and not searched yet */
    size_t next_count;
    bool many;        /* there are more, which have the bit LIVE_FIRST */
    struct chain_root *root;
    size_t root_count, root_room;
    struct live_block searched;
};

/* Zeroed but for the first fields; false without memory. Freed also after a failure. */
bool chain_begin(struct chain *chain);
void chain_free(struct chain *chain);

/* Takes words of the roots; a roots_visit. */
void chain_roots(const uintptr_t *words, size_t count, void *chain);

/* After that: finds the chain, and all words in blocks that lead to the target. */
void chain_find(struct chain *chain);

#endif

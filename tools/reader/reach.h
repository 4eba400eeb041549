/* SPDX-License-Identifier: MIT */
/*
 * Which blocks something leads to: a word that is an address within a block, at a multiple of a word's size.
 *
 *     words ──► reached blocks ──► queue of their slabs ──► words in the blocks ──► …
 *
 * A slab stands in the queue once, however many of its blocks are to be searched: they are then read together.
 * Each block is searched once, so that it ends whatever the process has there.
 */
#ifndef HAK_TOOLS_READER_REACH_H
#define HAK_TOOLS_READER_REACH_H

#include "reader/live.h"
#include "reader/mappings.h"

/* Of blocks up to that size all pages are read, of larger ones those that have memory. */
enum { REACH_BUFFER = 1 << 19 };

/* Is told of each block that is searched. */
typedef void reach_visit(const struct live_block *block, void *context);

struct reach {
    const struct remote_memory *memory;
    const struct reader_mappings *mappings; /* NULL: all pages of large blocks are read */
    struct live *live;
    bool has_marks;  /* a free block has one, made with the secret; what it has else means nothing */
    uint64_t secret;
    reach_visit *visit; /* or NULL */
    void *context;
    uint64_t *queue; /* a ring: twice the number of a slab, or of a single plus 1 */
    size_t queue_room, queue_first, queue_count;
    uint64_t unread; /* blocks that could not be read */
    uint64_t bytes;  /* that were read */
    uintptr_t kept_start, kept_end; /* of what is in the buffer */
    unsigned char buffer[REACH_BUFFER] __attribute__((aligned(16)));
};

/* An empty queue; NULL without memory. */
struct reach *reach_new(struct live *live, const struct remote_memory *memory,
                        const struct reader_mappings *mappings);
void reach_free(struct reach *reach);

/* Marks the blocks that the words lead to, as far as they are wanted. A roots_visit. */
void reach_words(const uintptr_t *words, size_t count, void *reach);

/* Marks a block, as if a word led to it. */
void reach_block(struct reach *reach, const struct live_block *block);

/* Follows what was marked until there is nothing more. */
void reach_all(struct reach *reach);

/* The slab of a block is read as a whole: many of its blocks will be searched, and they do not change. */
void reach_keep(struct reach *reach, const struct live_block *block);

/* The first words of a block, as far as it has so many bytes; false when it cannot be read. */
bool reach_peek(struct reach *reach, const struct live_block *block, uint64_t words[2]);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Which blocks something leads to: a word that is an address within a block, at a multiple of a word's size.
 *
 *     words ──► reached blocks ──► queue of their slabs ──► words in the blocks ──► …
 *
 * A slab stands in the queue once, however many of its blocks are to be searched: they are then read together.
 * Each block is searched once, so that it ends whatever the process has there. After a sweep it is not read again:
 * each slab of small blocks was read once, and the rest is arithmetic on numbers of blocks (edges.h).
 *
 * Several threads may search, each one slab or large block at a time, which no other thread searches meanwhile.
 */
#ifndef HAK_TOOLS_READER_REACH_H
#define HAK_TOOLS_READER_REACH_H

#include "reader/reach_worker.h"

/* An empty queue; NULL without memory. */
struct reach *reach_new(struct live *live, const struct remote_memory *memory,
                        const struct reader_mappings *mappings);
void reach_free(struct reach *reach);

/* Marks the blocks that the words lead to, as far as they are wanted. A roots_visit. */
void reach_words(const uintptr_t *words, size_t count, void *reach);

/* Marks a block, as if a word led to it. */
void reach_block(struct reach *reach, const struct live_block *block);

/* Marks all blocks in use that are not wanted, as if words led to them. */
void reach_others(struct reach *reach);

/* Where few blocks are wanted, which does not change from here on, words are looked up faster. */
void reach_few(struct reach *reach);

/*
 * Has reach_all_with read the heap once by rising address, before it follows anything: of small blocks that nothing
 * leads to by then it keeps what they lead to, as far as it has room. So blocks that lead to each other from far apart
 * are not read one by one.
 */
void reach_sweep(struct reach *reach);

/* Follows what was marked until there is nothing more. */
void reach_all(struct reach *reach);

/* The same with so many threads, or as many as there can be; without visits. */
void reach_all_with(struct reach *reach, size_t threads);

/* Blocks that could not be read. */
uint64_t reach_unread(const struct reach *reach);

/* The slab of a block is read as a whole: many of its blocks will be searched, and they do not change. */
void reach_keep(struct reach *reach, const struct live_block *block);

/* The first words of a block, as far as it has so many bytes; false when it cannot be read. */
bool reach_peek(struct reach *reach, const struct live_block *block, uint64_t words[2]);

#endif

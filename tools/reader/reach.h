/* SPDX-License-Identifier: MIT */
/*
 * Which blocks something leads to: a word that is an address within a block, at a multiple of a word's size.
 *
 *     words ──► reached blocks ──► queue of their slabs ──► words in the blocks ──► …
 *
 * A slab stands in the queue once, however many of its blocks are to be searched: they are then read together.
 * Each block is searched once, so that it ends whatever the process has there.
 *
 * Several threads may search, each one slab or large block at a time, which no other thread searches meanwhile.
 */
#ifndef HAK_TOOLS_READER_REACH_H
#define HAK_TOOLS_READER_REACH_H

#include <pthread.h>

#include "reader/copies.h"
#include "reader/live.h"
#include "reader/mappings.h"

enum { REACH_THREADS = 4, REACH_BATCH = 256, REACH_NEXT = 256 };

/* Is told of each block that is searched; by one thread alone. */
typedef void reach_visit(const struct live_block *block, void *context);

struct reach_worker {
    struct reach *reach;
    pthread_t thread;
    struct copies copies;
    uint64_t unread; /* blocks that could not be read */
    uintptr_t batch[REACH_BATCH]; /* words between the first and the last block, to be looked up */
    size_t batched;
    uint32_t next[REACH_NEXT]; /* slabs that it has copies of, to be searched before those in the queue */
    size_t next_count;
    bool is_searching; /* else nothing is next */
};

struct reach {
    const struct remote_memory *memory;
    const struct reader_mappings *mappings; /* NULL: all pages of large blocks are read */
    struct live *live;
    bool has_marks;  /* a free block has one, made with the secret; what it has else means nothing */
    uint64_t secret;
    reach_visit *visit; /* or NULL */
    void *context;
    uint64_t *near;  /* bits: where blocks are wanted, by granule; NULL: anywhere */
    /* under the lock while several threads search */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* something is in the queue for one that waits, or nothing will be */
    bool is_shared;
    unsigned searching, waiting; /* threads */
    uint64_t *queue; /* a ring: twice the number of a slab, or of a single plus 1 */
    size_t queue_room, queue_first, queue_count;
    struct reach_worker *worker[REACH_THREADS]; /* the first is the caller */
};

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

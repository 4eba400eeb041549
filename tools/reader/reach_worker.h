/* SPDX-License-Identifier: MIT */
/*
 * One thread of a search (reach.h): from words to blocks that they lead to, and on from those of which it is known
 * what they lead to (edges.h).
 *
 *     words ──► batch ──► marked blocks ──┬──► stack ──► their edges ──► marked blocks ──► …
 *                                         └──► queue of their slabs, for any thread
 */
#ifndef HAK_TOOLS_READER_REACH_WORKER_H
#define HAK_TOOLS_READER_REACH_WORKER_H

#include <pthread.h>

#include "reader/copies.h"
#include "reader/edges.h"
#include "reader/live.h"
#include "reader/mappings.h"
#include "reader/near.h"
#include "reader/queue.h"

enum { REACH_THREADS = 4, REACH_BATCH = 256, REACH_NEXT = 256, REACH_STACK = 1024 };

/* Is told of each block that is searched; by one thread alone. */
typedef void reach_visit(const struct live_block *block, void *context);

struct reach_worker {
    struct reach *reach;
    pthread_t thread;
    struct copies copies;
    uint64_t unread; /* blocks that could not be read */
    uintptr_t batch[REACH_BATCH]; /* words between the first and the last block, to be looked up */
    uint32_t source[REACH_BATCH];  /* the block that each is in if nothing has led to it yet, or 0 */
    size_t batched;
    uint32_t next[REACH_NEXT]; /* slabs that it has copies of, to be searched before those in the queue */
    size_t next_count;
    bool is_searching; /* else nothing is next */
    uint32_t from;     /* the block that is read, as in source */
    struct edges_slab swept;
    uint32_t stack[REACH_STACK]; /* blocks whose edges are to be followed */
    size_t depth;
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
    struct edges *edges; /* of blocks that were swept, until all is searched; or NULL */
    size_t swept;        /* singles and slabs, by any thread */
    struct queue queue; /* twice the number of a slab, or of a single plus 1; each stands there once */
    struct reach_worker *worker[REACH_THREADS]; /* the first is the caller */
};

/* With copies for one of so many threads; NULL without memory. */
struct reach_worker *worker_new(struct reach *reach, size_t threads);
void worker_free(struct reach_worker *worker);

/* Puts a slab or single into the queue. */
void reach_put(struct reach *reach, size_t owner, bool is_single);

/* Marks a block, and has it searched if it was not marked. */
void worker_mark(struct reach_worker *worker, uint64_t number, size_t owner, bool is_single);

/* Words of many blocks are looked up together, at the latest by worker_end_batch. */
void worker_search_words(struct reach_worker *worker, const unsigned char *bytes, size_t size);
void worker_end_batch(struct reach_worker *worker);

/* Which of 64 blocks, from a number on that is a multiple of that, have edges. */
static inline uint64_t reach_known(const struct reach *reach, uint64_t number)
{
    return reach->edges != NULL ? edges_known(reach->edges, number) : 0;
}

static inline bool reach_is_known(const struct reach *reach, uint64_t number)
{
    return (reach_known(reach, number) >> (number % 64) & 1) != 0;
}

/* Marks what blocks lead to that have edges. */
void worker_follow_edges(struct reach_worker *worker, const uint32_t *number, size_t count);

/* Follows all that was marked and has edges. */
void worker_follow_stack(struct reach_worker *worker);

#endif

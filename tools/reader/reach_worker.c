/* SPDX-License-Identifier: MIT */
#include "reader/reach_worker.h"

#include <stdlib.h>
#include <string.h>

enum {
    LINES_LEAST = 64,  /* slabs of which there are copies (4 MiB), */
    LINES_MOST = 1024, /* (64 MiB) */
    LINES_PART = 128,  /* and as a part of the heap */
    ABREAST = 32       /* blocks whose edges are followed together */
};

/* ---- workers ----------------------------------------------------------- */

static size_t lines_for(const struct live *live, size_t threads)
{
    size_t lines = LINES_LEAST;
    while (lines < LINES_MOST / threads && lines * 2 * HAK_GRANULE <= live->bytes / LINES_PART / threads)
        lines *= 2;
    return lines;
}

void worker_free(struct reach_worker *worker)
{
    if (worker != NULL)
        copies_free(&worker->copies);
    free(worker);
}

struct reach_worker *worker_new(struct reach *reach, size_t threads)
{
    struct reach_worker *worker = calloc(1, sizeof *worker);
    if (worker != NULL && !copies_make(&worker->copies, reach->memory, lines_for(reach->live, threads))) {
        worker_free(worker);
        return NULL;
    }
    if (worker != NULL)
        worker->reach = reach;
    return worker;
}

/* ---- the queue --------------------------------------------------------- */

/* A slab of which there is a copy is searched while it is there. */
static bool is_next(struct reach_worker *worker, size_t owner)
{
    const struct live_slab *slab = &worker->reach->live->slabs[owner];
    if (!worker->is_searching || worker->next_count == REACH_NEXT ||
        copies_find(&worker->copies, slab->start, slab->start + slab->size) == NULL)
        return false;
    worker->next[worker->next_count++] = (uint32_t)owner;
    return true;
}

/* What it leads to is followed by this thread, without what it belongs to being put into the queue. */
static bool push(struct reach_worker *worker, uint64_t number)
{
    if (!reach_is_known(worker->reach, number) || worker->depth == REACH_STACK ||
        !live_take(worker->reach->live, LIVE_SEARCHED, number))
        return false;
    worker->stack[worker->depth++] = (uint32_t)number;
    return true;
}

void reach_put(struct reach *reach, size_t owner, bool is_single)
{
    queue_put(&reach->queue, 2 * (uint64_t)owner + is_single);
}

static void enqueue(struct reach_worker *worker, size_t owner, bool is_single)
{
    struct live *live = worker->reach->live;
    bool *queued = is_single ? &live->singles[owner].queued : &live->slabs[owner].queued;
    if (!__atomic_load_n(queued, __ATOMIC_SEQ_CST) && !__atomic_exchange_n(queued, true, __ATOMIC_SEQ_CST) &&
        (is_single || !is_next(worker, owner)))
        reach_put(worker->reach, owner, is_single);
}

/*
 * Who finds it unmarked puts what it belongs to into the queue, unless it is there or is searched now: who
 * searches that looks for marks once more after it has taken `queued` back (search_slab).
 */
void worker_mark(struct reach_worker *worker, uint64_t number, size_t owner, bool is_single)
{
    if (live_take(worker->reach->live, LIVE_REACHED, number) && !push(worker, number))
        enqueue(worker, owner, is_single);
}

/* ---- words ------------------------------------------------------------- */

static bool is_wanted(const struct live *live, uint64_t number)
{
    return live_has(live, LIVE_WANTED, number) && !live_has(live, LIVE_REACHED, number);
}

/* A word that leads to a block. */
struct lead {
    uintptr_t word;
    uint64_t number;
    uint32_t owner, source; /* as in struct reach_worker */
    bool is_single;
};

static void follow_lead(struct reach_worker *worker, const struct lead *lead)
{
    if (!is_wanted(worker->reach->live, lead->number))
        return;
    if (lead->source == 0)
        worker_mark(worker, lead->number, lead->owner, lead->is_single);
    else if (lead->source != lead->number)
        edges_add(&worker->swept, lead->source, lead->number);
}

static bool find_owner(const struct live *live, struct lead *lead)
{
    struct live_block block;
    lead->owner = live_slab_at(live, lead->word) - 1;
    if (lead->owner != UINT32_MAX) {
        __builtin_prefetch(&live->slabs[lead->owner]);
        return true;
    }
    if (!live_find_single(live, lead->word, &block))
        return false;
    lead->owner = (uint32_t)block.owner;
    lead->number = block.number;
    return lead->is_single = true;
}

static bool find_number(const struct live *live, struct lead *lead)
{
    if (lead->is_single)
        return true;
    const struct live_slab *slab = &live->slabs[lead->owner];
    uint32_t index = (uint32_t)(lead->word - slab->start) / slab->size;
    if (lead->word < slab->start || index >= slab->count)
        return false;
    lead->number = slab->first + index;
    __builtin_prefetch(&live->bits[LIVE_WANTED][lead->number / 64]);
    __builtin_prefetch(&live->bits[LIVE_REACHED][lead->number / 64]);
    return true;
}

/*
 * Each step asks for the memory of the next one for all words together. Where blocks are many none of it
 * is in a cache of the processor, and one word after the other would wait for it.
 */
static void look_up(struct reach_worker *worker, const uintptr_t *word, size_t count)
{
    const struct reach *reach = worker->reach;
    struct lead lead[REACH_BATCH];
    size_t found = 0, known = 0;
    for (size_t i = 0; i < count; i++) {
        lead[found] = (struct lead){.word = word[i], .source = worker->source[i]};
        if (near_has(reach->near, word[i]) && find_owner(reach->live, &lead[found]))
            found++;
    }
    for (size_t i = 0; i < found; i++)
        if (find_number(reach->live, &lead[i]))
            lead[known++] = lead[i];
    for (size_t i = 0; i < known; i++)
        follow_lead(worker, &lead[i]);
}

void worker_end_batch(struct reach_worker *worker)
{
    look_up(worker, worker->batch, worker->batched);
    worker->batched = 0;
}

void worker_search_words(struct reach_worker *worker, const unsigned char *bytes, size_t size)
{
    const struct live *live = worker->reach->live;
    const uintptr_t *words = (const uintptr_t *)(const void *)bytes;
    uintptr_t low = live->low, span = live->high - low;
    for (size_t count = size / sizeof *words, part; count > 0; words += part, count -= part) {
        size_t batched = worker->batched;
        part = count < REACH_BATCH / 2 ? count : REACH_BATCH / 2;
        for (size_t i = 0; i < part; i++) { /* without a branch, which the processor would guess wrongly */
            worker->batch[batched] = words[i];
            worker->source[batched] = worker->from;
            batched += words[i] - low < span;
        }
        worker->batched = batched;
        if (batched >= REACH_BATCH / 2)
            worker_end_batch(worker);
    }
}

/* ---- edges ------------------------------------------------------------- */

static void mark_all(struct reach_worker *worker, const uint32_t *number, size_t count)
{
    struct live *live = worker->reach->live;
    struct live_block block;
    for (size_t i = 0; i < count; i++) {
        __builtin_prefetch(&live->bits[LIVE_REACHED][number[i] / 64], 1);
        __builtin_prefetch(&live->bits[LIVE_KNOWN][number[i] / 64]);
        __builtin_prefetch(&live->bits[LIVE_SEARCHED][number[i] / 64], 1);
        __builtin_prefetch(&worker->reach->edges->first[number[i] / 64]);
    }
    for (size_t i = 0; i < count; i++)
        if (!live_has(live, LIVE_REACHED, number[i]) && live_take(live, LIVE_REACHED, number[i]) &&
            !push(worker, number[i]) && live_numbered(live, number[i], &block))
            enqueue(worker, block.owner, block.is_single);
}

void worker_follow_edges(struct reach_worker *worker, const uint32_t *number, size_t count)
{
    const struct edges *edges = worker->reach->edges;
    uint32_t to[REACH_BATCH];
    size_t marked = 0;
    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(&edges->edge[edges->first[number[i] / 64]]);
    for (size_t i = 0; i < count; i++) {
        const uint32_t *edge = edges_of(edges, number[i]);
        do {
            to[marked++] = edges_to(*edge);
            if (marked == REACH_BATCH) {
                mark_all(worker, to, marked);
                marked = 0;
            }
        } while (!edges_is_first(*++edge));
    }
    mark_all(worker, to, marked);
}

void worker_follow_stack(struct reach_worker *worker)
{
    while (worker->depth > 0) {
        uint32_t number[ABREAST];
        size_t count = worker->depth < ABREAST ? worker->depth : ABREAST;
        worker->depth -= count;
        memcpy(number, worker->stack + worker->depth, count * sizeof *number);
        worker_follow_edges(worker, number, count);
    }
}

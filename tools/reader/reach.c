/* SPDX-License-Identifier: MIT */
#include "reader/reach.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/mix.h"

enum {
    TOGETHER = 4, /* so many blocks of a slab or more that are to be searched are read with all of it, */
    SMALL = 8192, /* if they are not larger: it takes as long as reading them alone, about */
    EDGES_LEAST = 1 << 22, /* edges that are kept (16 MiB), */
    EDGES_PART = 32 /* and as a part of the heap */
};

struct reach *reach_new(struct live *live, const struct remote_memory *memory,
                        const struct reader_mappings *mappings)
{
    struct reach *reach = calloc(1, sizeof *reach);
    if (reach == NULL)
        return NULL;
    *reach = (struct reach){.live = live, .memory = memory, .mappings = mappings};
    reach->worker[0] = worker_new(reach, 1);
    if (!queue_make(&reach->queue, live->slab_count + live->single_count + 1) || reach->worker[0] == NULL) {
        reach_free(reach);
        return NULL;
    }
    return reach;
}

void reach_free(struct reach *reach)
{
    if (reach == NULL)
        return;
    for (size_t i = 0; i < REACH_THREADS; i++)
        worker_free(reach->worker[i]);
    queue_free(&reach->queue);
    free(reach->near);
    edges_free(reach->edges);
    free(reach);
}

void reach_block(struct reach *reach, const struct live_block *block)
{
    worker_mark(reach->worker[0], block->number, block->owner, block->is_single);
}

void reach_words(const uintptr_t *words, size_t count, void *context)
{
    struct reach *reach = context;
    worker_search_words(reach->worker[0], (const unsigned char *)words, count * sizeof *words);
    worker_end_batch(reach->worker[0]);
}

void reach_few(struct reach *reach)
{
    reach->near = near_new(reach->live);
}

/* ---- slabs ------------------------------------------------------------- */

static uintptr_t end_of(const struct live_slab *slab)
{
    return slab->start + (uintptr_t)slab->count * slab->size;
}

static bool is_free(const struct reach *reach, uintptr_t start, const unsigned char *bytes)
{
    uint64_t mark;
    memcpy(&mark, bytes + sizeof mark, sizeof mark);
    return reach->has_marks && mark == hak__mix(start, reach->secret);
}

static void show(const struct reach *reach, uintptr_t start)
{
    struct live_block block;
    if (reach->visit != NULL && live_find(reach->live, start, &block))
        reach->visit(&block, reach->context);
}

static void search_block(struct reach_worker *worker, const struct live_slab *slab, uint32_t index)
{
    struct reach *reach = worker->reach;
    uintptr_t start = slab->start + (uintptr_t)index * slab->size;
    uint32_t number = (uint32_t)slab->first + index;
    if (!live_take(reach->live, LIVE_SEARCHED, number))
        return;
    if (reach_is_known(reach, number)) {
        worker_follow_edges(worker, &number, 1);
        return;
    }
    const unsigned char *bytes =
        copies_read_block(&worker->copies, start, start + slab->size, slab->start, end_of(slab));
    if (bytes == NULL)
        worker->unread++;
    else if (!is_free(reach, start, bytes))
        worker_search_words(worker, bytes, slab->size);
    show(reach, start);
}

struct pending {
    uint32_t first, last, count, unread;
};

/* What is marked is read after `queued` was written, and mark() has it the other way round. */
static uint64_t pending_of(const struct live *live, const struct live_slab *slab, uint32_t i)
{
    uint64_t first = slab->first + 64 * (uint64_t)i;
    return __atomic_load_n(&live->bits[LIVE_REACHED][first / 64], __ATOMIC_SEQ_CST) &
           ~live_word(live, LIVE_SEARCHED, first);
}

static struct pending find_pending(const struct reach *reach, const struct live_slab *slab)
{
    const struct live *live = reach->live;
    struct pending pending = {0};
    for (uint32_t i = 0; i < (slab->count + 63) / 64; i++) {
        uint64_t word = pending_of(live, slab, i);
        if (word == 0)
            continue;
        if (pending.count == 0)
            pending.first = 64 * i + hak__lowest_bit(word);
        pending.last = 64 * i + hak__highest_bit(word);
        pending.count += (uint32_t)__builtin_popcountll(word);
        pending.unread += (uint32_t)__builtin_popcountll(word & ~reach_known(reach, slab->first + 64 * i));
    }
    return pending;
}

/* Not those that were found meanwhile outside of the range that was read. */
static void search_pending(struct reach_worker *worker, const struct live_slab *slab, const struct pending *pending)
{
    for (uint32_t i = pending->first / 64; i <= pending->last / 64; i++) {
        uint64_t word = pending_of(worker->reach->live, slab, i);
        if (i == pending->first / 64)
            word &= UINT64_MAX << pending->first % 64;
        if (i == pending->last / 64)
            word &= UINT64_MAX >> (63 - pending->last % 64);
        for (; word != 0; word &= word - 1)
            search_block(worker, slab, 64 * i + hak__lowest_bit(word));
    }
    worker_end_batch(worker);
}

/* Blocks that are reached from within the slab are searched at once. */
static void search_slab(struct reach_worker *worker, size_t owner)
{
    struct live *live = worker->reach->live;
    struct live_slab *slab = &live->slabs[owner];
    unsigned rounds = 0;
    do {
        for (struct pending pending; (pending = find_pending(worker->reach, slab)).count > 0;) {
            rounds += pending.unread > 0;
            /* many, or a list leads through it; else each is read by itself, if there is no copy */
            if ((pending.unread >= TOGETHER || (pending.unread > 0 && rounds > TOGETHER)) && slab->size <= SMALL)
                copies_keep(&worker->copies, slab->start, end_of(slab));
            search_pending(worker, slab, &pending);
        }
        __atomic_store_n(&slab->queued, false, __ATOMIC_SEQ_CST);
    } while (find_pending(worker->reach, slab).count > 0 && !__atomic_exchange_n(&slab->queued, true, __ATOMIC_SEQ_CST));
}

void reach_others(struct reach *reach)
{
    struct live *live = reach->live;
    for (uint64_t i = 0; i < live->room / 64; i++)
        live->bits[LIVE_REACHED][i] |= live->bits[LIVE_IN_USE][i] & ~live->bits[LIVE_WANTED][i];
    for (size_t i = 0; i < live->slab_count; i++)
        if (!live->slabs[i].queued && find_pending(reach, &live->slabs[i]).count > 0) {
            live->slabs[i].queued = true;
            reach_put(reach, i, false);
        }
    for (size_t i = 0; i < live->single_count; i++)
        if (!live->singles[i].queued && live_has(live, LIVE_REACHED, live->singles[i].number)) {
            live->singles[i].queued = true;
            reach_put(reach, i, true);
        }
}

void reach_keep(struct reach *reach, const struct live_block *block)
{
    if (block->is_single)
        return;
    const struct live_slab *slab = &reach->live->slabs[block->owner];
    copies_keep(&reach->worker[0]->copies, slab->start, end_of(slab));
}

bool reach_peek(struct reach *reach, const struct live_block *block, uint64_t words[2])
{
    size_t size = block->size < 16 ? (size_t)block->size : 16;
    const unsigned char *bytes = copies_find(&reach->worker[0]->copies, block->start, block->start + size);
    words[0] = words[1] = 0;
    if (bytes == NULL)
        return remote_read(reach->memory, block->start, words, size);
    memcpy(words, bytes, size);
    return true;
}

/* ---- large blocks ------------------------------------------------------ */

static void search_part(uintptr_t start, uintptr_t end, void *context)
{
    struct reach_worker *worker = context;
    for (uintptr_t at = start, next; at < end; at = next) {
        next = end - at < COPIES_MOST ? end : at + COPIES_MOST;
        const unsigned char *bytes = copies_read(&worker->copies, at, next);
        if (bytes != NULL)
            worker_search_words(worker, bytes, next - at);
        else
            worker->unread++;
    }
}

static void search_single(struct reach_worker *worker, size_t owner)
{
    const struct reach *reach = worker->reach;
    struct live_single *single = &reach->live->singles[owner];
    uintptr_t end = single->start + (uintptr_t)single->size;
    if (live_take(reach->live, LIVE_SEARCHED, single->number)) {
        if (reach->mappings != NULL && single->size > COPIES_MOST)
            mappings_readable(reach->mappings, single->start, end, search_part, worker);
        else
            search_part(single->start, end, worker);
        worker_end_batch(worker);
        show(reach, single->start);
    }
    __atomic_store_n(&single->queued, false, __ATOMIC_SEQ_CST);
}

/* ---- the sweep --------------------------------------------------------- */

void reach_sweep(struct reach *reach)
{
    uint64_t room = reach->live->bytes / EDGES_PART / sizeof(uint32_t);
    reach->edges = edges_new(reach->live, room > EDGES_LEAST ? room : EDGES_LEAST);
}

/* Blocks from a number on that are not searched yet. */
static uint64_t left_of(const struct live *live, uint64_t first)
{
    return live_word(live, LIVE_WANTED, first) & ~live_word(live, LIVE_SEARCHED, first);
}

/* Searches what was reached of 64 blocks, and finds the edges of the others. */
static void sweep_blocks(struct reach_worker *worker, const struct live_slab *slab, uint32_t first,
                         const unsigned char *bytes)
{
    struct reach *reach = worker->reach;
    for (uint64_t left = left_of(reach->live, slab->first + first); left != 0; left &= left - 1) {
        uint32_t index = first + hak__lowest_bit(left);
        uint32_t number = (uint32_t)slab->first + index;
        const unsigned char *block = bytes + (size_t)index * slab->size;
        worker->from = live_has(reach->live, LIVE_REACHED, number) ? 0 : number;
        if ((worker->from != 0 || live_take(reach->live, LIVE_SEARCHED, number)) &&
            !is_free(reach, slab->start + (uintptr_t)index * slab->size, block))
            worker_search_words(worker, block, slab->size);
    }
}

static bool has_left(const struct live *live, const struct live_slab *slab)
{
    for (uint32_t i = 0; i < slab->count; i += 64)
        if (left_of(live, slab->first + i) != 0)
            return true;
    return false;
}

/* Larger blocks are read when something leads to them. */
static void sweep_slab(struct reach_worker *worker, const struct live_slab *slab)
{
    struct reach *reach = worker->reach;
    if (slab->size > SMALL || slab->count > EDGES_BLOCKS || end_of(slab) - slab->start > HAK_GRANULE ||
        !has_left(reach->live, slab))
        return;
    const unsigned char *bytes = copies_read(&worker->copies, slab->start, end_of(slab));
    if (bytes == NULL)
        return;
    edges_begin(&worker->swept, slab->first);
    for (uint32_t i = 0; i < slab->count; i += 64)
        sweep_blocks(worker, slab, i, bytes);
    worker_end_batch(worker);
    worker->from = 0;
    edges_end(reach->edges, &worker->swept);
    for (uint32_t i = 0; i < slab->count; i += 64) /* all of them were read, so those without edges are done */
        __atomic_fetch_or(&reach->live->bits[LIVE_SEARCHED][(slab->first + i) / 64],
                          left_of(reach->live, slab->first + i) & ~worker->swept.has[i / 64], __ATOMIC_RELAXED);
}

/*
 * Large blocks first: the more is reached, the fewer edges are to be kept. What is not swept is searched by the queue
 * alone.
 */
static void sweep(struct reach_worker *worker)
{
    struct reach *reach = worker->reach;
    struct live *live = reach->live;
    size_t next;
    queue_begin(&reach->queue);
    while (!edges_are_full(reach->edges) &&
           (next = __atomic_fetch_add(&reach->swept, 1, __ATOMIC_RELAXED)) < live->single_count + live->slab_count) {
        if (next >= live->single_count)
            sweep_slab(worker, &live->slabs[next - live->single_count]);
        else if (live_has(live, LIVE_REACHED, live->singles[next].number))
            search_single(worker, next);
        worker_follow_stack(worker);
    }
    queue_done(&reach->queue);
}

/* ---- all --------------------------------------------------------------- */

static void *work(void *context)
{
    struct reach_worker *worker = context;
    if (worker->reach->edges != NULL)
        sweep(worker);
    for (uint64_t next; queue_take(&worker->reach->queue, &next);) {
        worker->is_searching = true;
        if (next % 2 != 0)
            search_single(worker, (size_t)(next / 2));
        else
            search_slab(worker, (size_t)(next / 2));
        worker_follow_stack(worker);
        while (worker->next_count > 0) {
            search_slab(worker, worker->next[--worker->next_count]);
            worker_follow_stack(worker);
        }
        worker->is_searching = false;
        queue_done(&worker->reach->queue);
    }
    return NULL;
}

void reach_all(struct reach *reach)
{
    work(reach->worker[0]);
}

void reach_all_with(struct reach *reach, size_t threads)
{
    size_t begun = 1;
    if (threads > REACH_THREADS)
        threads = REACH_THREADS;
    reach->queue.is_shared = threads > 1;
    for (; begun < threads; begun++) {
        struct reach_worker *worker = reach->worker[begun] != NULL ? reach->worker[begun]
                                                                   : worker_new(reach, threads);
        reach->worker[begun] = worker;
        if (worker == NULL || pthread_create(&worker->thread, NULL, work, worker) != 0)
            break;
    }
    reach_all(reach);
    for (size_t i = 1; i < begun; i++)
        pthread_join(reach->worker[i]->thread, NULL);
    reach->queue.is_shared = false;
    if (reach->edges != NULL)
        live_unset_all(reach->live, LIVE_KNOWN);
    edges_free(reach->edges);
    reach->edges = NULL;
}

uint64_t reach_unread(const struct reach *reach)
{
    uint64_t unread = 0;
    for (size_t i = 0; i < REACH_THREADS; i++)
        unread += reach->worker[i] != NULL ? reach->worker[i]->unread : 0;
    return unread;
}

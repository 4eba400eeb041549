/* SPDX-License-Identifier: MIT */
#include "reader/reach.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/mix.h"

enum {
    TOGETHER = 4,      /* so many blocks of a slab or more that are to be searched are read with all of it, */
    SMALL = 8192,      /* if they are not larger: it takes as long as reading them alone, about */
    SPARE = 8,         /* in the queue, for which no thread that waits is called: one more can take them */
    LINES_LEAST = 64,  /* slabs of which there are copies (4 MiB), */
    LINES_MOST = 2048, /* (128 MiB) */
    LINES_PART = 64,   /* and as a part of the heap */
    NEAR_BITS = 1 << 19, /* granules that bits tell apart: 32 GiB */
    NEAR_PART = 16     /* of which so large a part at most has blocks that are wanted */
};

/* ---- workers ----------------------------------------------------------- */

static size_t lines_for(const struct live *live, size_t threads)
{
    size_t lines = LINES_LEAST;
    while (lines < LINES_MOST / threads && lines * 2 * HAK_GRANULE <= live->bytes / LINES_PART / threads)
        lines *= 2;
    return lines;
}

static void free_worker(struct reach_worker *worker)
{
    if (worker != NULL)
        copies_free(&worker->copies);
    free(worker);
}

static struct reach_worker *new_worker(struct reach *reach, size_t lines)
{
    struct reach_worker *worker = calloc(1, sizeof *worker);
    if (worker != NULL && !copies_make(&worker->copies, reach->memory, lines)) {
        free_worker(worker);
        return NULL;
    }
    if (worker != NULL)
        worker->reach = reach;
    return worker;
}

struct reach *reach_new(struct live *live, const struct remote_memory *memory,
                        const struct reader_mappings *mappings)
{
    struct reach *reach = calloc(1, sizeof *reach);
    if (reach == NULL)
        return NULL;
    *reach = (struct reach){.live = live, .memory = memory, .mappings = mappings,
                            .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    reach->queue_room = live->slab_count + live->single_count + 1; /* each stands there once */
    reach->queue = malloc(reach->queue_room * sizeof *reach->queue);
    reach->worker[0] = new_worker(reach, lines_for(live, 1));
    if (reach->queue == NULL || reach->worker[0] == NULL) {
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
        free_worker(reach->worker[i]);
    free(reach->queue);
    free(reach->near);
    free(reach);
}

/* ---- the queue --------------------------------------------------------- */

static void lock(struct reach *reach)
{
    if (reach->is_shared)
        pthread_mutex_lock(&reach->lock);
}

static void unlock(struct reach *reach)
{
    if (reach->is_shared)
        pthread_mutex_unlock(&reach->lock);
}

static void put(struct reach *reach, size_t owner, bool is_single)
{
    lock(reach);
    size_t last = reach->queue_first + reach->queue_count++;
    reach->queue[last < reach->queue_room ? last : last - reach->queue_room] = 2 * (uint64_t)owner + is_single;
    if (reach->waiting > 0 && reach->queue_count > SPARE)
        pthread_cond_signal(&reach->changed);
    unlock(reach);
}

/* False when the queue is empty and no other thread will put anything there. */
static bool take(struct reach *reach, uint64_t *taken)
{
    bool is_there;
    lock(reach);
    while (reach->queue_count == 0 && reach->searching > 0) {
        reach->waiting++;
        pthread_cond_wait(&reach->changed, &reach->lock);
        reach->waiting--;
    }
    is_there = reach->queue_count > 0;
    if (is_there) {
        *taken = reach->queue[reach->queue_first];
        reach->queue_first = reach->queue_first + 1 < reach->queue_room ? reach->queue_first + 1 : 0;
        reach->queue_count--;
        reach->searching++;
    }
    unlock(reach);
    return is_there;
}

static void is_done_with_one(struct reach *reach)
{
    lock(reach);
    reach->searching--;
    if (reach->waiting > 0 && reach->searching == 0 && reach->queue_count == 0) /* else this thread takes it */
        pthread_cond_broadcast(&reach->changed);
    unlock(reach);
}

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

/*
 * Who finds it unmarked puts what it belongs to into the queue, unless it is there or is searched now: who
 * searches that looks for marks once more after it has taken `queued` back (search_slab).
 */
static void mark(struct reach_worker *worker, uint64_t number, size_t owner, bool is_single)
{
    struct live *live = worker->reach->live;
    bool *queued = is_single ? &live->singles[owner].queued : &live->slabs[owner].queued;
    if (live_take(live, LIVE_REACHED, number) && !__atomic_load_n(queued, __ATOMIC_SEQ_CST) &&
        !__atomic_exchange_n(queued, true, __ATOMIC_SEQ_CST) && (is_single || !is_next(worker, owner)))
        put(worker->reach, owner, is_single);
}

void reach_block(struct reach *reach, const struct live_block *block)
{
    mark(reach->worker[0], block->number, block->owner, block->is_single);
}

/* ---- words ------------------------------------------------------------- */

static bool is_wanted(const struct live *live, uint64_t number)
{
    return live_has(live, LIVE_WANTED, number) && !live_has(live, LIVE_REACHED, number);
}

static bool is_near(const struct reach *reach, uintptr_t address)
{
    uintptr_t granule = (address >> HAK_GRANULE_SHIFT) & (NEAR_BITS - 1);
    return reach->near == NULL || (reach->near[granule / 64] >> (granule % 64) & 1) != 0;
}

/*
 * Each step asks for the memory of the next one for all words together. Where blocks are many none of it
 * is in a cache of the processor, and one word after the other would wait for it.
 */
static void look_up(struct reach_worker *worker, const uintptr_t *word, size_t count)
{
    const struct reach *reach = worker->reach;
    struct live *live = reach->live;
    uintptr_t place[REACH_BATCH];
    uint64_t number[REACH_BATCH];
    uint32_t owner[REACH_BATCH];
    size_t found = 0, known = 0;
    for (size_t i = 0; i < count; i++) {
        struct live_block block;
        if (!is_near(reach, word[i]))
            continue;
        place[found] = word[i];
        owner[found] = live_slab_at(live, word[i]) - 1;
        if (owner[found] != UINT32_MAX)
            __builtin_prefetch(&live->slabs[owner[found++]]);
        else if (live_find_single(live, word[i], &block) && is_wanted(live, block.number))
            mark(worker, block.number, block.owner, true);
    }
    for (size_t i = 0; i < found; i++) {
        const struct live_slab *slab = &live->slabs[owner[i]];
        uint32_t index = (uint32_t)(place[i] - slab->start) / slab->size;
        if (place[i] < slab->start || index >= slab->count)
            continue;
        owner[known] = owner[i];
        number[known] = slab->first + index;
        __builtin_prefetch(&live->bits[LIVE_WANTED][number[known] / 64]);
        __builtin_prefetch(&live->bits[LIVE_REACHED][number[known] / 64]);
        known++;
    }
    for (size_t i = 0; i < known; i++)
        if (is_wanted(live, number[i]))
            mark(worker, number[i], owner[i], false);
}

static void end_batch(struct reach_worker *worker)
{
    look_up(worker, worker->batch, worker->batched);
    worker->batched = 0;
}

/* Words of many blocks are looked up together, at the latest by end_batch. */
static void search_words(struct reach_worker *worker, const unsigned char *bytes, size_t size)
{
    const struct live *live = worker->reach->live;
    const uintptr_t *words = (const uintptr_t *)(const void *)bytes;
    uintptr_t low = live->low, span = live->high - low;
    for (size_t count = size / sizeof *words, part; count > 0; words += part, count -= part) {
        size_t batched = worker->batched;
        part = count < REACH_BATCH / 2 ? count : REACH_BATCH / 2;
        for (size_t i = 0; i < part; i++) { /* without a branch, which the processor would guess wrongly */
            worker->batch[batched] = words[i];
            batched += words[i] - low < span;
        }
        worker->batched = batched;
        if (batched >= REACH_BATCH / 2)
            end_batch(worker);
    }
}

void reach_words(const uintptr_t *words, size_t count, void *context)
{
    struct reach *reach = context;
    search_words(reach->worker[0], (const unsigned char *)words, count * sizeof *words);
    end_batch(reach->worker[0]);
}

/* How many granules of a range were not marked, up to where that is too many. */
static size_t mark_near(struct reach *reach, uintptr_t start, uint64_t size)
{
    size_t count = 0;
    uintptr_t last = (start + (uintptr_t)size - 1) >> HAK_GRANULE_SHIFT;
    for (uintptr_t at = start >> HAK_GRANULE_SHIFT; at <= last && count <= NEAR_BITS / NEAR_PART; at++) {
        uintptr_t granule = at & (NEAR_BITS - 1);
        count += is_near(reach, at << HAK_GRANULE_SHIFT) ? 0 : 1;
        reach->near[granule / 64] |= (uint64_t)1 << (granule % 64);
    }
    return count;
}

void reach_few(struct reach *reach)
{
    const struct live *live = reach->live;
    size_t count = 0;
    reach->near = calloc(NEAR_BITS / 64, sizeof *reach->near);
    if (reach->near == NULL)
        return;
    for (size_t i = 0; i < live->slab_count && count <= NEAR_BITS / NEAR_PART; i++)
        if (live_slab_has(live, LIVE_WANTED, &live->slabs[i]))
            count += mark_near(reach, live->slabs[i].start, (uint64_t)live->slabs[i].count * live->slabs[i].size);
    for (size_t i = 0; i < live->single_count && count <= NEAR_BITS / NEAR_PART; i++)
        if (live_has(live, LIVE_WANTED, live->singles[i].number))
            count += mark_near(reach, live->singles[i].start, live->singles[i].size);
    if (count <= NEAR_BITS / NEAR_PART)
        return;
    free(reach->near);
    reach->near = NULL;
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
    live_set(reach->live, LIVE_SEARCHED, slab->first + index);
    const unsigned char *bytes =
        copies_read_block(&worker->copies, start, start + slab->size, slab->start, end_of(slab));
    if (bytes == NULL)
        worker->unread++;
    else if (!is_free(reach, start, bytes))
        search_words(worker, bytes, slab->size);
    show(reach, start);
}

struct pending {
    uint32_t first, last, count;
};

/* What is marked is read after `queued` was written, and mark() has it the other way round. */
static uint64_t pending_of(const struct live *live, const struct live_slab *slab, uint32_t i)
{
    uint64_t first = slab->first + 64 * (uint64_t)i;
    return __atomic_load_n(&live->bits[LIVE_REACHED][first / 64], __ATOMIC_SEQ_CST) &
           ~live_word(live, LIVE_SEARCHED, first);
}

static struct pending find_pending(const struct live *live, const struct live_slab *slab)
{
    struct pending pending = {0};
    for (uint32_t i = 0; i < (slab->count + 63) / 64; i++) {
        uint64_t word = pending_of(live, slab, i);
        if (word == 0)
            continue;
        if (pending.count == 0)
            pending.first = 64 * i + hak__lowest_bit(word);
        pending.last = 64 * i + hak__highest_bit(word);
        pending.count += (uint32_t)__builtin_popcountll(word);
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
    end_batch(worker);
}

/* Blocks that are reached from within the slab are searched at once. */
static void search_slab(struct reach_worker *worker, size_t owner)
{
    struct live *live = worker->reach->live;
    struct live_slab *slab = &live->slabs[owner];
    unsigned rounds = 0;
    do {
        for (struct pending pending; (pending = find_pending(live, slab)).count > 0; rounds++) {
            /* many, or a list leads through it; else each is read by itself, if there is no copy */
            if ((pending.count >= TOGETHER || rounds == TOGETHER) && slab->size <= SMALL)
                copies_keep(&worker->copies, slab->start, end_of(slab));
            search_pending(worker, slab, &pending);
        }
        __atomic_store_n(&slab->queued, false, __ATOMIC_SEQ_CST);
    } while (find_pending(live, slab).count > 0 && !__atomic_exchange_n(&slab->queued, true, __ATOMIC_SEQ_CST));
}

void reach_others(struct reach *reach)
{
    struct live *live = reach->live;
    for (uint64_t i = 0; i < live->room / 64; i++)
        live->bits[LIVE_REACHED][i] |= live->bits[LIVE_IN_USE][i] & ~live->bits[LIVE_WANTED][i];
    for (size_t i = 0; i < live->slab_count; i++)
        if (!live->slabs[i].queued && find_pending(live, &live->slabs[i]).count > 0) {
            live->slabs[i].queued = true;
            put(reach, i, false);
        }
    for (size_t i = 0; i < live->single_count; i++)
        if (!live->singles[i].queued && live_has(live, LIVE_REACHED, live->singles[i].number)) {
            live->singles[i].queued = true;
            put(reach, i, true);
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
            search_words(worker, bytes, next - at);
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
        end_batch(worker);
        show(reach, single->start);
    }
    __atomic_store_n(&single->queued, false, __ATOMIC_SEQ_CST);
}

/* ---- all --------------------------------------------------------------- */

static void *work(void *context)
{
    struct reach_worker *worker = context;
    for (uint64_t next; take(worker->reach, &next);) {
        worker->is_searching = true;
        if (next % 2 != 0)
            search_single(worker, (size_t)(next / 2));
        else
            search_slab(worker, (size_t)(next / 2));
        while (worker->next_count > 0)
            search_slab(worker, worker->next[--worker->next_count]);
        worker->is_searching = false;
        is_done_with_one(worker->reach);
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
    reach->is_shared = threads > 1;
    for (; begun < threads; begun++) {
        struct reach_worker *worker = reach->worker[begun] != NULL ? reach->worker[begun]
                                                                   : new_worker(reach, lines_for(reach->live, threads));
        reach->worker[begun] = worker;
        if (worker == NULL || pthread_create(&worker->thread, NULL, work, worker) != 0)
            break;
    }
    reach_all(reach);
    for (size_t i = 1; i < begun; i++)
        pthread_join(reach->worker[i]->thread, NULL);
    reach->is_shared = false;
}

uint64_t reach_unread(const struct reach *reach)
{
    uint64_t unread = 0;
    for (size_t i = 0; i < REACH_THREADS; i++)
        unread += reach->worker[i] != NULL ? reach->worker[i]->unread : 0;
    return unread;
}

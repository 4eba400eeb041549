/* SPDX-License-Identifier: MIT */
#include "reader/reach.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/mix.h"

/*
 * So many blocks or more of a slab that are to be searched are read together, if they lie so near to each other on the
 * average. After so many rounds in a slab all of it is read. Else few blocks at a time would have all of a slab read
 * each time.
 */
enum { TOGETHER = 4, NEAR = 2048, ROUNDS = 16, PART = REACH_BUFFER };

struct reach *reach_new(struct live *live, const struct remote_memory *memory,
                        const struct reader_mappings *mappings)
{
    struct reach *reach = malloc(sizeof *reach);
    if (reach == NULL)
        return NULL;
    memset(reach, 0, offsetof(struct reach, buffer));
    reach->live = live;
    reach->memory = memory;
    reach->mappings = mappings;
    reach->queue_room = live->slab_count + live->single_count + 1; /* each stands there once */
    reach->queue = malloc(reach->queue_room * sizeof *reach->queue);
    if (reach->queue == NULL) {
        free(reach);
        return NULL;
    }
    return reach;
}

void reach_free(struct reach *reach)
{
    if (reach != NULL)
        free(reach->queue);
    free(reach);
}

/* ---- words ------------------------------------------------------------- */

void reach_block(struct reach *reach, const struct live_block *block)
{
    struct live *live = reach->live;
    bool *queued = block->is_single ? &live->singles[block->owner].queued : &live->slabs[block->owner].queued;
    live_set(live, LIVE_REACHED, block->number);
    if (*queued)
        return;
    *queued = true;
    size_t last = reach->queue_first + reach->queue_count++;
    reach->queue[last < reach->queue_room ? last : last - reach->queue_room] =
        2 * (uint64_t)block->owner + block->is_single;
}

void reach_words(const uintptr_t *words, size_t count, void *context)
{
    struct reach *reach = context;
    const struct live *live = reach->live;
    uintptr_t low = live->low, span = live->high - low;
    for (size_t i = 0; i < count; i++) {
        struct live_block block;
        if (words[i] - low < span && live_find(live, words[i], &block) &&
            live_has(live, LIVE_WANTED, block.number) && !live_has(live, LIVE_REACHED, block.number))
            reach_block(reach, &block);
    }
}

static void search_words(struct reach *reach, const unsigned char *bytes, size_t size)
{
    reach_words((const uintptr_t *)(const void *)bytes, size / sizeof(uintptr_t), reach);
}

/* ---- slabs ------------------------------------------------------------- */

static bool is_pending(const struct live *live, uint64_t number)
{
    return live_has(live, LIVE_REACHED, number) && !live_has(live, LIVE_SEARCHED, number);
}

/* Reads a range into the buffer, unless it is there. */
static bool fetch(struct reach *reach, uintptr_t start, uintptr_t end)
{
    if (start >= reach->kept_start && end <= reach->kept_end)
        return true;
    reach->kept_start = reach->kept_end = 0;
    if (end - start > sizeof reach->buffer || !remote_read(reach->memory, start, reach->buffer, end - start))
        return false;
    reach->bytes += end - start;
    reach->kept_start = start;
    reach->kept_end = end;
    return true;
}

/* Of a block in the buffer. */
static bool is_free(const struct reach *reach, uintptr_t start)
{
    uint64_t mark;
    memcpy(&mark, reach->buffer + (start - reach->kept_start) + sizeof mark, sizeof mark);
    return reach->has_marks && mark == hak__mix(start, reach->secret);
}

static void show(const struct reach *reach, uintptr_t start)
{
    struct live_block block;
    if (reach->visit != NULL && live_find(reach->live, start, &block))
        reach->visit(&block, reach->context);
}

static void search_block(struct reach *reach, uintptr_t start, size_t size, uint64_t number)
{
    live_set(reach->live, LIVE_SEARCHED, number);
    if (!fetch(reach, start, start + size))
        reach->unread++;
    else if (!is_free(reach, start))
        search_words(reach, reach->buffer + (start - reach->kept_start), size);
    show(reach, start);
}

struct pending {
    uint32_t first, last, count;
};

static struct pending find_pending(const struct live *live, const struct live_slab *slab)
{
    struct pending pending = {0};
    const uint64_t *reached = live->bits[LIVE_REACHED] + slab->first / 64;
    const uint64_t *searched = live->bits[LIVE_SEARCHED] + slab->first / 64;
    for (uint32_t i = 0; i < (slab->count + 63) / 64; i++) {
        uint64_t word = reached[i] & ~searched[i];
        if (word == 0)
            continue;
        if (pending.count == 0)
            pending.first = 64 * i + hak__lowest_bit(word);
        pending.last = 64 * i + hak__highest_bit(word);
        pending.count += (uint32_t)__builtin_popcountll(word);
    }
    return pending;
}

/* Blocks that are reached from within the slab are searched at once, as long as they are in the buffer. */
static void search_slab(struct reach *reach, size_t owner)
{
    struct live *live = reach->live;
    struct live_slab *slab = &live->slabs[owner];
    unsigned rounds = 0;
    for (struct pending pending; (pending = find_pending(live, slab)).count > 0; rounds++) {
        uintptr_t start = slab->start + (uintptr_t)pending.first * slab->size;
        uintptr_t end = slab->start + ((uintptr_t)pending.last + 1) * slab->size;
        if (rounds == ROUNDS) /* a list leads through it */
            fetch(reach, slab->start, slab->start + (uintptr_t)slab->count * slab->size);
        else if (pending.count >= TOGETHER && (end - start) / pending.count <= NEAR) /* else each is read by itself, if it is not in the buffer */
            fetch(reach, start, end);
        for (uint32_t i = pending.first; i <= pending.last; i++)
            if (is_pending(live, slab->first + i))
                search_block(reach, slab->start + (uintptr_t)i * slab->size, slab->size, slab->first + i);
    }
    slab->queued = false;
}

void reach_keep(struct reach *reach, const struct live_block *block)
{
    if (block->is_single)
        return;
    const struct live_slab *slab = &reach->live->slabs[block->owner];
    fetch(reach, slab->start, slab->start + (uintptr_t)slab->count * slab->size);
}

bool reach_peek(struct reach *reach, const struct live_block *block, uint64_t words[2])
{
    size_t size = block->size < 16 ? (size_t)block->size : 16;
    words[0] = words[1] = 0;
    if (block->start < reach->kept_start || block->start + size > reach->kept_end)
        return remote_read(reach->memory, block->start, words, size);
    memcpy(words, reach->buffer + (block->start - reach->kept_start), size);
    return true;
}

/* ---- large blocks ------------------------------------------------------ */

static void search_part(uintptr_t start, uintptr_t end, void *context)
{
    struct reach *reach = context;
    for (uintptr_t at = start, next; at < end; at = next) {
        next = end - at < PART ? end : at + PART;
        if (fetch(reach, at, next))
            search_words(reach, reach->buffer + (at - reach->kept_start), next - at);
        else
            reach->unread++;
    }
}

static void search_single(struct reach *reach, size_t owner)
{
    struct live_single *single = &reach->live->singles[owner];
    uintptr_t end = single->start + (uintptr_t)single->size;
    single->queued = false;
    if (live_has(reach->live, LIVE_SEARCHED, single->number))
        return;
    live_set(reach->live, LIVE_SEARCHED, single->number);
    if (reach->mappings != NULL && single->size > PART)
        mappings_readable(reach->mappings, single->start, end, search_part, reach);
    else
        search_part(single->start, end, reach);
    show(reach, single->start);
}

void reach_all(struct reach *reach)
{
    while (reach->queue_count > 0) {
        uint64_t next = reach->queue[reach->queue_first];
        reach->queue_first = reach->queue_first + 1 < reach->queue_room ? reach->queue_first + 1 : 0;
        reach->queue_count--;
        if (next % 2 != 0)
            search_single(reach, (size_t)(next / 2));
        else
            search_slab(reach, (size_t)(next / 2));
    }
}

/* SPDX-License-Identifier: MIT */
#include "reader/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "page/pagemap.h"
#include "page/span.h"
#include "reader/places.h"
#include "reader/reader.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/starter.h"

struct look {
    struct reader *reader;
    struct places places;
    reader_part_visit *visit;
    void *context;
    struct reader_part part; /* found last, and not visited yet; of no bytes at first */
    uintptr_t root[HAK_ROOT_SIZE];
    uint32_t word[HAK_LEAF_SIZE]; /* of one leaf, */
    uintptr_t leaf, start;        /* which is there and begins with that address */
    uintptr_t super;              /* the SuperSlab of which the records were read, or 0 */
    TinySlabMeta records[HAK_SUPERSLAB_UNITS];
    uintptr_t records_address;
    uint8_t kind[HAK_STARTER_KINDS];
};

/* ---- parts ------------------------------------------------------------- */

static bool show_last(struct look *look)
{
    if (look->part.bytes == 0 || look->visit(&look->part, look->context))
        return true;
    look->reader->failure = READER_STOPPED;
    return false;
}

/* One of which another one begins inside is cut off there. */
static void cut(struct look *look, uintptr_t start)
{
    struct reader_part *part = &look->part;
    if (part->bytes <= start - part->start)
        return;
    part->bytes = start - part->start;
    part->live_bytes = part->live_bytes < part->bytes ? part->live_bytes : part->bytes;
    part->cached_bytes = part->cached_bytes < part->bytes ? part->cached_bytes : part->bytes;
    look->reader->summary->passed_over++;
}

static bool add(struct look *look, const struct reader_part *part)
{
    if (look->part.bytes != 0)
        cut(look, part->start);
    if (!show_last(look))
        return false;
    look->part = *part;
    return true;
}

static bool add_without_blocks(struct look *look, uintptr_t start, uint64_t bytes, enum reader_part_kind kind)
{
    struct reader_part *last = &look->part;
    if (last->kind == kind && last->start + last->bytes == start &&
        last->start >> HAK_SUPERSLAB_SHIFT == start >> HAK_SUPERSLAB_SHIFT && last->bytes != 0) {
        last->bytes += bytes;
        return true;
    }
    return add(look, &(struct reader_part){.start = start, .bytes = bytes, .kind = (uint8_t)kind});
}

/* ---- slabs ------------------------------------------------------------- */

static bool read_record(struct look *look, size_t index, uintptr_t *record)
{
    uintptr_t at = READER_FIELD(struct hak_pagemap_leaf, look->leaf, record) + index * sizeof *record;
    return reader_read(look->reader, at, record, sizeof *record);
}

/* The records of all slabs of a SuperSlab, by that of one. */
static bool read_records(struct look *look, size_t index)
{
    size_t slot = index % HAK_SUPERSLAB_UNITS;
    uintptr_t super = look->start + (index - slot) * HAK_GRANULE, record;
    if (super == look->super)
        return true;
    look->super = 0;
    if (!read_record(look, index, &record))
        return false;
    look->records_address = record - slot * sizeof(TinySlabMeta);
    if (!reader_read(look->reader, look->records_address, look->records, sizeof look->records))
        return false;
    look->super = super;
    return true;
}

/* Freed blocks of a slab that are in caches, in mail or in chains. */
static uint32_t count_cached(const struct look *look, const struct reader_part *part, uintptr_t record, uint32_t out)
{
    const struct places *places = &look->places;
    uint64_t count = 0, end = part->start + part->bytes;
    for (size_t i = places_find(places, part->start); i < places->count && places->block[i].block < end; i++)
        count += (places->block[i].block - part->start) % part->size == 0;
    for (size_t i = places_find_chain(places, record);
         i < places->chain_count && places->chain[i].slab == record; i++)
        count += places->chain[i].count;
    return count < out ? (uint32_t)count : out;
}

/* The process's first blocks, of all classes; none of them is cached. */
static bool count_starter(struct look *look, struct reader_part *part)
{
    uintptr_t starter = 0;
    if (!reader_read(look->reader, (uintptr_t)look->reader->block->starter, &starter, sizeof starter) ||
        !reader_read(look->reader, READER_FIELD(struct hak_starter, starter, kind), look->kind, sizeof look->kind))
        return false;
    for (size_t i = 0; i < HAK_STARTER_KINDS; i++)
        if (look->kind[i] - 1u < HAK_CLASS_COUNT) {
            part->live++;
            part->live_bytes += hak__class_size(look->kind[i] - 1u);
        }
    part->size = 0;
    part->capacity = 0;
    if (part->live_bytes > part->bytes)
        part->live_bytes = part->bytes;
    return true;
}

static bool agrees(const TinySlabMeta *record, const struct slab_view *view, unsigned class_idx, uintptr_t base)
{
    return view->state <= SLAB_FULL && view->class_idx == class_idx && view->free <= view->carved &&
           (class_idx == HAK_CLASS_STARTER || view->carved <= hak__class_info[class_idx].capacity) &&
           record->base == base && record->slot == (base >> HAK_GRANULE_SHIFT) % HAK_SUPERSLAB_UNITS;
}

static bool add_slab(struct look *look, size_t index, size_t units, unsigned class_idx)
{
    size_t slot = index % HAK_SUPERSLAB_UNITS;
    uintptr_t base = look->start + index * HAK_GRANULE;
    uint32_t owner = hak__owner_of(look->word[index]);
    if (slot + units > HAK_SUPERSLAB_UNITS || !read_records(look, index))
        return reader_pass_over(look->reader);
    const TinySlabMeta *record = &look->records[slot];
    const struct hak_class_info *info = &hak__class_info[class_idx];
    struct slab_view view = slab_freelist_view_copy(record);
    if (view.state == SLAB_UNUSED || view.state == SLAB_CLAIMED)
        return add_without_blocks(look, base, units * HAK_GRANULE, READER_PART_SLOT);
    if (!agrees(record, &view, class_idx, base))
        return reader_pass_over(look->reader);
    struct reader_part part = {.start = base, .bytes = units * HAK_GRANULE, .kind = READER_PART_SLAB,
                               .class_idx = (uint8_t)class_idx, .size = info->size, .capacity = info->capacity,
                               .sampled = owner == HAK_OWNER_SAMPLED};
    uint16_t holes;
    memcpy(&holes, (const void *)&record->holes, sizeof holes);
    part.heap = part.sampled ? 0 : owner;
    if (class_idx == HAK_CLASS_STARTER) {
        if (!count_starter(look, &part))
            return reader_pass_over(look->reader);
    } else {
        uint32_t out = view.carved - view.free;
        part.returned = holes < view.free ? holes : view.free;
        part.cached = count_cached(look, &part, look->records_address + slot * sizeof *record, out);
        part.live = out - part.cached;
        part.live_bytes = part.live * part.size;
        part.cached_bytes = part.cached * part.size;
    }
    look->reader->summary->slabs++;
    return add(look, &part);
}

/* ---- large blocks ------------------------------------------------------ */

static uint32_t keeper_of(const struct places *places, uintptr_t block)
{
    size_t i = places_find(places, block);
    return i < places->count && places->block[i].block == block ? places->block[i].heap : 0;
}

/* How many bytes of granules it has; 0 if it cannot be. A mapping of its own has no number of granules. */
static uint64_t span_bytes(const struct hak_span *span, uintptr_t base, uint32_t offset, bool huge)
{
    uint64_t room = hak__pagemap_address((struct hak_pagemap_place){HAK_ROOT_SIZE, 0}) - base, bytes;
    if (span->base != base || offset >= HAK_GRANULE || span->size == 0 || span->size > room - offset)
        return 0;
    bytes = huge ? hak__align_up(span->size + offset, HAK_GRANULE) : span->units;
    if (!huge)
        bytes = span->units <= room / HAK_GRANULE ? bytes * HAK_GRANULE : 0;
    return bytes >= span->size + offset && bytes <= room ? bytes : 0;
}

static bool add_span(struct look *look, size_t index, bool huge)
{
    struct hak_span span;
    uintptr_t record, base = look->start + index * HAK_GRANULE;
    uint32_t offset;
    uint8_t kept, sampled;
    if (!read_record(look, index, &record) || !reader_read(look->reader, record, &span, sizeof span))
        return reader_pass_over(look->reader);
    memcpy(&offset, (const void *)&span.offset, sizeof offset);
    memcpy(&kept, (const void *)&span.cached, sizeof kept);
    memcpy(&sampled, (const void *)&span.sampled, sizeof sampled);
    uint64_t bytes = span_bytes(&span, base, offset, huge);
    if (bytes == 0)
        return reader_pass_over(look->reader);
    struct reader_part part = {.start = base, .bytes = bytes, .size = span.size, .capacity = 1,
                               .kind = huge ? READER_PART_HUGE : READER_PART_LARGE, .sampled = sampled != 0};
    bool cached = !huge && kept != 0;
    *(cached ? &part.cached : &part.live) = 1;
    *(cached ? &part.cached_bytes : &part.live_bytes) = bytes;
    if (cached)
        part.heap = keeper_of(&look->places, base + offset);
    look->reader->summary->spans++;
    return add(look, &part);
}

/* ---- the page map ------------------------------------------------------ */

/* What begins in a granule; *units: how many granules it has. */
static bool add_granule(struct look *look, size_t index, size_t *units)
{
    uint32_t word = look->word[index], code = word & (HAK_GROWING - 1);
    uintptr_t start = look->start + index * HAK_GRANULE;
    if (code - 1 <= HAK_CLASS_STARTER) {
        size_t slab = (size_t)1 << (hak__class_info[code - 1].slab_shift - HAK_GRANULE_SHIFT);
        if (index % slab != 0) /* its first granule has changed */
            return reader_pass_over(look->reader);
        *units = slab;
        return add_slab(look, index, slab, code - 1);
    }
    if (word == HAK_CODE_LARGE || word == HAK_CODE_HUGE)
        return add_span(look, index, word == HAK_CODE_HUGE);
    if (word == HAK_CODE_SLAB_FREE)
        return add_without_blocks(look, start, HAK_GRANULE, READER_PART_SLOT);
    if (word == HAK_CODE_SPAN_FREE || word == HAK_CODE_SPAN_INSIDE)
        return add_without_blocks(look, start, HAK_GRANULE, READER_PART_SPARE);
    return true;
}

static bool add_leaf(struct look *look, size_t number)
{
    look->leaf = (uintptr_t)look->reader->block->page_map + offsetof(struct hak_pagemap, none) +
                 look->root[number] * sizeof(uint32_t);
    look->start = hak__pagemap_address((struct hak_pagemap_place){number, 0});
    if (!reader_read(look->reader, READER_FIELD(struct hak_pagemap_leaf, look->leaf, word), look->word,
                     sizeof look->word))
        return reader_pass_over(look->reader);
    for (size_t i = 0, units; i < HAK_LEAF_SIZE; i += units) {
        units = 1;
        if (look->word[i] != HAK_CODE_NONE && !add_granule(look, i, &units))
            return false;
    }
    return true;
}

enum reader_result reader_parts(const struct remote_memory *memory, const struct hak_stats_block *block,
                                uint64_t reads, reader_part_visit *visit, void *context,
                                struct reader_summary *summary)
{
    struct reader reader = {.memory = memory, .block = block, .reads_left = reads, .summary = summary};
    struct look *look = aligned_alloc(_Alignof(struct look), sizeof *look); /* more than malloc's alignment */
    *summary = (struct reader_summary){0};
    if (look == NULL)
        return READER_NO_MEMORY;
    memset(look, 0, sizeof *look);
    look->reader = &reader;
    look->visit = visit;
    look->context = context;
    errno = 0;
    bool good = reader_read_root(&reader, READER_FIELD(struct hak_pagemap, block->page_map, root), look->root,
                                 sizeof look->root) &&
                places_read(&reader, &look->places);
    for (size_t i = 0; good && i < HAK_ROOT_SIZE; i++)
        good = look->root[i] == 0 || add_leaf(look, i);
    if (good)
        show_last(look);
    places_free(&look->places);
    free(look);
    return reader.failure;
}

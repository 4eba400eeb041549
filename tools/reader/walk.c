/* SPDX-License-Identifier: MIT */
#include "reader/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "page/pagemap.h"
#include "page/span.h"
#include "reader/slabs.h"

enum { PAGE_LEAST = 4096, PAGE_MOST = HAK_GRANULE };

struct walk {
    struct slab_visit slabs;
    struct reader *reader;
    struct places places;
    uintptr_t root[HAK_ROOT_SIZE];
    uint32_t word[HAK_LEAF_SIZE]; /* of one leaf, */
    uintptr_t leaf, start;        /* which is there and begins with that address */
    /* where the addresses of records were read last: those of the granules of what is aligned like a SuperSlab */
    uintptr_t group, group_record[HAK_SUPERSLAB_UNITS];
    /* of the SuperSlab that was met last */
    uintptr_t records_address;
    TinySlabMeta records[HAK_SUPERSLAB_UNITS];
    uintptr_t near; /* where spans were read together, or 0 */
    unsigned char spans[PAGE_LEAST];
    struct slab_blocks blocks;
};

/* ---- granules ---------------------------------------------------------- */

static bool read_record(struct walk *walk, size_t index, uintptr_t *record)
{
    size_t group = index & ~(size_t)(HAK_SUPERSLAB_UNITS - 1);
    uintptr_t at = READER_FIELD(struct hak_pagemap_leaf, walk->leaf, record) + group * sizeof *record;
    if (walk->group != at) {
        walk->group = 0;
        if (!reader_read(walk->reader, at, walk->group_record, sizeof walk->group_record))
            return false;
        walk->group = at;
    }
    *record = walk->group_record[index - group];
    return true;
}

static bool visit_slab(struct walk *walk, size_t index, size_t units)
{
    uintptr_t base = walk->start + index * HAK_GRANULE, record;
    size_t slot = index % HAK_SUPERSLAB_UNITS;
    if (!read_record(walk, index, &record))
        return reader_pass_over(walk->reader);
    uintptr_t records = record - slot * sizeof(TinySlabMeta);
    if (records != walk->records_address) {
        walk->records_address = 0;
        if (!reader_read(walk->reader, records, walk->records, sizeof walk->records))
            return reader_pass_over(walk->reader);
        walk->records_address = records;
    }
    static_assert(HAK_LEAF_SIZE % HAK_SUPERSLAB_UNITS == 0 &&
                      HAK_MAP_BEGIN % (HAK_SUPERSLAB_UNITS * HAK_GRANULE) == 0,
                  "a SuperSlab has one leaf");
    if (slot + units > HAK_SUPERSLAB_UNITS)
        return reader_pass_over(walk->reader);
    return slab_visit_blocks(&walk->slabs, base, walk->word[index], &walk->records[slot], record);
}

/* A mapping of its own has no granules in its record. */
static bool is_span_at(const struct hak_span *span, uintptr_t base, uint32_t offset, enum reader_kind kind)
{
    uintptr_t room = UINTPTR_MAX - base - HAK_GRANULE;
    if (kind == READER_LARGE && span->units <= room / HAK_GRANULE)
        room = span->units * HAK_GRANULE;
    return span->base == base && offset < HAK_GRANULE && offset <= room && span->size > 0 &&
           span->size <= room - offset;
}

/* The heap that keeps a freed block, or 0. */
static uint32_t keeper_of(const struct places *places, uintptr_t block)
{
    size_t i = places_find(places, block);
    return i < places->count && places->block[i].block == block ? places->block[i].heap : 0;
}

/* Of many large blocks a whole page of records is read, in place of a record at a time. */
static bool read_span(struct walk *walk, uintptr_t record, struct hak_span *span)
{
    uintptr_t page = record & ~(uintptr_t)(PAGE_LEAST - 1);
    if (walk->slabs.whole == NULL || record - page > PAGE_LEAST - sizeof *span)
        return reader_read(walk->reader, record, span, sizeof *span);
    if (walk->near != page) {
        walk->near = 0;
        if (!reader_read(walk->reader, page, walk->spans, sizeof walk->spans))
            return reader_read(walk->reader, record, span, sizeof *span);
        walk->near = page;
    }
    memcpy(span, walk->spans + (record - page), sizeof *span);
    return true;
}

static bool visit_span(struct walk *walk, size_t index, enum reader_kind kind)
{
    struct hak_span span;
    uintptr_t record, base = walk->start + index * HAK_GRANULE;
    uint32_t offset;
    uint8_t kept, sampled;
    if (!read_record(walk, index, &record) || !read_span(walk, record, &span))
        return reader_pass_over(walk->reader);
    memcpy(&offset, (const void *)&span.offset, sizeof offset);
    memcpy(&kept, (const void *)&span.cached, sizeof kept);
    memcpy(&sampled, (const void *)&span.sampled, sizeof sampled);
    if (!is_span_at(&span, base, offset, kind))
        return reader_pass_over(walk->reader);
    struct reader_block block = {.address = base + offset, .size = span.size, .kind = kind,
                                 .sampled = sampled != 0};
    if (kind == READER_LARGE && kept != 0) {
        block.heap = keeper_of(&walk->places, block.address);
        block.state = block.heap != 0 ? READER_CACHED : READER_MOVING;
    }
    walk->reader->summary->spans++;
    uint64_t words[1][2] = {{0}};
    if (walk->slabs.whole == NULL &&
        reader_read_starts(walk->reader, block.address, sizeof words[0], 1, words))
        memcpy(block.word, words, sizeof block.word);
    if (walk->reader->failure == READER_DONE && !walk->slabs.visit(&block, walk->slabs.context))
        walk->reader->failure = READER_STOPPED;
    return walk->reader->failure == READER_DONE;
}

/* Of what begins in a granule; *units: how many granules it has. */
static bool visit_granule(struct walk *walk, size_t index, size_t *units)
{
    uint32_t word = walk->word[index], code = word & (HAK_GROWING - 1);
    *units = 1;
    if (code - 1 <= HAK_CLASS_STARTER) {
        *units = (size_t)1 << (hak__class_info[code - 1].slab_shift - HAK_GRANULE_SHIFT);
        if (index % *units != 0) { /* its first granule has changed */
            *units = 1;
            return reader_pass_over(walk->reader);
        }
        return visit_slab(walk, index, *units);
    }
    if (word == HAK_CODE_LARGE || word == HAK_CODE_HUGE)
        return visit_span(walk, index, word == HAK_CODE_HUGE ? READER_HUGE : READER_LARGE);
    return true;
}

static bool visit_leaf(struct walk *walk, size_t number)
{
    walk->leaf = (uintptr_t)walk->reader->block->page_map + offsetof(struct hak_pagemap, none) +
                 walk->root[number] * sizeof(uint32_t);
    walk->start = hak__pagemap_address((struct hak_pagemap_place){number, 0});
    if (!reader_read(walk->reader, READER_FIELD(struct hak_pagemap_leaf, walk->leaf, word), walk->word,
                     sizeof walk->word))
        return reader_pass_over(walk->reader);
    for (size_t i = 0, units; i < HAK_LEAF_SIZE; i += units) {
        units = 1;
        if (walk->word[i] != HAK_CODE_NONE && !visit_granule(walk, i, &units))
            return false;
    }
    return true;
}

/* ---- all --------------------------------------------------------------- */

static bool prepare(struct walk *walk)
{
    struct reader *reader = walk->reader;
    size_t page = reader->memory->page_size;
    if (page == 0)
        page = (size_t)sysconf(_SC_PAGESIZE);
    page = page < PAGE_LEAST ? PAGE_LEAST : page > PAGE_MOST ? PAGE_MOST : page;
    walk->slabs.page_shift = hak__lowest_bit(page);
    reader->summary->has_marks = reader->block->checks != 0;
    return reader_read_root(reader, (uintptr_t)reader->block->secret, &walk->slabs.secret,
                            sizeof walk->slabs.secret) &&
           reader_read_root(reader, READER_FIELD(struct hak_pagemap, reader->block->page_map, root),
                            walk->root, sizeof walk->root) &&
           places_read(reader, &walk->places);
}

static enum reader_result walk_with(struct reader *reader, const struct slab_visit *visit)
{
    struct walk *walk = aligned_alloc(_Alignof(struct walk), sizeof *walk); /* more than malloc's alignment */
    *reader->summary = (struct reader_summary){0};
    if (walk == NULL)
        return READER_NO_MEMORY;
    memset(walk, 0, sizeof *walk);
    walk->reader = reader;
    walk->slabs = *visit;
    walk->slabs.reader = reader;
    walk->slabs.places = &walk->places;
    walk->slabs.blocks = &walk->blocks;
    errno = 0;
    bool good = prepare(walk);
    for (size_t i = 0; good && i < HAK_ROOT_SIZE; i++)
        good = walk->root[i] == 0 || visit_leaf(walk, i);
    places_free(&walk->places);
    free(walk);
    return reader->failure;
}

enum reader_result reader_walk(const struct remote_memory *memory, const struct hak_stats_block *block,
                               uint64_t reads, reader_visit *visit, void *context,
                               struct reader_summary *summary)
{
    struct reader reader = {.memory = memory, .block = block, .reads_left = reads, .summary = summary};
    return walk_with(&reader, &(struct slab_visit){.visit = visit, .context = context});
}

enum reader_result reader_walk_slabs(const struct remote_memory *memory, const struct hak_stats_block *block,
                                     bool unread, reader_slab_visit *slabs, reader_visit *visit,
                                     void *context, struct reader_summary *summary)
{
    struct reader reader = {.memory = memory, .block = block, .reads_left = READER_READS_MOST, .summary = summary};
    return walk_with(&reader, &(struct slab_visit){.visit = visit, .whole = slabs, .unread = unread,
                                                   .context = context});
}

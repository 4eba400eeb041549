/* SPDX-License-Identifier: MIT */
#include "reader/own.h"

#include <stdlib.h>
#include <string.h>

#include "core/meta.h"
#include "page/pagemap.h"
#include "page/span.h"
#include "profile/tables.h"
#include "reader/reader.h"
#include "reader/remote_block.h"

/* Chunks of records double with what they serve; kept mappings are few. */
enum { LIST_MOST = 1 << 18, PAGE_MOST = HAK_GRANULE };

struct look {
    const struct remote_memory *memory;
    const struct hak_stats_block *block;
    const struct live *live;
    struct reader_ranges *own;
    uintptr_t until; /* what is below was added */
    uintptr_t root[HAK_ROOT_SIZE];
    uint32_t word[HAK_LEAF_SIZE];
};

/* ---- records ----------------------------------------------------------- */

static enum reader_result add(struct reader_ranges *own, uintptr_t start, uint64_t size)
{
    if (size > UINTPTR_MAX - start)
        return READER_DAMAGED;
    return ranges_add(own, start, start + (uintptr_t)size) ? READER_DONE : READER_NO_MEMORY;
}

static enum reader_result add_chunks(struct look *look)
{
    struct hak_meta_chunk chunk;
    uintptr_t at = 0;
    enum reader_result result = READER_DONE;
    if (!remote_read(look->memory, (uintptr_t)look->block->meta_newest, &at, sizeof at))
        return READER_UNREADABLE;
    for (unsigned i = 0; at != 0 && result == READER_DONE; i++) {
        if (i == LIST_MOST)
            return READER_DAMAGED;
        if (!remote_read(look->memory, at, &chunk, sizeof chunk))
            return READER_UNREADABLE;
        result = add(look->own, (uintptr_t)chunk.bytes, chunk.size);
        at = (uintptr_t)chunk.older;
    }
    return result;
}

enum reader_result own_read_kept(struct reader_ranges *kept, const struct remote_memory *memory,
                                 const struct hak_stats_block *block)
{
    struct hak_span span;
    uintptr_t at = 0;
    enum reader_result result = READER_DONE;
    if (!remote_read(memory, (uintptr_t)block->huge_newest, &at, sizeof at))
        return READER_UNREADABLE;
    for (unsigned i = 0; at != 0 && result == READER_DONE; i++) {
        if (i == LIST_MOST)
            return READER_DAMAGED;
        if (!remote_read(memory, at, &span, sizeof span))
            return READER_UNREADABLE;
        result = add(kept, span.base, span.size);
        at = (uintptr_t)span.next;
    }
    ranges_sort(kept);
    return result;
}

/* The profiler's samples have addresses of blocks. */
static enum reader_result add_profile(struct look *look)
{
    struct hak_profile profile;
    if (!remote_read(look->memory, (uintptr_t)look->block->profile, &profile, sizeof profile))
        return READER_UNREADABLE;
    const struct hak_profile_table *samples = &profile.samples;
    return add(look->own, (uintptr_t)samples->records, (uint64_t)samples->most * sizeof(struct hak_sample));
}

/* ---- the page map ------------------------------------------------------ */

static bool single_begins(const struct look *look, uintptr_t granule, struct live_block *block)
{
    const struct live *live = look->live;
    size_t low = 0, high = live->single_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (live->singles[middle].start < granule)
            low = middle + 1;
        else
            high = middle;
    }
    return low < live->single_count && live->singles[low].start - granule < HAK_GRANULE &&
           live_find(live, live->singles[low].start, block);
}

/*
 * How much of the memory from a granule on is the library's. A mapping of its own may end within a granule,
 * and another one of the program may follow there.
 */
static uint64_t bytes_from(const struct look *look, uintptr_t start, uint32_t word)
{
    struct live_block block;
    uintptr_t page = look->memory->page_size != 0 ? look->memory->page_size : 4096;
    if ((word & (HAK_GROWING - 1)) == HAK_CODE_HUGE && single_begins(look, start, &block))
        return ((block.start - start + block.size + page - 1) & ~(uint64_t)(page - 1));
    return hak__is_inside(word) ? (uint64_t)HAK_GRANULE << (word - HAK_CODE_INSIDE) : HAK_GRANULE;
}

static uintptr_t leaf_of(const struct look *look, size_t number)
{
    return (uintptr_t)look->block->page_map + offsetof(struct hak_pagemap, none) +
           look->root[number] * sizeof(uint32_t);
}

static enum reader_result add_leaf(struct look *look, size_t number)
{
    uintptr_t leaf = leaf_of(look, number);
    uintptr_t start = hak__pagemap_address((struct hak_pagemap_place){number, 0});
    enum reader_result result = add(look->own, leaf, sizeof(struct hak_pagemap_leaf));
    if (result != READER_DONE)
        return result;
    if (!remote_read(look->memory, READER_FIELD(struct hak_pagemap_leaf, leaf, word), look->word,
                     sizeof look->word))
        return READER_UNREADABLE;
    for (size_t i = 0; i < HAK_LEAF_SIZE && result == READER_DONE; i++) {
        uintptr_t granule = start + i * HAK_GRANULE;
        if (look->word[i] == HAK_CODE_NONE || granule < look->until)
            continue;
        uint64_t bytes = bytes_from(look, granule, look->word[i]);
        result = add(look->own, granule, bytes);
        look->until = granule + (uintptr_t)bytes; /* added without an overflow */
    }
    return result;
}

static enum reader_result add_leaf_alone(struct look *look, size_t number)
{
    return add(look->own, leaf_of(look, number), sizeof(struct hak_pagemap_leaf));
}

static enum reader_result add_map(struct look *look, enum reader_result (*add_one)(struct look *, size_t))
{
    enum reader_result result = READER_DONE;
    if (!remote_read(look->memory, READER_FIELD(struct hak_pagemap, look->block->page_map, root), look->root,
                     sizeof look->root))
        return READER_UNREADABLE;
    for (size_t i = 0; i < HAK_ROOT_SIZE && result == READER_DONE; i++)
        if (look->root[i] != 0)
            result = add_one(look, i);
    return result;
}

/* The variables of the shared library in which the block is. */
static enum reader_result add_object(struct look *look, uintptr_t address, const struct reader_mappings *mappings)
{
    uintptr_t end = 0;
    for (size_t i = 0; i < mappings->count; i++) {
        const struct reader_mapping *mapping = &mappings->mapping[i];
        if (mapping->inode == 0 || mapping->inode == mappings->program || mapping->offset != 0 ||
            mapping->start > address || !remote_image_end(look->memory, mapping->start, &end) || address >= end)
            continue;
        return add(look->own, mapping->start, end - mapping->start);
    }
    return READER_DONE;
}

enum reader_result own_read(struct reader_ranges *own, const struct remote_memory *memory,
                            const struct hak_stats_block *block, uintptr_t address, const struct live *live,
                            const struct reader_mappings *mappings)
{
    struct look *look = malloc(sizeof *look);
    if (look == NULL)
        return READER_NO_MEMORY;
    *look = (struct look){.memory = memory, .block = block, .live = live, .own = own};
    enum reader_result result = add_object(look, address, mappings);
    if (result == READER_DONE)
        result = add_chunks(look);
    if (result == READER_DONE)
        result = own_read_kept(own, memory, block);
    if (result == READER_DONE)
        result = add_profile(look);
    if (result == READER_DONE)
        result = add_map(look, add_leaf);
    ranges_sort(own);
    free(look);
    return result;
}

enum reader_result own_read_records(struct reader_ranges *own, const struct remote_memory *memory,
                                    const struct hak_stats_block *block)
{
    struct look *look = malloc(sizeof *look);
    if (look == NULL)
        return READER_NO_MEMORY;
    *look = (struct look){.memory = memory, .block = block, .own = own};
    enum reader_result result = add_chunks(look);
    if (result == READER_DONE)
        result = add_profile(look);
    if (result == READER_DONE)
        result = add_map(look, add_leaf_alone);
    ranges_sort(own);
    free(look);
    return result;
}

/* SPDX-License-Identifier: MIT */
#include "reader/slabs.h"

#include <string.h>

#include "base/mix.h"
#include "page/pagemap.h"
#include "slab/slab_freelist_atomic.h"

/* A slab that was found to agree with itself. */
struct slab {
    const TinySlabMeta *records;
    uintptr_t address; /* of the first record in the process */
    uintptr_t base;
    size_t size;       /* of a block, or of a place of the starter */
    uint32_t carved, head, free;
    unsigned class_idx;
};

static bool pass_over(struct slab_visit *visit)
{
    visit->reader->summary->passed_over++;
    return visit->reader->failure == READER_DONE;
}

/* ---- what is live ------------------------------------------------------ */

static bool page_has_memory(const TinySlabMeta *records, size_t page, unsigned shift)
{
    unsigned in_slot = HAK_GRANULE_SHIFT - shift;
    uint16_t pages;
    memcpy(&pages, (const void *)&records[page >> in_slot].pages, sizeof pages);
    return (pages >> (page & ((1u << in_slot) - 1)) & 1) != 0;
}

static bool is_in_hole(const struct slab *slab, uint32_t index, unsigned shift)
{
    size_t last = (((size_t)index + 1) * slab->size - 1) >> shift;
    for (size_t page = (size_t)index * slab->size >> shift; page <= last; page++)
        if (!page_has_memory(slab->records, page, shift))
            return true;
    return false;
}

static void find_holes(struct slab_visit *visit, const struct slab *slab)
{
    uint16_t holes;
    memcpy(&holes, (const void *)&slab->records->holes, sizeof holes);
    memset(visit->blocks->state, READER_LIVE, slab->carved);
    memset(visit->blocks->heap, 0, slab->carved * sizeof visit->blocks->heap[0]);
    if (visit->whole == NULL) /* else nobody sees the words of holes */
        memset(visit->blocks->word, 0, slab->carved * sizeof visit->blocks->word[0]);
    for (uint32_t i = 0; holes != 0 && i < slab->carved; i++)
        if (is_in_hole(slab, i, visit->page_shift))
            visit->blocks->state[i] = READER_HOLE;
}

/* Of blocks that are in no hole. */
static bool read_words(struct slab_visit *visit, const struct slab *slab)
{
    const uint8_t *state = visit->blocks->state;
    for (uint32_t first = 0, end; first < slab->carved; first = end) {
        for (end = first + 1; end < slab->carved && state[end] == state[first];)
            end++;
        if (state[first] == READER_HOLE)
            continue;
        if (!reader_read_starts(visit->reader, slab->base + first * slab->size, slab->size, end - first,
                                &visit->blocks->word[first]))
            return false;
    }
    return true;
}

static void find_marks(struct slab_visit *visit, const struct slab *slab)
{
    struct slab_blocks *blocks = visit->blocks;
    for (uint32_t i = 0; i < slab->carved; i++) {
        uintptr_t address = slab->base + i * slab->size;
        if (blocks->state[i] == READER_LIVE && blocks->word[i][1] == hak__mix(address, visit->secret))
            blocks->state[i] = READER_MOVING;
    }
}

/* Blocks that are linked, from a number on; ends at what is no link, and after so many. */
static void follow(struct slab_visit *visit, const struct slab *slab, uint32_t number, uint32_t count,
                   enum reader_state state, uint32_t heap)
{
    struct slab_blocks *blocks = visit->blocks;
    while (count-- > 0 && number < slab->carved &&
           (blocks->state[number] == READER_LIVE || blocks->state[number] == READER_MOVING)) {
        uint64_t mask = hak__mix(slab->base + number * slab->size, slab->records->link_key) >> 16;
        uint32_t first;
        memcpy(&first, blocks->word[number], sizeof first);
        uint32_t link = first ^ (uint32_t)mask;
        blocks->state[number] = (uint8_t)state;
        blocks->heap[number] = heap;
        number = link & HAK_SLAB_FIELD;
        if (number * HAK_LINK_SPREAD != link)
            return;
    }
}

static void find_placed(struct slab_visit *visit, const struct slab *slab)
{
    const struct places *places = visit->places;
    uintptr_t end = slab->base + slab->carved * slab->size;
    for (size_t i = places_find(places, slab->base);
         i < places->count && places->block[i].block < end; i++) {
        uintptr_t offset = places->block[i].block - slab->base;
        if (offset % slab->size != 0)
            continue;
        visit->blocks->state[offset / slab->size] = (uint8_t)places->block[i].state;
        visit->blocks->heap[offset / slab->size] = places->block[i].heap;
    }
}

static void find_listed(struct slab_visit *visit, const struct slab *slab)
{
    const struct places *places = visit->places;
    follow(visit, slab, slab->head, slab->free, READER_FREE, 0);
    for (size_t i = places_find_chain(places, slab->address);
         i < places->chain_count && places->chain[i].slab == slab->address; i++)
        follow(visit, slab, places->chain[i].first, places->chain[i].count, READER_CHAINED,
               places->chain[i].heap);
    find_placed(visit, slab);
}

/* ---- visits ------------------------------------------------------------ */

static bool show(struct slab_visit *visit, const struct slab *slab, uint32_t i, unsigned class_idx,
                 uint32_t owner)
{
    struct reader_block block = {.address = slab->base + i * slab->size,
                                 .size = hak__class_size(class_idx),
                                 .kind = READER_SMALL,
                                 .state = visit->blocks->state[i],
                                 .class_idx = class_idx,
                                 .owner = owner == HAK_OWNER_SAMPLED ? 0 : owner,
                                 .heap = visit->blocks->heap[i],
                                 .sampled = owner == HAK_OWNER_SAMPLED};
    memcpy(block.word, visit->blocks->word[i], sizeof block.word);
    if (visit->visit(&block, visit->context))
        return true;
    visit->reader->failure = READER_STOPPED;
    return false;
}

/* The process's first blocks: a table says what begins where, and whether it was freed. */
static bool visit_starter(struct slab_visit *visit, const struct slab *slab)
{
    struct slab_blocks *blocks = visit->blocks;
    uintptr_t starter = 0;
    if (!reader_read(visit->reader, (uintptr_t)visit->reader->block->starter, &starter, sizeof starter) ||
        !reader_read(visit->reader, READER_FIELD(struct hak_starter, starter, kind), blocks->kind,
                     sizeof blocks->kind) ||
        !read_words(visit, slab))
        return pass_over(visit);
    for (uint32_t i = 0; i < slab->carved; i++) {
        unsigned class_idx = (blocks->kind[i] & ~(unsigned)HAK_STARTER_FREED) - 1;
        if (class_idx >= HAK_CLASS_COUNT)
            continue;
        if ((blocks->kind[i] & HAK_STARTER_FREED) != 0)
            blocks->state[i] = READER_FREE;
        if (!show(visit, slab, i, class_idx, 0))
            return false;
    }
    return true;
}

/* Whether a block may be free: of the slab's list, or in one of the places. */
static bool may_have_free(const struct slab_visit *visit, const struct slab *slab)
{
    const struct places *places = visit->places;
    size_t block = places_find(places, slab->base), chain = places_find_chain(places, slab->address);
    return slab->free != 0 ||
           (block < places->count && places->block[block].block < slab->base + slab->carved * slab->size) ||
           (chain < places->chain_count && places->chain[chain].slab == slab->address);
}

static bool show_whole(struct slab_visit *visit, const struct slab *slab, uint32_t owner)
{
    struct reader_slab whole = {.start = slab->base, .size = slab->size, .count = slab->carved,
                                .class_idx = slab->class_idx, .sampled = owner == HAK_OWNER_SAMPLED,
                                .state = visit->blocks->state};
    if (visit->whole(&whole, visit->context))
        return true;
    visit->reader->failure = READER_STOPPED;
    return false;
}

static bool visit_slab(struct slab_visit *visit, const struct slab *slab, uint32_t owner)
{
    if (visit->whole != NULL && (visit->unread || !may_have_free(visit, slab))) {
        find_placed(visit, slab);
        return show_whole(visit, slab, owner);
    }
    if (!read_words(visit, slab))
        return pass_over(visit);
    if (visit->reader->summary->has_marks)
        find_marks(visit, slab);
    find_listed(visit, slab);
    if (visit->whole != NULL)
        return show_whole(visit, slab, owner);
    for (uint32_t i = 0; i < slab->carved; i++)
        if (!show(visit, slab, i, slab->class_idx, owner))
            return false;
    return true;
}

bool slab_visit_blocks(struct slab_visit *visit, uintptr_t base, uint32_t word,
                       const TinySlabMeta *records, uintptr_t address)
{
    struct slab_view view = slab_freelist_view_copy(records);
    unsigned class_idx = (word & (HAK_GROWING - 1)) - 1;
    const struct hak_class_info *info = &hak__class_info[class_idx];
    uint32_t most = class_idx == HAK_CLASS_STARTER ? HAK_STARTER_PLACES : info->capacity;
    struct slab slab = {.records = records, .address = address, .base = base, .size = info->size,
                        .carved = view.carved, .head = view.head, .free = view.free,
                        .class_idx = class_idx};
    if (view.state == SLAB_UNUSED || view.state == SLAB_CLAIMED)
        return true; /* nothing of it is out */
    if (view.state > SLAB_FULL || view.class_idx != class_idx || view.carved > most ||
        view.free > view.carved || records->base != base ||
        records->slot != (base >> HAK_GRANULE_SHIFT) % HAK_SUPERSLAB_UNITS)
        return pass_over(visit);
    visit->reader->summary->slabs++;
    find_holes(visit, &slab);
    return class_idx == HAK_CLASS_STARTER ? visit_starter(visit, &slab)
                                          : visit_slab(visit, &slab, hak__owner_of(word));
}

/* SPDX-License-Identifier: MIT */
#include "reader/chain.h"

#include <stdlib.h>
#include <string.h>

#include "base/mix.h"

enum {
    NEXT_MOST = 1 << 20,  /* blocks of one distance that are listed; if there are more, all bits are looked through */
    ROOTS_MOST = 1 << 20, /* blocks of which it is known which root leads to them */
    LINES = 64,           /* slabs of which there are copies */
    SMALL = 8192          /* bytes of blocks that are read with their slab if many are to be searched */
};

#define CHAIN_ROOT UINT32_MAX

/* A block that a root leads to. */
struct chain_root {
    uint32_t number, thread;
    uintptr_t address; /* or the number of a register */
    bool is_register;
};

bool chain_begin(struct chain *chain)
{
    chain->parent = calloc(chain->live->room, sizeof *chain->parent);
    chain->next = malloc(NEXT_MOST * sizeof *chain->next);
    chain->links = calloc(CHAIN_SHOWN, sizeof *chain->links);
    chain->pointers = calloc(CHAIN_POINTERS, sizeof *chain->pointers);
    return copies_make(&chain->copies, chain->memory, LINES) && chain->parent != NULL && chain->next != NULL &&
           chain->links != NULL && chain->pointers != NULL;
}

void chain_free(struct chain *chain)
{
    copies_free(&chain->copies);
    free(chain->parent);
    free(chain->next);
    free(chain->links);
    free(chain->pointers);
    free(chain->root);
}

/* ---- what is reached --------------------------------------------------- */

static void push(struct chain *chain, uint64_t number, uint32_t parent)
{
    chain->parent[number] = parent;
    live_set(chain->live, LIVE_FIRST, number);
    if (chain->next_count < NEXT_MOST)
        chain->next[chain->next_count++] = (uint32_t)number;
    else
        chain->many = true;
}

static bool is_reached(const struct chain *chain)
{
    return chain->parent[chain->target.number] != 0;
}

static void add_pointer(struct chain *chain, const struct chain_place *place)
{
    size_t most = chain->pointers_most < CHAIN_POINTERS ? chain->pointers_most : CHAIN_POINTERS;
    if (chain->pointer_count < most)
        chain->pointers[chain->pointer_count++] = *place;
    chain->pointer_total++;
}

static bool leads_to(uintptr_t word, const struct live_block *block)
{
    return word - block->start < block->size;
}

/* The block in use that a word leads to and that was not reached yet. */
static bool is_new(const struct chain *chain, uintptr_t word, struct live_block *found)
{
    return live_find(chain->live, word, found) && chain->parent[found->number] == 0 &&
           live_has(chain->live, LIVE_IN_USE, found->number);
}

/* ---- roots ------------------------------------------------------------- */

static void note_root(struct chain *chain, uint64_t number, const struct chain_place *place)
{
    if (chain->root_count == chain->root_room) {
        size_t room = chain->root_room == 0 ? 1024 : 2 * chain->root_room;
        struct chain_root *more = room <= ROOTS_MOST ? reallocarray(chain->root, room, sizeof *more) : NULL;
        if (more == NULL)
            return;
        chain->root = more;
        chain->root_room = room;
    }
    chain->root[chain->root_count++] =
        (struct chain_root){.number = (uint32_t)number, .thread = (uint32_t)place->thread,
                            .address = place->is_register ? place->index : place->address,
                            .is_register = place->is_register};
}

void chain_roots(const uintptr_t *words, size_t count, void *context)
{
    struct chain *chain = context;
    const struct roots *roots = chain->roots;
    const struct live *live = chain->live;
    struct live_block found;
    for (size_t i = 0; i < count; i++) {
        if (words[i] - live->low >= live->high - live->low)
            continue;
        struct chain_place place = {.is_root = true, .is_register = roots->at == 0, .thread = roots->thread,
                                    .index = i, .address = roots->at == 0 ? 0 : roots->at + i * sizeof *words};
        if (is_new(chain, words[i], &found)) {
            push(chain, found.number, CHAIN_ROOT);
            note_root(chain, found.number, &place);
        }
        if (leads_to(words[i], &chain->target))
            add_pointer(chain, &place);
    }
}

/* ---- blocks ------------------------------------------------------------ */

typedef void visit_words(struct chain *chain, const uintptr_t *words, size_t count, uintptr_t at);

struct reading {
    struct chain *chain;
    visit_words *visit;
};

static void read_part(uintptr_t start, uintptr_t end, void *context)
{
    const struct reading *reading = context;
    struct chain *chain = reading->chain;
    for (uintptr_t at = start, next; at < end; at = next) {
        next = end - at < COPIES_MOST ? end : at + COPIES_MOST;
        const unsigned char *bytes = copies_read(&chain->copies, at, next);
        if (bytes != NULL)
            reading->visit(chain, (const uintptr_t *)(const void *)bytes, (next - at) / sizeof(uintptr_t), at);
        else
            chain->unread++;
    }
}

static bool is_free(const struct chain *chain, uintptr_t start, const unsigned char *bytes)
{
    uint64_t mark;
    memcpy(&mark, bytes + sizeof mark, sizeof mark);
    return chain->has_marks && mark == hak__mix(start, chain->secret);
}

/* Visits the words of a block that is not free. */
static void read_block(struct chain *chain, const struct live_block *block, visit_words *visit)
{
    struct reading reading = {chain, visit};
    uintptr_t end = block->start + (uintptr_t)block->size;
    chain->searched = *block;
    if (block->is_single) {
        if (block->size > COPIES_MOST)
            mappings_readable(&chain->roots->mappings, block->start, end, read_part, &reading);
        else
            read_part(block->start, end, &reading);
        return;
    }
    const struct live_slab *slab = &chain->live->slabs[block->owner];
    const unsigned char *bytes = copies_read_block(&chain->copies, block->start, end, slab->start,
                                                   slab->start + (uintptr_t)slab->count * slab->size);
    if (bytes == NULL)
        chain->unread++;
    else if (!is_free(chain, block->start, bytes))
        visit(chain, (const uintptr_t *)(const void *)bytes, (size_t)block->size / sizeof(uintptr_t), block->start);
}

static void follow_words(struct chain *chain, const uintptr_t *words, size_t count, uintptr_t at)
{
    const struct live *live = chain->live;
    struct live_block found;
    (void)at;
    for (size_t i = 0; i < count; i++)
        if (words[i] - live->low < live->high - live->low && is_new(chain, words[i], &found))
            push(chain, found.number, (uint32_t)chain->searched.number);
}

static void find_pointers(struct chain *chain, const uintptr_t *words, size_t count, uintptr_t at)
{
    for (size_t i = 0; i < count; i++)
        if (leads_to(words[i], &chain->target))
            add_pointer(chain, &(struct chain_place){.address = at + i * sizeof *words, .block = chain->searched});
}

/* Reads all of a slab when the first of its blocks is visited. */
static void keep(struct chain *chain, const struct live_block *block)
{
    if (block->is_single || block->size > SMALL ||
        (block->owner == chain->searched.owner && !chain->searched.is_single && chain->searched.size != 0))
        return;
    const struct live_slab *slab = &chain->live->slabs[block->owner];
    copies_keep(&chain->copies, slab->start, slab->start + (uintptr_t)slab->count * slab->size);
}

static bool follow(struct live *live, const struct live_block *block, void *context)
{
    struct chain *chain = context;
    (void)live;
    keep(chain, block);
    read_block(chain, block, follow_words);
    return !is_reached(chain);
}

static bool look_for_pointers(struct live *live, const struct live_block *block, void *context)
{
    struct chain *chain = context;
    (void)live;
    if (block->number == chain->target.number)
        return true;
    keep(chain, block);
    read_block(chain, block, find_pointers);
    return true;
}

/* ---- by distance ------------------------------------------------------- */

static void follow_listed(struct chain *chain, const uint32_t *now, size_t count)
{
    struct live_block block;
    for (size_t i = 0; i < count && !is_reached(chain); i++) {
        if (live_numbered(chain->live, now[i], &block))
            read_block(chain, &block, follow_words);
    }
}

/* Those that are too many for a list have a bit each, which are taken for those of LIVE_SEARCHED. */
static void follow_marked(struct chain *chain)
{
    struct live *live = chain->live;
    uint64_t *bits = live->bits[LIVE_FIRST];
    live->bits[LIVE_FIRST] = live->bits[LIVE_SEARCHED];
    live->bits[LIVE_SEARCHED] = bits;
    live_each(live, LIVE_SEARCHED, follow, chain);
    live_unset_all(live, LIVE_SEARCHED);
}

static int by_number(const void *a, const void *b)
{
    const uint32_t *one = a, *other = b;
    return *one < *other ? -1 : *one > *other;
}

/* Without memory for two lists all of them are found by their bits. */
static void follow_all(struct chain *chain)
{
    uint32_t *now = malloc(NEXT_MOST * sizeof *now), *list;
    while (chain->next_count > 0 && !is_reached(chain)) {
        size_t count = chain->next_count;
        bool many = chain->many || now == NULL;
        list = chain->next;
        if (!many) {
            chain->next = now;
            now = list;
            qsort(list, count, sizeof *list, by_number); /* neighbours are read together */
            for (size_t i = 0; i < count; i++)
                live_unset(chain->live, LIVE_FIRST, list[i]);
        }
        chain->next_count = 0;
        chain->many = false;
        if (many)
            follow_marked(chain);
        else
            follow_listed(chain, list, count);
    }
    free(now);
}

/* ---- the chain --------------------------------------------------------- */

/* Where in a block a word leads to another one; 0 if none does any more. */
static uintptr_t find_word(struct chain *chain, const struct live_block *from, const struct live_block *to)
{
    struct live_block target = chain->target;
    struct chain_place *pointers = chain->pointers, found = {0};
    size_t count = chain->pointer_count, most = chain->pointers_most;
    uint64_t total = chain->pointer_total;
    chain->target = *to;
    chain->pointers = &found;
    chain->pointer_count = 0;
    chain->pointers_most = 1;
    read_block(chain, from, find_pointers);
    chain->target = target;
    chain->pointers = pointers;
    chain->pointer_count = count;
    chain->pointers_most = most;
    chain->pointer_total = total;
    return found.address;
}

static struct chain_place find_root(const struct chain *chain, uint64_t number)
{
    struct chain_place place = {.is_root = true};
    for (size_t i = 0; i < chain->root_count; i++) {
        const struct chain_root *root = &chain->root[i];
        if (root->number != number)
            continue;
        place.is_register = root->is_register;
        place.thread = root->thread;
        place.index = root->is_register ? (size_t)root->address : 0;
        place.address = root->is_register ? 0 : root->address;
        break;
    }
    return place;
}

static uint64_t count_links(const struct chain *chain)
{
    uint64_t count = 0;
    for (uint64_t at = chain->target.number; at != CHAIN_ROOT; at = chain->parent[at])
        count++;
    return count;
}

/* From the target to the root; links in the middle are left out. */
static void list_links(struct chain *chain)
{
    struct live_block block = chain->target, from;
    chain->link_count = count_links(chain);
    for (uint64_t i = chain->link_count; i-- > 0;) {
        uint32_t parent = chain->parent[block.number];
        bool is_shown = chain->link_count <= CHAIN_SHOWN || i < CHAIN_SHOWN / 2 ||
                        i >= chain->link_count - CHAIN_SHOWN / 2;
        uint64_t place = chain->link_count <= CHAIN_SHOWN || i < CHAIN_SHOWN / 2
                             ? i : i - (chain->link_count - CHAIN_SHOWN);
        if (parent == CHAIN_ROOT) {
            chain->links[place] = find_root(chain, block.number);
        } else if (live_numbered(chain->live, parent, &from)) {
            if (is_shown)
                chain->links[place] = (struct chain_place){.block = from, .address = find_word(chain, &from, &block)};
            block = from;
        }
    }
}

void chain_find(struct chain *chain)
{
    follow_all(chain);
    chain->is_reached = is_reached(chain);
    if (chain->is_reached)
        list_links(chain);
    chain->searched = (struct live_block){0};
    live_each(chain->live, LIVE_IN_USE, look_for_pointers, chain);
}

/* SPDX-License-Identifier: MIT */
/* Where freed blocks are that are not on the list of their slab: caches, chains and mail of heaps. */
#ifndef HAK_TOOLS_READER_PLACES_H
#define HAK_TOOLS_READER_PLACES_H

#include <stddef.h>
#include <stdint.h>

#include "reader/block.h"
#include "reader/reader.h"

struct place {
    uintptr_t block;
    uint32_t heap;
    enum reader_state state;
};

/* Its blocks are linked, and found when their slab is read. */
struct chain_place {
    uintptr_t slab; /* the record */
    uint32_t heap, first, count;
};

struct places {
    struct place *block; /* by rising address */
    size_t count, room;
    struct chain_place *chain; /* by rising record */
    size_t chain_count, chain_room;
};

/* Reads all heaps; false with the reader's failure. */
bool places_read(struct reader *reader, struct places *places);
void places_free(struct places *places);

/* The first place, or chain, that is not below an address or a record. */
size_t places_find(const struct places *places, uintptr_t block);
size_t places_find_chain(const struct places *places, uintptr_t slab);

#endif

/* SPDX-License-Identifier: MIT */
/* The blocks of a slab, from its record and its memory. */
#ifndef HAK_TOOLS_READER_SLABS_H
#define HAK_TOOLS_READER_SLABS_H

#include "reader/block.h"
#include "reader/places.h"
#include "slab/slab_meta.h"
#include "slab/starter.h"

/* Room for the blocks of one slab. */
struct slab_blocks {
    uint64_t word[HAK_STARTER_KINDS][2];
    uint8_t state[HAK_STARTER_KINDS]; /* enum reader_state */
    uint32_t heap[HAK_STARTER_KINDS]; /* that has it */
    uint8_t kind[HAK_STARTER_KINDS];  /* of the starter: what begins at each place */
};

struct slab_visit {
    struct reader *reader;
    const struct places *places;
    uint64_t secret;
    unsigned page_shift;
    reader_visit *visit;
    reader_slab_visit *whole; /* NULL: visit for each block */
    bool unread; /* no block is read for that */
    void *context;
    struct slab_blocks *blocks;
};

/*
 * Visits the blocks of a slab that the page map shows at base with a word. records: copies of the slab's
 * and of those of its further granules; address: of the first. False with the reader's failure, or STOPPED.
 */
bool slab_visit_blocks(struct slab_visit *visit, uintptr_t base, uint32_t word,
                       const TinySlabMeta *records, uintptr_t address);

#endif

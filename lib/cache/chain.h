/* SPDX-License-Identifier: MIT */
/* Blocks of one slab on their way back to it (flush.h). */
#ifndef HAK_CACHE_CHAIN_H
#define HAK_CACHE_CHAIN_H

#include <stdint.h>

#include "slab/slab_meta.h"

enum { HAK_CHAINS = 16 /* at most 32 */ };

/* Owner thread only. */
struct hak_chain {
    TinySlabMeta *slab; /* NULL: unused */
    void *last;         /* its link is written by the push */
    uint32_t first;     /* number of the first block */
    uint32_t highest;   /* largest number in the chain */
    uint32_t count;
};

#endif

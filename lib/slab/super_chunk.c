/* SPDX-License-Identifier: MIT */
#include "slab/super_chunk.h"

HAK_FIRST_SUPER_CHUNK struct super_chunk hak__super_chunks;

/* Chunks behind the first, by number, and the sets in which they are found. */
static HAK_SPARSE struct {
    struct super_set warm[HAK_ORDERS], open[HAK_ORDERS], partial[HAK_CLASS_COUNT];
    _Atomic(struct super_chunk *) chunk[HAK_SET_SIZE]; /* set once, under the lock; release */
} far;

static unsigned number_of(const struct super_chunk *chunk)
{
    return (unsigned)(chunk->first / HAK_SET_SIZE);
}

struct chunk_set hak__chunk_slots(struct super_chunk *chunk, unsigned order, bool warm)
{
    struct chunk_set set = {&chunk->open[order], &far.open[order]};
    if (warm)
        set = (struct chunk_set){&chunk->warm[order], &far.warm[order]};
    return set;
}

struct chunk_set hak__chunk_partial(struct super_chunk *chunk, unsigned class_idx)
{
    return (struct chunk_set){&chunk->partial[class_idx], &far.partial[class_idx]};
}

void hak__chunk_put(const struct super_chunk *chunk, unsigned number, struct chunk_set set)
{
    super_set_add(set.near, number);
    if (chunk->first != 0)
        super_set_add(set.far, number_of(chunk));
}

void hak__chunk_strike_out(const struct super_chunk *chunk, struct chunk_set set)
{
    if (chunk->first == 0)
        return;
    super_set_remove(set.far, number_of(chunk));
    hak__race_point("look at chunk again");
    if (HAK_SHARED(hak_or_acq_rel(&set.near->root, 0)) != 0)
        super_set_add(set.far, number_of(chunk));
}

struct super_chunk *hak__chunk_after(const struct super_chunk *chunk, struct chunk_set set)
{
    if (hak_likely(hak_load_acquire(&hak__super_chunks.next) == NULL))
        return NULL; /* and not a page of the upper sets is looked at */
    unsigned number = super_set_next(set.far, number_of(chunk) + 1);
    return number < HAK_SET_SIZE ? hak_load_acquire(&far.chunk[number]) : NULL;
}

bool hak__chunk_list(struct super_chunk *chunk)
{
    if (number_of(chunk) == HAK_SET_SIZE)
        return false; /* 8 TiB of slabs */
    hak_store_release(&far.chunk[number_of(chunk)], chunk);
    return true;
}

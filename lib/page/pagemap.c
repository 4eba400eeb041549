/* SPDX-License-Identifier: MIT */
#include "page/pagemap.h"

#include "core/race.h"
#include "os/os.h"

_Atomic(struct hak_pagemap_leaf *) hak__pagemap_root[HAK_ROOT_SIZE];

/* Two threads may race for a leaf: the loser of the CAS gives its own back. */
static bool ensure_leaf(uintptr_t index)
{
    if (hak_load_acquire(&hak__pagemap_root[index]) != NULL)
        return true;
    struct hak_pagemap_leaf *leaf = hak__os_map(sizeof *leaf);
    if (leaf == NULL)
        return false;
    struct hak_pagemap_leaf *expected = NULL;
    hak__race_point("map leaf");
    if (!hak_cas_acq_rel(&hak__pagemap_root[index], &expected, leaf))
        hak__os_unmap(leaf, sizeof *leaf);
    return true;
}

bool hak__pagemap_ensure(uintptr_t address, size_t size)
{
    uintptr_t first = address >> (HAK_ROOT_SHIFT - 1) >> 1;
    uintptr_t last = (address + size - 1) >> (HAK_ROOT_SHIFT - 1) >> 1;
    if (last >= HAK_ROOT_SIZE)
        return false;
    for (uintptr_t index = first; index <= last; index++)
        if (!ensure_leaf(index))
            return false;
    return true;
}

void hak__pagemap_set(uintptr_t address, uint32_t word, void *record)
{
    struct hak_pagemap_leaf *leaf = hak__pagemap_leaf(address);
    size_t index = hak__pagemap_index(address);
    hak_store_relaxed(&leaf->record[index], record);
    hak_store_relaxed(&leaf->word[index], word);
}

void hak__pagemap_set_run(uintptr_t address, size_t units, uint32_t word, void *record)
{
    for (size_t i = 0; i < units; i++)
        hak__pagemap_set(address + i * HAK_GRANULE, word, record);
}

/* SPDX-License-Identifier: MIT */
#include "page/pagemap.h"

#include "base/bits.h"
#include "core/race.h"
#include "os/os.h"

HAK_PAGE_MAP struct hak_pagemap hak__pagemap;

static uintptr_t distance_of(const struct hak_pagemap_leaf *leaf)
{
    return (uintptr_t)((intptr_t)((uintptr_t)leaf - (uintptr_t)&hak__pagemap.none) / 4);
}

/* Two threads may race for a leaf: the loser of the CAS gives its own back. */
static bool ensure_leaf(uintptr_t index)
{
    if (hak_load_acquire(&hak__pagemap.root[index]) != 0)
        return true;
    struct hak_pagemap_leaf *leaf = hak__os_map_record(sizeof *leaf);
    if (leaf == NULL)
        return false;
    uintptr_t none = 0;
    hak__race_point("map leaf");
    if (!hak_cas_acq_rel(&hak__pagemap.root[index], &none, distance_of(leaf)))
        hak__os_unmap_record(leaf, sizeof *leaf);
    return true;
}

bool hak__pagemap_ensure(uintptr_t address, size_t size)
{
    uintptr_t first = hak__pagemap_place(address).root;
    uintptr_t last = hak__pagemap_place(address + size - 1).root;
    if (first >= HAK_ROOT_SIZE || last >= HAK_ROOT_SIZE)
        return false;
    for (uintptr_t index = first; index <= last; index++)
        if (!ensure_leaf(index))
            return false;
    return true;
}

/* Ends the part where the range begins, or with it. */
static void meet(const void *range, size_t size, uintptr_t address, uintptr_t *end, bool *own)
{
    uintptr_t first = hak__align_up((uintptr_t)range, hak__os_page_size());
    uintptr_t behind = hak__align_down((uintptr_t)range + size, hak__os_page_size());
    bool inside = address >= first && address < behind;
    uintptr_t edge = inside ? behind : first;
    *own |= inside;
    if (edge > address && edge < *end)
        *end = edge;
}

uintptr_t hak__pagemap_own_part(uintptr_t address, uintptr_t end, bool *own)
{
    *own = false;
    meet(&hak__pagemap, sizeof hak__pagemap, address, &end, own);
    for (struct hak_pagemap_place place = {0, 0}; place.root < HAK_ROOT_SIZE; place.root++)
        if (hak_load_acquire(&hak__pagemap.root[place.root]) != 0)
            meet(hak__pagemap_leaf(place), sizeof(struct hak_pagemap_leaf), address, &end, own);
    return end;
}

void hak__pagemap_set(uintptr_t address, uint32_t word, void *record)
{
    struct hak_pagemap_place place = hak__pagemap_place(address);
    struct hak_pagemap_leaf *leaf = hak__pagemap_leaf(place);
    hak_store_relaxed(&leaf->record[place.index], record);
    hak_store_release(&leaf->word[place.index], word);
}

bool hak__pagemap_find(uintptr_t *address)
{
    struct hak_pagemap_place place = hak__pagemap_place(*address > HAK_MAP_BEGIN ? *address : HAK_MAP_BEGIN);
    for (; place.root < HAK_ROOT_SIZE; place.root++, place.index = 0) {
        if (hak_load_acquire(&hak__pagemap.root[place.root]) == 0)
            continue;
        const struct hak_pagemap_leaf *leaf = hak__pagemap_leaf(place);
        for (; place.index < HAK_LEAF_SIZE; place.index++) {
            uint32_t word = hak_load_relaxed(&leaf->word[place.index]);
            if (word != HAK_CODE_NONE && word != HAK_CODE_SPAN_INSIDE) {
                *address = hak__pagemap_address(place);
                return true;
            }
        }
    }
    return false;
}

void hak__pagemap_set_run(uintptr_t address, size_t units, uint32_t word, void *record)
{
    for (size_t i = 0; i < units; i++)
        hak__pagemap_set(address + i * HAK_GRANULE, word, record);
}

void hak__pagemap_set_words(uintptr_t address, size_t units, uint32_t word)
{
    while (units > 0) {
        struct hak_pagemap_place place = hak__pagemap_place(address);
        size_t count = HAK_LEAF_SIZE - place.index < units ? HAK_LEAF_SIZE - place.index : units;
        struct hak_pagemap_leaf *leaf = hak__pagemap_leaf(place);
        for (size_t i = place.index; i < place.index + count; i++)
            hak_store_relaxed(&leaf->word[i], word);
        address += count * HAK_GRANULE;
        units -= count;
    }
}

void hak__pagemap_show(uintptr_t address, size_t units, uint32_t word, void *record)
{
    hak__pagemap_set(address, word, record);
    hak__pagemap_set_words(address + HAK_GRANULE, units - 1, HAK_CODE_INSIDE);
}

/* SPDX-License-Identifier: MIT */
#include "cache/inspect.h"

#include <string.h>

#include "base/annotate.h"
#include "base/params.h"
#include "cache/heap.h"
#include "cache/heap_list.h"
#include "cache/heap_pool.h"
#include "cache/span_cache.h"
#include "cache/thread_cache.h"
#include "page/arena.h"
#include "page/huge.h"
#include "page/pagemap.h"
#include "page/pieces.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/slab_holes.h"
#include "slab/starter.h"

static_assert(sizeof(((struct hak_inspected *)0)->live) * 8 > HAK_SLAB_FIELD / 2,
              "a bit for each block of a slab");

/* The program and other threads write this memory as they like. */
__attribute__((no_sanitize("thread", "address"))) static bool is_live(uintptr_t block)
{
    typedef _Atomic uint64_t __attribute__((may_alias)) word_t;
    const word_t *word = (const word_t *)(block + sizeof(uint64_t));
    uint64_t mark = hak_load_acquire(word); /* before the second look at the slab */
    return !HAK_CHECKS || mark != hak__mark_of(hak__heap_secret, (void *)block);
}

/* The slabs of sampled blocks belong to no heap. */
static void find_owner(struct hak_inspected *inspected, uint32_t id)
{
    if (id == HAK_OWNER_SAMPLED)
        return;
    inspected->owner = id;
    const struct hak_heap *heap = hak__heap_by_id(id);
    if (heap == NULL)
        return;
    hak__lock_acquire(&hak__heap_lock);
    inspected->owner_alive = heap->attached;
    hak__lock_release(&hak__heap_lock);
}

/* False when the slab began another life meanwhile, or has ended this one. */
static bool inspect_slab_locked(uintptr_t address, uint32_t code, struct hak_inspected *inspected)
{
    const struct hak_class_info *info = &hak__class_info[code - 1];
    TinySlabMeta *slab = hak__pagemap_record(address);
    uint32_t life = hak_load_acquire(&slab->lives);
    struct slab_view view = slab_freelist_view_acquire(slab);
    inspected->size = (size_t)1 << info->slab_shift;
    inspected->base = address & ~(uintptr_t)(inspected->size - 1);
    inspected->block_size = info->size;
    inspected->carved = view.carved;
    if (view.state < SLAB_CURRENT || view.class_idx != code - 1 || view.carved > info->capacity ||
        slab->slot != (inspected->base >> HAK_GRANULE_SHIFT) % HAK_SUPERSLAB_UNITS)
        return false;
    for (uint32_t i = 0; i < view.carved; i++) {
        bool live = is_live(inspected->base + i * inspected->block_size);
        live = live && !hak__holes_have(slab, i); /* after the mark: see slab_holes.c */
        inspected->live[i / 8] |= (uint8_t)(live << i % 8);
    }
    view = slab_freelist_view(slab);
    return hak_load_relaxed(&slab->lives) == life && view.state >= SLAB_CURRENT;
}

/* The blocks begin at any place; hak__starter_find tells in which of them an address lies. */
static bool inspect_starter(uintptr_t address, struct hak_inspected *inspected)
{
    struct hak_starter_block block;
    inspected->size = HAK_STARTER_SIZE;
    inspected->base = address & ~(uintptr_t)(HAK_STARTER_SIZE - 1);
    inspected->block_size = HAK_ALIGNMENT;
    for (uint32_t i = 0; i < HAK_STARTER_PLACES; i++) {
        if (!hak__starter_begins(inspected->base + i * HAK_ALIGNMENT, &block))
            continue;
        inspected->carved = i + (uint32_t)(hak__class_size(block.class_idx) / HAK_ALIGNMENT);
        inspected->live[i / 8] |= (uint8_t)(block.live << i % 8);
    }
    return true;
}

static bool inspect_span_locked(uintptr_t address, struct hak_inspected *inspected)
{
    const struct hak_span *span = hak__pagemap_record(address);
    inspected->base = span->base + hak_load_relaxed(&span->offset);
    inspected->size = inspected->block_size = hak_plain_load_relaxed(&span->size);
    inspected->carved = 1;
    inspected->live[0] = inspected->code == HAK_CODE_HUGE || !hak__span_is_cached(span);
    return span->base == address;
}

static bool inspect_locked(uintptr_t address, uint32_t word, struct hak_inspected *inspected)
{
    memset(inspected, 0, sizeof *inspected);
    inspected->code = word & 0xff;
    if (inspected->code - 1 < HAK_CLASS_COUNT)
        return inspect_slab_locked(address, inspected->code, inspected);
    if (inspected->code == HAK_CODE_STARTER)
        return inspect_starter(address, inspected);
    return inspect_span_locked(address, inspected);
}

static bool has_blocks(uint32_t word, bool huge)
{
    return huge ? word == HAK_CODE_HUGE
                : word == HAK_CODE_LARGE || (word & 0xff) - 1 <= HAK_CLASS_STARTER;
}

bool hak__look_at(uintptr_t address, struct hak_inspected *inspected)
{
    HAK_UNSEEN;
    bool found = false;
    uint32_t word = 0;
    for (int huge = 0; huge < 2 && !found; huge++) {
        struct hak_lock *lock = huge ? &hak__huge_lock : &hak__arena_lock;
        hak__lock_acquire(lock);
        uintptr_t granule = hak__pieces_first(address);
        word = hak__pagemap_word_acquire(granule);
        found = has_blocks(word, huge) && inspect_locked(granule, word, inspected);
        hak__lock_release(lock);
    }
    hak__annotate_known(inspected->live, sizeof inspected->live);
    if (found)
        find_owner(inspected, hak__owner_of(word));
    return found;
}

bool hak__inspect(uintptr_t address, struct hak_inspected *inspected)
{
    return hak__look_at(address, inspected) && address - inspected->base < inspected->size;
}

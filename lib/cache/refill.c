/* SPDX-License-Identifier: MIT */
/* From slabs to a thread cache: batch refill, carve, the heap's own slabs. */
#include "cache/thread_cache.h"
#include "core/race.h"
#include "core/stats.h"
#include "slab/shared_pool.h"
#include "slab/slab_freelist_atomic.h"

/* Blocks of fresh pages are carved a page's worth at a time: what is not used stays untouched. */
enum { CARVE_BYTES = 4096 };

static bool l0_is_live(const struct hak_l0 *entry)
{
    if (entry->slab == NULL)
        return false;
    struct slab_view view = slab_freelist_view(entry->slab);
    return view.state == SLAB_OWNED && view.tag == entry->tag;
}

bool hak__l0_has_room(const struct hak_heap *heap, unsigned class_idx)
{
    for (int i = 0; i < HAK_L0_SLABS; i++)
        if (!l0_is_live(&heap->l0[class_idx][i]))
            return true;
    return false;
}

void hak__l0_add(struct hak_heap *heap, unsigned class_idx, TinySlabMeta *slab, uint32_t tag)
{
    for (int i = 0; i < HAK_L0_SLABS; i++) {
        struct hak_l0 *entry = &heap->l0[class_idx][i];
        if (!l0_is_live(entry)) {
            entry->slab = slab;
            entry->tag = tag;
            return;
        }
    }
}

TinySlabMeta *hak__l0_take(struct hak_heap *heap, unsigned class_idx)
{
    for (int i = 0; i < HAK_L0_SLABS; i++) {
        struct hak_l0 *entry = &heap->l0[class_idx][i];
        TinySlabMeta *slab = entry->slab;
        entry->slab = NULL;
        if (slab != NULL &&
            slab_freelist_claim(slab, SLAB_OWNED, class_idx, &entry->tag))
            return slab;
    }
    return NULL;
}

/* Debug builds recognise later writes to a block that was never handed out, too. */
static void prepare_fresh(const struct hak_heap *heap, const TinySlabMeta *slab, void *block)
{
    *hak__block_mark(block) = hak__mark_of(heap->secret, block);
    if (HAK_DEBUG)
        hak__block_poison(block, slab->size);
}

/* Puts fresh blocks into the bin, the lowest on top; what does not fit is rolled back. */
static uint32_t carve(struct hak_heap *heap, unsigned class_idx, TinySlabMeta *slab, uint32_t want)
{
    uint32_t page = CARVE_BYTES / slab->size;
    if (want > page && !slab->warm)
        want = page > 0 ? page : 1;
    uint32_t first = 0;
    uint32_t count = slab_freelist_carve(slab, want, &first);
    uint32_t room = (uint32_t)(heap->limit[class_idx] - heap->top[class_idx]);
    if (hak_unlikely(count > room)) {
        slab_freelist_uncarve(slab, count - room);
        count = room;
    }
    for (uint32_t i = 0; i < count; i++) {
        void *block = slab_freelist_block(slab, first + i);
        prepare_fresh(heap, slab, block);
        heap->top[class_idx][count - 1 - i] = block;
    }
    heap->top[class_idx] += count;
    return count;
}

static uint32_t take(struct hak_heap *heap, unsigned class_idx, TinySlabMeta *slab, uint32_t want)
{
    uint32_t count = slab_freelist_pop_batch(slab, heap->top[class_idx], want);
    heap->top[class_idx] += count;
    return count > 0 ? count : carve(heap, class_idx, slab, want);
}

static TinySlabMeta *next_slab(struct hak_heap *heap, unsigned class_idx)
{
    TinySlabMeta *slab = hak__l0_take(heap, class_idx);
    if (slab != NULL) {
        hak__count(HAK_COUNTER_STAGE0_L0, 1);
        HAK_TRACE("STAGE0_L0", slab);
    } else {
        slab = hak__pool_acquire(class_idx, heap->id);
    }
    hak__race_point("next slab");
    heap->current[class_idx] = slab;
    return slab;
}

bool hak__cache_refill(struct hak_heap *heap, unsigned class_idx)
{
    hak__count(HAK_COUNTER_REFILLS, 1);
    hak__handback_flush(heap);
    bool first = heap->limit[class_idx] == NULL;
    hak__cache_grow_bin(heap, class_idx);
    heap->used_lately[class_idx] = true;
    /* half of the bin stays free for what comes back, but the first page is dirty anyway */
    uint32_t want = (uint32_t)(heap->limit[class_idx] - heap->base[class_idx]);
    if (!first)
        want = (want + 1) / 2;
    if (want == 0)
        return false;
    TinySlabMeta *slab = heap->current[class_idx];
    for (;;) {
        if (slab != NULL) {
            if (take(heap, class_idx, slab, want) > 0)
                break;
            heap->current[class_idx] = NULL;
            if (!slab_freelist_retire(slab)) {
                heap->current[class_idx] = slab;
                continue; /* somebody pushed just now */
            }
        }
        slab = next_slab(heap, class_idx);
        if (slab == NULL)
            return false;
    }
    hak__cache_poll(heap);
    return true;
}

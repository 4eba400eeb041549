/* SPDX-License-Identifier: MIT */
#include "cache/l0.h"

#include "cache/heap.h"
#include "page/retain.h"
#include "slab/slab_freelist_atomic.h"

static bool l0_is_live(const struct hak_l0 *entry)
{
    if (entry->slab == NULL)
        return false;
    struct slab_view view = slab_freelist_view(entry->slab);
    return view.state == SLAB_OWNED && view.tag == entry->tag;
}

bool hak__l0_has_room(struct hak_heap *heap, unsigned class_idx)
{
    if (heap->l0 == NULL)
        heap->l0 = hak__record_alloc(HAK_CLASS_COUNT * sizeof *heap->l0, _Alignof(struct hak_l0));
    if (heap->l0 == NULL)
        return false;
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
    for (int i = 0; heap->l0 != NULL && i < HAK_L0_SLABS; i++) {
        struct hak_l0 *entry = &heap->l0[class_idx][i];
        TinySlabMeta *slab = entry->slab;
        entry->slab = NULL;
        if (slab != NULL && slab_freelist_claim(slab, SLAB_OWNED, class_idx, &entry->tag))
            return slab;
    }
    return NULL;
}

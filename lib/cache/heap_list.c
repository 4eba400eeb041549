/* SPDX-License-Identifier: MIT */
#include "cache/heap_list.h"

#include "cache/heap.h"

/* prepended to under hak__heap_lock; release publishes a heap's fields */
HAK_READ_MOSTLY _Atomic(struct hak_heap *) hak__heaps;
HAK_READ_MOSTLY _Atomic size_t hak__heaps_in_use;

/*
 * A list with a second link that leads over 1, 3, 7, 15... records, as the lists of Myers, "An
 * applicative random-access stack" (1983): two equal leaps that follow each other become one of the
 * next record.
 */
static void link_locked(struct hak_heap *heap, struct hak_heap *older)
{
    heap->older = heap->far_older = older;
    if (older == NULL || older->far_older == NULL)
        return;
    struct hak_heap *far = older->far_older, *farther = far->far_older;
    if (farther != NULL && older->id - far->id == far->id - farther->id)
        heap->far_older = farther;
}

void hak__heap_list_add_locked(struct hak_heap *heap)
{
    link_locked(heap, hak_load_relaxed(&hak__heaps));
    hak_store_release(&hak__heaps, heap);
}

struct hak_heap *hak__heap_by_id(uint32_t id)
{
    struct hak_heap *heap = hak_load_acquire(&hak__heaps);
    while (heap != NULL && heap->id > id)
        heap = heap->far_older != NULL && heap->far_older->id >= id ? heap->far_older : heap->older;
    return heap != NULL && heap->id == id ? heap : NULL;
}

void hak__heap_visit(void (*visit)(struct hak_heap *heap, void *context), void *context)
{
    for (struct hak_heap *heap = hak_load_acquire(&hak__heaps); heap != NULL; heap = heap->older)
        visit(heap, context);
}

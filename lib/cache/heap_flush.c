/* SPDX-License-Identifier: MIT */
#include "cache/heap_flush.h"

#include <string.h>

#include "cache/bins.h"
#include "cache/enter.h"
#include "cache/flush.h"
#include "cache/heap.h"
#include "cache/l0.h"
#include "cache/mail.h"
#include "cache/span_cache.h"
#include "slab/shared_pool.h"
#include "slab/starter.h"

static void abandon_spare(struct hak_heap *heap)
{
    TinySlabMeta *slab;
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++)
        while ((slab = hak__l0_take(heap, i)) != NULL)
            hak__pool_abandon(slab, i);
}

static void abandon_all(struct hak_heap *heap)
{
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        TinySlabMeta *slab = heap->current[i];
        heap->current[i] = NULL;
        if (slab != NULL)
            hak__pool_abandon(slab, i);
    }
    abandon_spare(heap);
    memset(heap->begun, 0, sizeof heap->begun); /* what is begun next follows on no slab that was filled */
}

void hak__heap_flush_rest(struct hak_heap *heap)
{
    hak__mail_flush(heap);
    hak__flush_chains(heap);
    hak__span_cache_flush(heap);
    abandon_all(heap);
}

void hak__heap_flush(struct hak_heap *heap)
{
    bool busy = hak__heap_enter(heap);
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++)
        hak__cache_empty_bin(heap, i);
    if (heap->id == HAK_HEAP_FIRST)
        hak__starter_close();
    hak__heap_flush_rest(heap);
    hak__heap_leave(heap, busy);
}

/* Of a heap that loses its thread. */
void hak__heap_close(struct hak_heap *heap)
{
    bool busy = hak__heap_enter(heap);
    hak__mail_close(heap);
    hak__heap_flush(heap);
    hak__cache_reset_bins(heap);
    hak__heap_leave(heap, busy);
}

/* Mail and large blocks go; what is known of the thread's ways does not hold for the next. */
void hak__heap_leave_contents(struct hak_heap *heap)
{
    bool busy = hak__heap_enter(heap);
    hak__mail_leave(heap);
    hak__flush_chains(heap);
    hak__span_cache_flush(heap);
    abandon_spare(heap);
    memset(heap->drained, 0, sizeof heap->drained);
    memset(heap->sent, 0, sizeof heap->sent);
    memset(heap->bursts, 0, sizeof heap->bursts);
    hak__heap_leave(heap, busy);
}

/* What is left of a heap whose thread stopped anywhere: only current[] and l0 are sure. */
void hak__heap_salvage(struct hak_heap *heap)
{
    memset(heap->chains, 0, sizeof heap->chains);
    hak__mail_reset(heap);
    hak__mail_close(heap); /* what is in it is whole */
    hak__flush_chains(heap);
    abandon_all(heap);
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++)
        heap->top[i] = heap->base[i] = heap->limit[i] = NULL;
    memset(heap->spare_slots, 0, sizeof heap->spare_slots);
    if (HAK_HARDENED)
        hak__rests_forget(hak__heap_rests(heap));
    hak__span_cache_reset(heap);
    heap->capacity_bytes = 0;
}

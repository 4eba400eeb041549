/* SPDX-License-Identifier: MIT */
#include "cache/enter.h"

#include <string.h>

#include "core/race.h"
#include "os/os.h"

/* What is left of each lifted bin moves to the start of its array. */
static void let_down(struct hak_heap *heap)
{
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        size_t by = heap->lifted[i];
        if (by == 0)
            continue;
        size_t held = (size_t)(heap->top[i] - heap->base[i]);
        heap->base[i] -= by;
        heap->top[i] -= by;
        memmove(heap->base[i], heap->base[i] + by, held * sizeof *heap->base[i]);
        heap->lifted[i] = 0;
    }
}

/*
 * The heap may be barred anew while its bins are let down: whoever does that finds it busy, and gives
 * up without having touched anything.
 */
HAK_NOINLINE void hak__heap_enter_slow(struct hak_heap *heap)
{
    enum { LOOK_US = 1000 };
    for (;;) {
        uint32_t bar = hak_load_acquire(&heap->bar);
        if (bar == HAK_OPEN)
            return;
        if (bar == HAK_BARRED) {
            hak__os_wait(&heap->bar, HAK_BARRED, LOOK_US);
            continue;
        }
        let_down(heap);
        hak_cas_relaxed(&heap->bar, &bar, HAK_OPEN);
    }
}

bool hak__heap_bar(struct hak_heap *heap)
{
    uint32_t bar = hak_load_relaxed(&heap->bar);
    return bar != HAK_BARRED && hak_cas_acquire(&heap->bar, &bar, HAK_BARRED);
}

/* That no bin is lifted costs the owner a look at all of them. */
void hak__heap_unbar(struct hak_heap *heap)
{
    hak_store_release(&heap->bar, HAK_LIFTED);
    hak__os_wake(&heap->bar);
}

bool hak__heap_is_barred(struct hak_heap *heap)
{
    hak__race_point("barred");
    if (!hak_load_acquire(&heap->busy))
        return true;
    hak__heap_unbar(heap);
    return false;
}

/* The owner pops and pushes meanwhile: a top is read once, as a word, and is old or new. */
static void **top_of(const struct hak_heap *heap, unsigned class_idx)
{
    return hak_plain_load_acquire(&heap->top[class_idx]);
}

static void set_base(struct hak_heap *heap, unsigned class_idx, void **base)
{
    hak_plain_store_relaxed(&heap->base[class_idx], base);
}

void **hak__bin_close(struct hak_heap *heap, unsigned class_idx)
{
    void **from = heap->base[class_idx];
    set_base(heap, class_idx, top_of(heap, class_idx));
    return from;
}

size_t hak__bin_lift(struct hak_heap *heap, unsigned class_idx, void **from)
{
    hak__race_point("closed");
    void **end = heap->base[class_idx], **top = top_of(heap, class_idx);
    if (top < end)
        end = top;
    if (end > from)
        end--; /* a pop that is under way has this one */
    set_base(heap, class_idx, end);
    heap->lifted[class_idx] = (uint16_t)(heap->lifted[class_idx] + (end - from));
    return (size_t)(end - from);
}

void hak__bin_reopen(struct hak_heap *heap, unsigned class_idx, void **from)
{
    set_base(heap, class_idx, from);
}

bool hak__heap_is_inconsistent(struct hak_heap *heap)
{
    return hak_load_relaxed(&heap->busy) || hak_load_relaxed(&heap->bar) == HAK_BARRED;
}

void hak__heap_reset(struct hak_heap *heap)
{
    memset(heap->lifted, 0, sizeof heap->lifted);
    hak_store_relaxed(&heap->bar, HAK_OPEN);
    hak_store_release(&heap->busy, false);
}

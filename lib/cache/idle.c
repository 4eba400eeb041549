/* SPDX-License-Identifier: MIT */
#include "cache/idle.h"

#include "base/annotate.h"
#include "base/bits.h"
#include "cache/enter.h"
#include "cache/flush.h"
#include "cache/heap_flush.h"
#include "cache/heap_list.h"
#include "cache/mail.h"
#include "core/stats.h"
#include "os/os.h"

/* Heaps that share two barriers. */
enum { GROUP = 8 };

HAK_WRITTEN_OFTEN struct hak_lock hak__idle_lock;

struct find {
    struct hak_heap *heap;
    uint64_t bins; /* bit i: the bin of class i is taken from */
    bool rest;     /* and all else */
    void **from[HAK_CLASS_COUNT];
};

static_assert(HAK_CLASS_COUNT <= 64, "a bit for each class");

/* Looks since a number has changed, this one included. */
static uint8_t still_for(uint32_t *seen, uint8_t still, uint32_t now)
{
    if (*seen != now)
        still = 0;
    *seen = now;
    return still == UINT8_MAX ? still : (uint8_t)(still + 1);
}

/*
 * The owner goes on meanwhile: tops are read once each, as words. What it changes and changes back
 * between two looks it is taken for not having used, which costs time and nothing else.
 */
__attribute__((no_sanitize("thread"))) static bool look(struct find *find, struct hak_heap *heap, unsigned looks)
{
    find->heap = heap;
    find->bins = 0;
    heap->still_entered =
        still_for(&heap->seen_entered, heap->still_entered, hak_load_relaxed(&heap->entered));
    find->rest = heap->still_entered >= looks;
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        void **top = heap->top[i];
        heap->still[i] = still_for(&heap->seen[i], heap->still[i], (uint32_t)(uintptr_t)top);
        if (heap->still[i] < looks)
            find->rest = false;
        else if (top > heap->base[i] + 1)
            find->bins |= (uint64_t)1 << i;
    }
    if (find->rest) {
        bool holds = heap->chains_used != 0 || heap->outbox_bytes != 0 || heap->inbox != NULL ||
                     hak__mail_pending(heap) != NULL;
        for (int i = 0; i < HAK_CACHED_SPANS; i++)
            holds |= heap->cached_spans[i].units != 0;
        for (unsigned i = 0; i < HAK_CLASS_COUNT; i++)
            holds |= heap->current[i] != NULL;
        find->rest = holds;
    }
    return find->bins != 0 || find->rest;
}

static void flush_to_owner(struct find *find)
{
    struct hak_heap *heap = find->heap;
    for (uint64_t bins = find->bins; bins != 0; bins &= bins - 1) {
        unsigned class_idx = hak__lowest_bit(bins);
        void **from = find->from[class_idx];
        size_t count = hak__bin_lift(heap, class_idx, from);
        hak__flush_add(heap, from, count);
        hak__count(HAK_COUNTER_IDLE_BLOCKS, count);
    }
    if (find->rest)
        hak__heap_flush_rest(heap);
    else
        hak__flush_chains(heap);
}

static void reopen(struct find *find)
{
    for (uint64_t bins = find->bins; bins != 0; bins &= bins - 1) {
        unsigned class_idx = hak__lowest_bit(bins);
        hak__bin_reopen(find->heap, class_idx, find->from[class_idx]);
    }
}

static void close(struct find *find)
{
    for (uint64_t bins = find->bins; bins != 0; bins &= bins - 1) {
        unsigned class_idx = hak__lowest_bit(bins);
        find->from[class_idx] = hak__bin_close(find->heap, class_idx);
    }
}

/* Those that are not busy, in front; how many. */
static unsigned bar(struct find *find, unsigned count)
{
    unsigned barred = 0, quiet = 0;
    for (unsigned i = 0; i < count; i++)
        if (hak__heap_bar(find[i].heap))
            find[barred++] = find[i];
    bool ordered = hak__os_barrier();
    for (unsigned i = 0; i < barred; i++) {
        if (!ordered)
            hak__heap_unbar(find[i].heap);
        else if (hak__heap_is_barred(find[i].heap))
            find[quiet++] = find[i];
    }
    return quiet;
}

/* Whether anything was taken. */
static bool take(struct find *find, unsigned count)
{
    count = bar(find, count);
    for (unsigned i = 0; i < count; i++)
        close(&find[i]);
    bool ordered = hak__os_barrier();
    for (unsigned i = 0; i < count; i++) {
        if (ordered)
            flush_to_owner(&find[i]);
        else
            reopen(&find[i]);
        hak__heap_unbar(find[i].heap);
    }
    return ordered && count > 0;
}

bool hak__idle_scan(unsigned looks)
{
    HAK_UNSEEN;
    struct find find[GROUP];
    unsigned count = 0;
    bool taken = false;
    hak__lock_acquire(&hak__idle_lock);
    for (struct hak_heap *heap = hak_load_acquire(&hak__heaps); heap != NULL; heap = heap->older) {
        count += look(&find[count], heap, looks);
        if (count == GROUP || (count > 0 && heap->older == NULL)) {
            taken |= take(find, count);
            count = 0;
        }
    }
    hak__lock_release(&hak__idle_lock);
    return taken;
}

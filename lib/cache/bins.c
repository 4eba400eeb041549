/* SPDX-License-Identifier: MIT */
/* The bins of a thread cache: their capacities, and what leaves them. */
#include "cache/bins.h"

#include <string.h>

#include "base/bits.h"
#include "cache/enter.h"
#include "cache/flush.h"
#include "cache/heap_list.h"
#include "cache/heap_poll.h"
#include "cache/mail.h"
#include "cache/span_cache.h"
#include "cache/thread_cache.h"
#include "core/options.h"
#include "core/stats.h"
#include "page/pagemap.h"
#include "page/retain.h"
#include "slab/slab_freelist_atomic.h"

/*
 * A bin starts with what its first page holds and may grow to BIN_BYTES; one of large blocks to
 * BIN_BLOCKS, or as many as are in BIN_BYTES_MAX. What threads may keep in all their bins is bounded
 * apart (thread_bound).
 */
enum { BIN_FIRST_BYTES = 4096, BIN_FIRST_MAX = 16, BIN_FIRST_MIN = 2, BIN_BYTES = 1 << 20,
       BIN_BLOCKS = 256, BIN_BYTES_MAX = 1 << 22 };
/* A bin that is only refilled grows up to here. */
enum { BUILD_BLOCKS = 256, BUILD_BYTES = 16384 };
enum { CACHE_USUAL = 1 << 20 };
enum { NEIGHBOURS = 8 }; /* blocks of one slab in a row, on average */
/* A new bin has at most this share of the thread's bound, but a block. */
enum { BIN_LEAST = 4, CACHE_LEAST = 65536, FIRST_SHARE = 8 };

static size_t capacity_of(const struct hak_heap *heap, unsigned class_idx)
{
    return (size_t)(heap->limit[class_idx] - heap->base[class_idx]);
}

static size_t held_in(const struct hak_heap *heap, unsigned class_idx)
{
    return (size_t)(heap->top[class_idx] - heap->base[class_idx]);
}

static size_t first_capacity(size_t size)
{
    size_t blocks = BIN_FIRST_BYTES / size;
    return blocks > BIN_FIRST_MAX ? BIN_FIRST_MAX : blocks < BIN_FIRST_MIN ? BIN_FIRST_MIN : blocks;
}

static size_t largest_capacity(size_t size)
{
    size_t blocks = BIN_BYTES / size;
    if (blocks < BIN_BLOCKS)
        blocks = BIN_BYTES_MAX / size < BIN_BLOCKS ? BIN_BYTES_MAX / size : BIN_BLOCKS;
    return blocks > HAK_BIN_CAPACITY_MAX ? HAK_BIN_CAPACITY_MAX
                                         : blocks < BIN_LEAST ? BIN_LEAST : blocks;
}

/* What a thread may hold: a share of what the process uses; with many threads each may hold less. */
static size_t thread_bound(void)
{
    size_t heaps = hak__heap_count();
    if (heaps == 0)
        heaps = 1; /* the one that threads without a heap share */
    size_t most = hak__heap_share_of_cache(heaps);
    size_t bound = hak_load_relaxed(&hak__live_bytes) / heaps;
    if (bound < CACHE_USUAL)
        bound = CACHE_USUAL;
    if (bound > most)
        bound = most;
    return bound < CACHE_LEAST ? CACHE_LEAST : bound;
}

/* Arrays have whole cache lines: each is written by one thread all the time. */
static unsigned slots_order(size_t capacity)
{
    unsigned order = hak__log2_ceil(capacity), least = hak__log2_ceil(HAK_CACHE_LINE / sizeof(void *));
    return order > least ? order : least;
}

static void **slots_acquire(struct hak_heap *heap, size_t capacity)
{
    unsigned order = slots_order(capacity);
    void **slots = heap->spare_slots[order];
    if (slots != NULL)
        heap->spare_slots[order] = slots[0];
    else
        slots = hak__record_alloc(sizeof(void *) << order, HAK_CACHE_LINE);
    return slots;
}

static void slots_release(struct hak_heap *heap, void **slots, size_t capacity)
{
    unsigned order = slots_order(capacity);
    slots[0] = heap->spare_slots[order];
    heap->spare_slots[order] = slots;
}

/* Gives a bin another array; its blocks fit. False without memory, when nothing changes. */
static bool resize_bin(struct hak_heap *heap, unsigned class_idx, size_t capacity)
{
    size_t old = capacity_of(heap, class_idx);
    size_t held = held_in(heap, class_idx);
    void **slots = slots_acquire(heap, capacity);
    if (slots == NULL)
        return false;
    if (held > 0)
        memcpy(slots, heap->base[class_idx], held * sizeof *slots);
    if (old > 0)
        slots_release(heap, heap->base[class_idx], old);
    heap->base[class_idx] = slots;
    heap->top[class_idx] = slots + held;
    heap->limit[class_idx] = slots + capacity;
    heap->capacity_bytes += (capacity - old) * hak__class_size(class_idx);
    return true;
}

/*
 * Blocks leave a bin for their slabs, but those of other threads' slabs go to these threads by mail if
 * there is a place for them: few of them are of the same slab, and each slab would be a shared
 * operation. Larger ones would be much memory on its way. (doc/decisions/0042)
 */
static void send(struct hak_heap *heap, unsigned class_idx, void *const *block, size_t count)
{
    enum { LARGEST = 1024 };
    size_t sent = 0;
    bool by_mail = hak__heap_count() > 1 && class_idx >= HAK_CLASSES_IN_LINES &&
                   hak__class_size(class_idx) <= LARGEST;
    for (size_t i = 0; by_mail && i < count; i++) {
        uint32_t word = hak__pagemap_word((uintptr_t)block[i]);
        if (hak__owner_of(word) == heap->id || !hak__mail_try_add(heap, block[i], word))
            continue;
        hak__flush_add(heap, block + sent, i - sent);
        sent = i + 1;
    }
    hak__flush_add(heap, block + sent, count - sent);
}

static void flush_bottom(struct hak_heap *heap, unsigned class_idx, size_t count)
{
    send(heap, class_idx, heap->base[class_idx], count);
    size_t rest = held_in(heap, class_idx) - count;
    if (rest > 0 && count > 0)
        memmove(heap->base[class_idx], heap->base[class_idx] + count, rest * sizeof *heap->base[class_idx]);
    heap->top[class_idx] = heap->base[class_idx] + rest;
}

void hak__cache_empty_bin(struct hak_heap *heap, unsigned class_idx)
{
    hak__flush_add(heap, heap->base[class_idx], held_in(heap, class_idx));
    heap->top[class_idx] = heap->base[class_idx];
    for (void *block; HAK_HARDENED && (block = hak__rest_take(hak__heap_rests(heap), class_idx)) != NULL;)
        hak__flush_add(heap, &block, 1);
}

/* Empties a bin that has grown, and gives it the capacity that a new one has; false if it has that. */
static bool reset_bin(struct hak_heap *heap, unsigned class_idx)
{
    size_t first = first_capacity(hak__class_size(class_idx));
    if (capacity_of(heap, class_idx) <= first)
        return false;
    flush_bottom(heap, class_idx, held_in(heap, class_idx));
    return resize_bin(heap, class_idx, first);
}

void hak__cache_reset_bins(struct hak_heap *heap)
{
    bool busy = hak__heap_enter(heap);
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        reset_bin(heap, i);
        heap->drained[i] = heap->sent[i] = 0;
        heap->bursts[i] = 0;
        heap->used_lately[i] = false;
    }
    hak__heap_leave(heap, busy);
}

/* Takes capacity from bins that were not used since the last look, until there is enough. */
static bool reclaim_capacity(struct hak_heap *heap, size_t needed, size_t bound)
{
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        if (!heap->used_lately[i])
            reset_bin(heap, i);
        heap->used_lately[i] = false;
    }
    hak__flush_chains(heap);
    return heap->capacity_bytes + needed <= bound;
}

/* Empties a bin and takes its array away, as if the class had not been used yet. */
static void drop_bin(struct hak_heap *heap, unsigned class_idx)
{
    size_t old = capacity_of(heap, class_idx);
    flush_bottom(heap, class_idx, held_in(heap, class_idx));
    slots_release(heap, heap->base[class_idx], old);
    heap->base[class_idx] = heap->top[class_idx] = heap->limit[class_idx] = NULL;
    heap->capacity_bytes -= old * hak__class_size(class_idx);
}

/* Takes capacity from the largest bins until all are within the bound. */
static void cut_capacity(struct hak_heap *heap, size_t bound)
{
    while (heap->capacity_bytes > bound) {
        unsigned largest = 0;
        for (unsigned i = 1; i < HAK_CLASS_COUNT; i++)
            if (capacity_of(heap, i) * hak__class_size(i) >
                capacity_of(heap, largest) * hak__class_size(largest))
                largest = i;
        if (!reset_bin(heap, largest))
            drop_bin(heap, largest);
    }
    hak__flush_chains(heap);
}

/* The first bin of a class, for which others make room where the thread's bound is small. */
static bool begin_bin(struct hak_heap *heap, unsigned class_idx)
{
    size_t size = hak__class_size(class_idx), bound = thread_bound();
    size_t blocks = first_capacity(size);
    while (blocks > 1 && blocks * size > bound / FIRST_SHARE)
        blocks /= 2;
    size_t needed = blocks * size;
    if (heap->capacity_bytes + needed > bound && !reclaim_capacity(heap, needed, bound))
        cut_capacity(heap, needed < bound ? bound - needed : 0);
    return resize_bin(heap, class_idx, blocks);
}

/*
 * A thread's bound falls when others begin, when less is in use, or by hak_option_set: then bins
 * follow, unless the difference is small.
 */
void hak__cache_keep_bound(struct hak_heap *heap)
{
    if (hak_likely(heap->polls % HAK_POLLS_A_CLOCK != 0))
        return;
    size_t bound = thread_bound();
    if (heap->capacity_bytes / 2 > bound && !reclaim_capacity(heap, 0, bound))
        cut_capacity(heap, bound);
    hak__span_cache_keep_bound(heap);
}

/* What a bin of that capacity may grow to in a step. */
static size_t next_capacity(size_t capacity, size_t size)
{
    size_t most = largest_capacity(size);
    return capacity * 2 < most ? capacity * 2 : most;
}

/*
 * Doubles a bin. One that has more than all others gets what the thread's bound leaves, if that is a
 * quarter of it at least. False when it stays as it is.
 */
static bool grow_bin(struct hak_heap *heap, unsigned class_idx)
{
    enum { LEAST_GROWTH = 4 };
    size_t size = hak__class_size(class_idx);
    size_t old = capacity_of(heap, class_idx);
    if (hak_unlikely(old == 0))
        return begin_bin(heap, class_idx);
    size_t capacity = next_capacity(old, size);
    if (capacity <= old)
        return false;
    size_t needed = (capacity - old) * size;
    size_t bound = thread_bound();
    if (heap->capacity_bytes + needed > bound && !reclaim_capacity(heap, needed, bound)) {
        size_t left = bound > heap->capacity_bytes ? (bound - heap->capacity_bytes) / size : 0;
        if (left < old / LEAST_GROWTH + 1 || old * size < heap->capacity_bytes / 2)
            return false;
        capacity = old + left;
    }
    return resize_bin(heap, class_idx, capacity);
}

/* Leaves other bins alone: one of them is being filled. */
bool hak__cache_grow_for_mail(struct hak_heap *heap, unsigned class_idx)
{
    size_t old = capacity_of(heap, class_idx), size = hak__class_size(class_idx);
    size_t capacity = next_capacity(old, size);
    return old != 0 && capacity > old &&
           heap->capacity_bytes + (capacity - old) * size <= thread_bound() &&
           resize_bin(heap, class_idx, capacity);
}

/* More was drained since the last refill than any bin could have kept. */
static bool takes_down(const struct hak_heap *heap, unsigned class_idx)
{
    return heap->drained[class_idx] > largest_capacity(hak__class_size(class_idx));
}

/*
 * A thread that frees more blocks of a class between two refills than its bin takes, as threads do that
 * work in turns, would spread what other heaps' blocks it keeps over their slabs in ones and twos when
 * the bin overflows. It sends all of these for a while (free_slow.c).
 */
static void look_for_burst(struct hak_heap *heap, unsigned class_idx)
{
    enum { BURST_BLOCKS = 32, BURST_REFILLS = 16 };
    size_t left = (size_t)heap->drained[class_idx] + heap->sent[class_idx];
    heap->sent[class_idx] = 0;
    if (left >= BURST_BLOCKS && left > capacity_of(heap, class_idx) / 2)
        heap->bursts[class_idx] = BURST_REFILLS;
    else if (heap->bursts[class_idx] > 0)
        heap->bursts[class_idx]--;
}

static void set_taken_down(struct hak_heap *heap, unsigned class_idx, bool down)
{
    size_t bytes = (size_t)2 << hak__class_info[class_idx].slab_shift;
    if (heap->taken_down[class_idx] != down)
        heap->taken_down_bytes += down ? bytes : -bytes;
    heap->taken_down[class_idx] = down;
}

/*
 * A bin that swings between empty and full is too small for what the thread does
 * and grows, as long as a bin can take the swing at all. One that is only
 * refilled, or only drained, serves a thread that builds something up or takes it
 * down: a large bin would save it little, and what it holds in the end would keep
 * as many slabs from being given back.
 */
void hak__cache_grow_for_refill(struct hak_heap *heap, unsigned class_idx)
{
    bool swings = heap->drained[class_idx] > 0 && !takes_down(heap, class_idx);
    look_for_burst(heap, class_idx);
    set_taken_down(heap, class_idx, false);
    heap->drained[class_idx] = 0;
    heap->used_lately[class_idx] = true;
    size_t old = capacity_of(heap, class_idx);
    if (swings || (old < BUILD_BLOCKS && old * hak__class_size(class_idx) < BUILD_BYTES))
        grow_bin(heap, class_idx);
}

/*
 * The bin is empty: a thread that only frees needs no more than a few places, or some
 * more if blocks that are freed together are neighbours: then what stays in the bin in
 * the end keeps no more than a slab or two. Fewest where each may be the last of a slab.
 */
static void shrink_bin(struct hak_heap *heap, unsigned class_idx, bool neighbours, bool last)
{
    size_t old = capacity_of(heap, class_idx), size = hak__class_size(class_idx);
    size_t build = BUILD_BYTES / size < BUILD_BLOCKS ? BUILD_BYTES / size : BUILD_BLOCKS;
    size_t first = last ? BIN_FIRST_MIN : first_capacity(size);
    size_t least = neighbours && build > first ? build : first;
    if (old / 2 >= least)
        resize_bin(heap, class_idx, last ? least : old / 2);
}

/* Whether hardly another block is out of the slabs of some, the first and the last. */
static bool are_last(void *const *block, size_t count)
{
    enum { SHARE = 8 };
    for (size_t i = 0; i < count; i += count > 1 ? count - 1 : 1) {
        struct slab_view view = slab_freelist_view(hak__pagemap_record((uintptr_t)block[i]));
        if (view.carved - view.free > view.carved / SHARE)
            return false;
    }
    return count != 0;
}

void hak__bin_make_room(struct hak_heap *heap, unsigned class_idx)
{
    heap->used_lately[class_idx] = true;
    bool first = heap->drained[class_idx] == 0;
    size_t held = held_in(heap, class_idx);
    size_t half = (held + 1) / 2;
    if (!takes_down(heap, class_idx))
        heap->drained[class_idx] = (uint16_t)(heap->drained[class_idx] + (half > 0 ? half : 1));
    if ((first || capacity_of(heap, class_idx) == 0) && grow_bin(heap, class_idx))
        return;
    hak__count(HAK_COUNTER_DRAINS, 1);
    bool last = heap->drained[class_idx] > BIN_BLOCKS && are_last(heap->base[class_idx], held);
    if (last || takes_down(heap, class_idx)) {
        uint32_t begun = heap->chains_begun;
        set_taken_down(heap, class_idx, true);
        flush_bottom(heap, class_idx, held);
        shrink_bin(heap, class_idx, (heap->chains_begun - begun) * NEIGHBOURS <= held, last);
    } else {
        flush_bottom(heap, class_idx, half);
    }
    hak__flush_chains(heap);
    hak__mail_post_surplus(heap);
    hak__heap_poll(heap);
}

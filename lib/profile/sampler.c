/* SPDX-License-Identifier: MIT */
#include "profile/sampler.h"

#include "base/annotate.h"
#include "base/mix.h"
#include "base/probe.h"
#include "cache/heap_life.h"
#include "cache/sampled.h"
#include "core/options.h"
#include "core/stats.h"
#include "page/huge.h"
#include "profile/call_stack.h"
#include "profile/dump.h"
#include "profile/exponential.h"
#include "profile/guard.h"
#include "profile/tables.h"

/* How many bytes a thread allocates, while the profiler is off, before it looks whether it still is. */
enum { LOOK = 1 << 20 };

/* What a distance is that has no end. */
#define FAR (PTRDIFF_MAX / 2)

uint64_t hak__sample_seed;
HAK_READ_MOSTLY _Atomic uint64_t hak__guard_interval;

/* What somebody has written into the control word, and cannot be, is put right. */
static uint64_t interval_now(void)
{
    uint64_t interval = hak_load_relaxed(&hak__profile.interval), possible = interval;
    if (hak_likely(interval == 0))
        return 0;
    if (interval > HAK_PROFILE_INTERVAL_MOST)
        possible = HAK_PROFILE_INTERVAL_MOST;
    if (!hak__profile_prepare())
        possible = 0;
    if (possible != interval)
        hak_store_relaxed(&hak__profile.interval, possible);
    return possible;
}

/* Unlike for each heap, each sample of it, and each process. */
static uint64_t random_bits(struct hak_heap *heap)
{
    uint64_t number = (uint64_t)heap->id << 40 ^ ++heap->samples_drawn;
    uint64_t seed = hak__sample_seed != 0 ? hak__sample_seed : heap->secret;
    uint64_t bits = hak__mix(number + 0x9e3779b97f4a7c15u, seed | 1);
    return hak__mix(bits ^ 0xbf58476d1ce4e5b9u, 0x94d049bb133111ebu ^ number) | 1;
}

/* Counts down from another distance; what has been requested stays the same. */
static void begin(struct hak_heap *heap, ptrdiff_t distance)
{
    uint64_t end = hak__heap_requested(heap) + (uint64_t)distance;
    uint32_t draws = hak_load_relaxed(&heap->draws);
    hak_store_relaxed(&heap->draws, draws + 1);
    hak_fence_release(); /* before the change: draws is odd */
    hak_store_relaxed(&heap->requested_end, end);
    hak_plain_store_relaxed(&heap->until_sample, distance);
    hak_store_release(&heap->draws, draws + 2);
}

static ptrdiff_t random_distance(struct hak_heap *heap, uint64_t interval)
{
    double distance = hak__exponential(random_bits(heap)) * (double)interval;
    return distance < (double)FAR ? (ptrdiff_t)distance : FAR;
}

/* What is left of a way; one whose end was passed while another was drawn anew ends at the next block. */
static ptrdiff_t left_of(const struct hak_heap *heap, ptrdiff_t behind)
{
    ptrdiff_t left = heap->until_sample + behind;
    return left > 0 ? left : 0;
}

/* Begins the ways anew that are given, each to the next one or to the next look. */
static void draw(struct hak_heap *heap, unsigned ways)
{
    ptrdiff_t sample = left_of(heap, heap->sample_behind), guard = left_of(heap, heap->guard_behind);
    if ((ways & HAK_DUE_SAMPLE) != 0) {
        heap->sample_interval = interval_now();
        sample = heap->sample_interval != 0 ? random_distance(heap, heap->sample_interval) : LOOK;
    }
    if ((ways & HAK_DUE_GUARD) != 0) {
        heap->guard_interval = hak_load_relaxed(&hak__guard_interval);
        guard = heap->guard_interval != 0 ? random_distance(heap, heap->guard_interval) : FAR;
    }
    ptrdiff_t nearer = sample < guard ? sample : guard;
    heap->looks_at_next = (ways & HAK_DUE_GUARD) != 0 && heap->guard_interval != 0;
    if (heap->looks_at_next)
        nearer = -1;
    begin(heap, nearer);
    heap->sample_behind = sample - nearer;
    heap->guard_behind = guard - nearer;
}

/* Which ways have come to their ends. */
static unsigned ended(const struct hak_heap *heap)
{
    return (heap->until_sample + heap->sample_behind < 0 ? HAK_DUE_SAMPLE : 0) |
           (heap->until_sample + heap->guard_behind < 0 ? HAK_DUE_GUARD : 0);
}

/* Draws anew what was drawn for another mean; a block that was counted counts for the new distance. */
static void follow(struct hak_heap *heap, uint64_t interval, uint64_t guards, size_t size)
{
    if (hak__sample_is_counted(heap))
        hak__sample_uncount(heap, size);
    draw(heap, (heap->sample_interval != interval ? HAK_DUE_SAMPLE : 0) |
                   (heap->guard_interval != guards ? HAK_DUE_GUARD : 0));
}

/* A thread's first block counts, too: then it gets its heap here. */
unsigned hak__sample_due(struct hak_heap *heap, size_t size)
{
    uint64_t interval = hak_load_relaxed(&hak__profile.interval), guards = hak_load_relaxed(&hak__guard_interval);
    if (hak_unlikely(!hak__heap_is_real(heap)) &&
        ((interval | guards) == 0 || (heap = hak__heap_attach()) == NULL)) {
        hak__count(HAK_COUNTER_REQUESTED_BYTES, size);
        return 0;
    }
    if (hak_unlikely(heap->sample_interval != interval || heap->guard_interval != guards))
        follow(heap, interval, guards, size);
    if (!hak__sample_is_counted(heap) && !hak__sample_counts(heap, size))
        return 0;
    unsigned ways = ended(heap) | (heap->looks_at_next && size == 0 ? HAK_DUE_GUARD : 0);
    unsigned on = (heap->sample_interval != 0 ? HAK_DUE_SAMPLE : 0) | (heap->guard_interval != 0 ? HAK_DUE_GUARD : 0);
    if ((ways & on) == 0)
        draw(heap, ways);
    return ways & on;
}

static uint64_t weight_of(double probability)
{
    return (uint64_t)((1 << HAK_PROFILE_WEIGHT_SHIFT) / probability + 0.5);
}

/*
 * Records a block; its own bytes are what the sample fell into. The way to the program begins with the
 * caller's registers: each call less on it is a fifth of what a sample costs.
 */
static bool record(struct hak_heap *heap, const void *block, size_t size, const struct hak_registers *from)
{
    uint64_t frames[HAK_PROFILE_DEPTH];
    double bytes = size != 0 ? (double)size : 1;
    struct hak_profile_block added = {
        .address = block,
        .size = size,
        .weight = weight_of(hak__probability(bytes / (double)heap->sample_interval)),
        .interval = heap->sample_interval,
        .thread = heap->thread,
        .frames = frames,
        .depth = hak__call_stack(from, frames, HAK_PROFILE_DEPTH)};
    if (!hak__profile_add(&added))
        return false;
    HAK_PROBE3(otel_memory, alloc, block, size, hak__profile_bytes(size, added.weight));
    return true;
}

/*
 * A signal handler that has interrupted the profiler could not record the block: it does not wait for
 * one, which who forks may keep it from until the profiler goes on.
 */
HAK_NOINLINE void *hak__sample_take(struct hak_heap *heap, unsigned class_idx, size_t size)
{
    struct hak_registers here;
    void *block = hak__lock_is_mine(&hak__profile_lock) ? NULL : hak__sampled_take(class_idx);
    hak__registers_here(&here);
    if (block == NULL)
        hak__profile_drop();
    else if (!record(heap, block, size, &here)) {
        hak__sampled_give(block, class_idx);
        block = NULL;
    }
    draw(heap, HAK_DUE_SAMPLE);
    hak__dump_at_peak();
    return block;
}

/* A signal handler that has interrupted who looks for a huge block would wait for itself. */
HAK_NOINLINE void *hak__sample_guarded(struct hak_heap *heap, size_t size, size_t alignment, unsigned *due)
{
    bool at_end = (random_bits(heap) >> 1 & 1) != 0;
    struct hak_span *span =
        hak__is_watched() || hak__lock_is_mine(&hak__huge_lock) ? NULL : hak__guard_malloc(size, alignment, at_end);
    *due &= ~(unsigned)HAK_DUE_GUARD;
    draw(heap, HAK_DUE_GUARD);
    if (span == NULL)
        return NULL;
    if ((*due & HAK_DUE_SAMPLE) != 0)
        hak__sample_span(heap, span, size);
    *due = 0;
    return hak__span_block(span);
}

HAK_NOINLINE void hak__sample_span(struct hak_heap *heap, struct hak_span *span, size_t size)
{
    struct hak_registers here;
    hak__registers_here(&here);
    bool sampled = record(heap, hak__span_block(span), size, &here);
    hak_store_relaxed(&span->sampled, sampled);
    draw(heap, HAK_DUE_SAMPLE);
    hak__dump_at_peak();
}

/* Listeners hear of every sampled block, also when its record has gone by a reset: they may count it. */
HAK_NOINLINE void hak__sample_end(const void *block)
{
    HAK_PROBE1(otel_memory, free, block);
    hak__profile_end(block);
}

/* There is no probe for blocks that get another size or place: for listeners the old block ends. */
static void tell_again(const void *from, const void *block)
{
    size_t size = 0;
    uint64_t bytes = 0;
    HAK_PROBE1(otel_memory, free, from);
    if (HAK_PROBE_IS_HEARD(otel_memory, alloc) && hak__profile_find(block, &size, &bytes))
        HAK_PROBE3(otel_memory, alloc, block, size, bytes);
}

void hak__sample_resize(const void *block, size_t size)
{
    if (hak__profile_resize(block, size, NULL, 0))
        tell_again(block, block);
}

/*
 * A block that had the probability p gets 1 - (1 - p) exp(-grown / interval): it would have a record now,
 * too, if a sample had fallen into what it has grown by.
 */
static uint64_t heavier(uint64_t weight, size_t grown)
{
    uint64_t interval = hak_load_relaxed(&hak__profile.interval);
    double p = (1 << HAK_PROFILE_WEIGHT_SHIFT) / (double)weight;
    if (interval == 0 || p >= 1)
        return weight;
    return weight_of(p + (1 - p) * hak__probability((double)grown / (double)interval));
}

void hak__sample_resize_span(struct hak_span *span, const void *from, size_t before, size_t size)
{
    const void *block = hak__span_block(span);
    size_t grown = size > before ? size - before : 0;
    unsigned due = grown != 0 ? hak__sample_due(hak__heap, grown) : 0;
    struct hak_heap *heap = hak__heap; /* which the thread may have had from then on */
    if ((due & HAK_DUE_GUARD) != 0)
        draw(heap, HAK_DUE_GUARD); /* a block is guarded from its first byte or not */
    bool sampled = hak_load_relaxed(&span->sampled), falls = (due & HAK_DUE_SAMPLE) != 0;
    if (sampled && hak__profile_resize(block, size, heavier, falls || heap->sample_interval != 0 ? grown : 0))
        tell_again(from, block);
    if (falls && !sampled)
        hak__sample_span(heap, span, size);
    else if (falls)
        draw(heap, HAK_DUE_SAMPLE);
}

bool hak__sample_switch(uint64_t interval)
{
    if (interval != 0 && !hak__profile_prepare())
        return false;
    hak_store_relaxed(&hak__profile.interval, interval);
    return true;
}

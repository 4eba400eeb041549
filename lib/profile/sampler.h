/* SPDX-License-Identifier: MIT */
/*
 * Which blocks are recorded, and which are guarded.
 *
 * Each heap counts down the bytes that are allocated from it, from a distance that is drawn anew for
 * each sample: exponentially distributed, with the interval as its mean. Wherever the count stands, the
 * rest has the same distribution again. So a block of S bytes is sampled with the probability
 * 1 - exp(-S / interval), whatever came before it, and stands for as many blocks as that is the
 * reciprocal of: sums over sampled blocks, so weighted, are unbiased estimates of sums over all.
 *
 * Guarded blocks (guard.h) are chosen in the same way, with a mean of their own. Each heap has two distances;
 * the nearer one is counted down, and how much further the other goes is kept. Where one ends that one
 * alone is drawn anew, so each is distributed as if there were no other. Requests of no bytes would never
 * be guarded: so the block behind a guarded one is looked at, and guarded if it is empty.
 *
 * While the profiler is off the count comes to its end, too, after a megabyte: then its heap looks
 * whether it has been switched on. Slow paths that find a bin empty look as well.
 *
 * So the count tells how many bytes were requested, too: what is left of the distance is subtracted from
 * what will have been at its end (heap.h). Where a program asks for memory until it gets some, each try
 * counts.
 *
 * Counting is the owner's alone; so is everything here, but hak__sample_end.
 */
#ifndef HAK_PROFILE_SAMPLER_H
#define HAK_PROFILE_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>

#include "cache/heap.h"
#include "page/span.h"

/* HOT: counts a block; whether it may be one to sample. Of a heap that is real. */
HAK_INLINE bool hak__sample_counts(struct hak_heap *heap, size_t size)
{
    heap->until_sample -= (ptrdiff_t)size;
    return hak_unlikely(heap->until_sample < 0);
}

/* Whether a block of some bytes was counted, and nothing has been drawn since. */
HAK_INLINE bool hak__sample_is_counted(const struct hak_heap *heap)
{
    return heap->until_sample < -(ptrdiff_t)heap->looks_at_next;
}

/* A block that was counted will be asked for, and counted, once more. */
HAK_INLINE void hak__sample_uncount(struct hak_heap *heap, size_t size)
{
    heap->until_sample += (ptrdiff_t)size;
}

/* For what the next block is chosen: to be recorded, to be guarded. */
enum { HAK_DUE_SAMPLE = 1, HAK_DUE_GUARD = 2 };

/*
 * For what the next block is chosen, given its size, of any heap. Counts it unless the count is at its
 * end already: whoever has counted and found that it may be one asks here. Each that is due is passed on.
 */
unsigned hak__sample_due(struct hak_heap *heap, size_t size);

/*
 * After hak__sample_due, of what was due HAK_DUE_GUARD at least: a live block that is guarded, and recorded if
 * that was due; NULL where it cannot be. What it has seen to is not due any more.
 */
void *hak__sample_guarded(struct hak_heap *heap, size_t size, size_t alignment, unsigned *due);

/*
 * After hak__sample_due: a block of a class, which is marked as free like one of a cache, and recorded;
 * NULL, and the block comes from where it would have otherwise, when it cannot be had or recorded.
 */
void *hak__sample_take(struct hak_heap *heap, unsigned class_idx, size_t size);

/* After hak__sample_due: records a block of a span, which is told. */
void hak__sample_span(struct hak_heap *heap, struct hak_span *span, size_t size);

/* A sampled block is freed; by any thread, before anybody else can get it. */
void hak__sample_end(const void *block);

/* The block of a span is not sampled any more, if it was. */
HAK_INLINE void hak__sample_end_span(struct hak_span *span)
{
    if (hak_unlikely(hak_load_relaxed(&span->sampled))) {
        hak_store_relaxed(&span->sampled, false);
        hak__sample_end(hak__span_block(span));
    }
}

/* A sampled block of a slab has another size, in the same place. */
void hak__sample_resize(const void *block, size_t size);

/*
 * The same of any block of a span, which had another size before, and perhaps another address. What it
 * has grown by counts as allocated: where a sample falls into it a block gets a record that had none.
 */
void hak__sample_resize_span(struct hak_span *span, const void *from, size_t before, size_t size);

/* Sets the mean distance between samples, 0: off; false without memory for the tables. Any thread. */
bool hak__sample_switch(uint64_t interval);

/* The mean distance between guarded blocks, 0: off. Set when options are read; any thread reads it. */
extern _Atomic uint64_t hak__guard_interval;

/* For tests: what distances are drawn from. */
extern uint64_t hak__sample_seed;

#endif

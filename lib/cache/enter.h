/* SPDX-License-Identifier: MIT */
/*
 * Who may touch a heap: its thread, or another one while that is outside.
 *
 * The fast paths pop from a bin and push into it without any mark of theirs. Everything else that
 * the owner does with its heap stands between enter and leave. Another thread (idle.c) takes from a
 * heap whose owner does not use it, without the owner's help:
 *
 *     owner                                     other thread, under hak__idle_lock
 *     enter: busy = true                        1. bar = BARRED
 *            bar != OPEN: hak__heap_enter_slow  2. barrier in all threads; busy: gives up
 *     ...                                       3. base = top, of each bin that it takes from
 *     leave: busy = false                       4. barrier in all threads
 *                                               5. takes what is below min(base, top) - 1
 *                                               6. bar = LIFTED
 *
 * Enter and 1, 2 exclude each other: the barrier (membarrier(2)) stands for the fence that the owner
 * does without. Behind 2 the owner is on fast paths alone, and waits at its next enter.
 *
 * A pop reads top and base, compares, and stores the smaller top. Behind 4 each pop that begins sees
 * the base of 3, by which the bin is empty up to there. At most one pop is under way which has read
 * a lower one; it takes the block below the top that is seen in 5, or has taken it and not said so yet.
 * This block is left to it, and stays if there is none. Pushes go above. So tops may be below bases
 * between 3 and 5 alone, which is why the pop does not ask whether they are equal.
 *
 * What is left of a lifted bin begins above its array's start, which slow paths never see: pass moves
 * it down. model/idle.pml.
 */
#ifndef HAK_CACHE_ENTER_H
#define HAK_CACHE_ENTER_H

#include <stdbool.h>

#include "cache/heap.h"

enum hak_bar { HAK_OPEN, HAK_BARRED, HAK_LIFTED };

/* Waits until the heap is no longer barred and lets its bins down. By who has entered it. */
void hak__heap_enter_slow(struct hak_heap *heap);

/*
 * Around what leaves a heap in disorder for a while, or must find it in order. Who finds it in disorder
 * in the child of a fork is in a signal handler that has interrupted it; see hak__heap_fork_child. The
 * value is for leave.
 */
HAK_INLINE bool hak__heap_enter(struct hak_heap *heap)
{
    bool busy = hak_load_relaxed(&heap->busy);
    hak_store_relaxed(&heap->busy, true);
    hak_store_relaxed(&heap->entered, hak_load_relaxed(&heap->entered) + 1);
    hak_fence_compiler();
    if (hak_unlikely(hak_load_acquire(&heap->bar) != HAK_OPEN))
        hak__heap_enter_slow(heap);
    return busy;
}

HAK_INLINE void hak__heap_leave(struct hak_heap *heap, bool busy)
{
    hak_fence_compiler();
    hak_store_release(&heap->busy, busy);
}

/*
 * The same for what is brief and can be left undone: false when the heap is busy already, or is not
 * open. Then a slow path that enters it opens it.
 */
HAK_INLINE bool hak__heap_try_enter(struct hak_heap *heap)
{
    if (hak_unlikely(hak_load_relaxed(&heap->busy)))
        return false;
    hak_store_relaxed(&heap->busy, true);
    hak_fence_compiler();
    if (hak_likely(hak_load_acquire(&heap->bar) == HAK_OPEN))
        return true;
    hak_store_release(&heap->busy, false);
    return false;
}

/* Steps 1 to 6, for one thread at a time; the caller sees to the barriers. False: barred already. */
bool hak__heap_bar(struct hak_heap *heap);
/* Behind the first barrier: whether the owner is outside; else the heap is open again. */
bool hak__heap_is_barred(struct hak_heap *heap);
/* Makes a bin look empty up to its top; its lower end before. */
void **hak__bin_close(struct hak_heap *heap, unsigned class_idx);
/* Behind the second barrier: how many blocks, from that lower end on, are the caller's. */
size_t hak__bin_lift(struct hak_heap *heap, unsigned class_idx, void **from);
/* Without a second barrier. */
void hak__bin_reopen(struct hak_heap *heap, unsigned class_idx, void **from);
void hak__heap_unbar(struct hak_heap *heap);

/* In the child of a fork: whether something was going on in the calling thread's heap. */
bool hak__heap_is_inconsistent(struct hak_heap *heap);
/* A heap without owner whose bins are gone; who calls is alone with it. */
void hak__heap_reset(struct hak_heap *heap);

#endif

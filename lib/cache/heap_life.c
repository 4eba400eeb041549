/* SPDX-License-Identifier: MIT */
#include "cache/heap_life.h"

#include "base/annotate.h"
#include "cache/bins.h"
#include "cache/enter.h"
#include "cache/heap.h"
#include "cache/heap_flush.h"
#include "cache/heap_list.h"
#include "cache/heap_pool.h"
#include "cache/mail.h"
#include "cache/reclaim.h"
#include "core/race.h"
#include "core/report.h"
#include "core/stats.h"
#include "os/deadline.h"
#include "os/lock.h"
#include "os/os.h"
#include "os/self.h"
#include "os/thread.h"
#include "page/retain.h"

const struct hak_heap hak__heap_gone = {.owner_tag = HAK_HEAP_NONE << HAK_OWNER_SHIFT, .id = HAK_HEAP_NONE};

HAK_WRITTEN_OFTEN struct hak_lock hak__heap_shared_lock;

static struct hak_heap *shared; /* under hak__heap_shared_lock */
static _Atomic uint32_t forks;  /* of which this process is the child */

/* Without atomics the slabs are one thread's. */
HAK_NORETURN static void refuse_second_thread(void)
{
    struct hak_text text;
    hak__text_message(&text);
    hak__text_string(&text, "built with the plain freelist, for one thread only\n");
    hak__text_abort(&text);
}

void hak__heap_handle_requests(struct hak_heap *heap)
{
    uint32_t wanted = hak_load_relaxed(&hak__flushes_requested);
    if (hak_unlikely(heap->flushes != wanted)) {
        heap->flushes = wanted;
        size_t before = hak_load_relaxed(&hak__retained_bytes);
        hak__heap_flush(heap);
        hak__heap_flush_orphans(HAK_NEVER);
        size_t now = hak_load_relaxed(&hak__retained_bytes);
        if (now > before && heap == hak__heap) /* somebody wants it for the system */
            hak__reclaim(now - before, HAK_NEVER, false);
    }
    if (heap->polls % HAK_POLLS_A_CLOCK == 0)
        hak__mail_tick(heap);
    hak__cache_keep_bound(heap);
}

/*
 * Among the thread's other destructors, which may still allocate: asks to come once more, after
 * those of this round. Not oftener, for a thread whose first allocation was in a destructor may
 * have no more rounds.
 */
static void thread_ends(void *value)
{
    HAK_UNSEEN;
    struct hak_heap *heap = value;
    if (!heap->ending && hak__thread_at_exit(thread_ends, heap))
        heap->ending = true;
    else
        hak__heap_detach();
}

void hak__heap_prepare(void)
{
    hak__thread_reserve(thread_ends);
}

/* The thread goes on without a heap, or with none for good when it is ending. */
static void leave(struct hak_heap *heap, const struct hak_heap *next)
{
    heap->holder = hak__thread_self();
    hak__heap = (struct hak_heap *)next;
    if (hak__heap_may_keep(heap))
        hak__heap_leave_contents(heap);
    else
        hak__heap_close(heap);
    hak__reclaim_poll(true, 0);
    hak__count(HAK_COUNTER_THREADS_ENDED, 1);
    hak__counters = &hak__counters_shared;
    hak__life_end(&heap->life);
    hak__heap_give_up(heap);
}

void hak__heap_detach(void)
{
    HAK_UNSEEN;
    struct hak_heap *heap = hak__heap;
    if (hak__heap_is_real(heap))
        leave(heap, &hak__heap_gone);
}

/* Where a signal handler forks before the number is kept, the child, whose number is another, asks again. */
static void note_thread(struct hak_heap *heap)
{
    uint32_t before;
    do {
        before = hak_load_relaxed(&forks);
        heap->thread = (uint32_t)hak__os_thread();
    } while (before != hak_load_relaxed(&forks));
}

struct hak_heap *hak__heap_attach(void)
{
    if (hak__heap == &hak__heap_gone)
        return NULL;
    if (HAK_FREELIST_PLAIN && hak__heap_count() > 0)
        refuse_second_thread();
    hak__heap_find_ended();
    if (hak__heap_is_real(hak__heap)) /* a function in front of one of the system's has allocated */
        return hak__heap;
    struct hak_heap *heap = hak__heap_acquire(true);
    if (heap == NULL)
        return NULL;
    hak__race_point("attach");
    heap->ending = false;
    hak__mail_open(heap);
    heap->flushes = hak_load_relaxed(&hak__flushes_requested);
    heap->requested_before = hak__heap_requested(heap);
    hak__heap = heap;
    note_thread(heap);
    heap->holder = 0;
    hak__counters = &heap->counters;
    hak__count(HAK_COUNTER_THREADS_STARTED, 1);
    hak__life_prepare(&heap->life);
    bool found_if_ended = hak__life_begin(&heap->life);
    if (hak_unlikely(!hak__thread_at_exit(thread_ends, heap)) && !found_if_ended) {
        leave(heap, &hak__heap_none); /* nobody would give it up when the thread ends */
        return NULL;
    }
    return heap;
}

static void abandon(struct hak_heap *heap)
{
    heap->attached = false;
    hak_sub_relaxed(&hak__heaps_in_use, 1);
    hak__heap = (struct hak_heap *)&hak__heap_none;
    hak__counters = &hak__counters_shared;
}

/*
 * A heap that the calling thread has in hand, in what a signal handler that forks has interrupted: it
 * goes on when the handler returns. If it waits for somebody who bars the heap, he is not there.
 */
static void go_on_in_child(struct hak_heap *heap)
{
    if (hak_load_relaxed(&heap->bar) != HAK_BARRED)
        return;
    hak__heap_salvage(heap);
    hak__heap_reset(heap);
}

void hak__heap_fork_child(void)
{
    if (hak__heap_is_real(hak__heap) && hak__heap_is_inconsistent(hak__heap))
        abandon(hak__heap);
    hak__heap_pool_fork_child();
    hak_store_relaxed(&forks, hak_load_relaxed(&forks) + 1);
    for (struct hak_heap *heap = hak_load_acquire(&hak__heaps); heap != NULL; heap = heap->older) {
        hak__life_forget(&heap->life);
        heap->thread = 0;
        if (hak__heap_is_inconsistent(heap) && !heap->attached) {
            if (heap->orphaned)
                hak__heap_salvage(heap);
            hak__heap_reset(heap); /* it holds nothing now */
        }
        if (!heap->attached || heap == hak__heap)
            continue;
        if (heap->holder == hak__thread_self()) {
            go_on_in_child(heap);
        } else {
            hak__heap_salvage(heap);
            hak__heap_reset(heap);
            hak__heap_give_up(heap);
        }
    }
    if (hak__heap_is_real(hak__heap))
        note_thread(hak__heap);
}

struct hak_heap *hak__heap_shared_locked(void)
{
    if (shared == NULL)
        shared = hak__heap_acquire(false);
    return shared;
}

void hak__heap_flush_shared(void)
{
    if (!hak__lock_try(&hak__heap_shared_lock))
        return;
    if (shared != NULL)
        hak__heap_flush(shared);
    hak__lock_release(&hak__heap_shared_lock);
}

/* SPDX-License-Identifier: MIT */
#include "cache/heap_pool.h"

#include "cache/enter.h"
#include "cache/heap.h"
#include "cache/heap_flush.h"
#include "cache/heap_list.h"
#include "cache/mail.h"
#include "cache/reclaim.h"
#include "core/meta.h"
#include "core/options.h"
#include "core/race.h"
#include "core/stats.h"
#include "harden/quarantine.h"
#include "os/lock.h"
#include "os/os.h"
#include "os/self.h"
#include "os/thread.h"
#include "page/retain.h"
#include "slab/size_class.h"

enum { ID_LAST = HAK_OWNER_SAMPLED - 1 };
enum { LOOK_LEAST = 8 };

HAK_WRITTEN_OFTEN struct hak_lock hak__heap_lock;

#pragma weak hak__sized_delete_is_ours

static struct hak_heap *free_heaps;           /* under hak__heap_lock */
static struct hak_heap *orphan_heaps;         /* free ones that hold something, the last first; the same */
static uint32_t next_id = HAK_HEAP_FIRST;     /* under hak__heap_lock */
static uint32_t threads_to_look = LOOK_LEAST; /* before ended ones are looked for; the same */
static bool looking;                          /* somebody does; the same */
static _Atomic uint32_t orphan_count;         /* how many these are, or will be; written under the same */
static uint64_t orphan_cpus;                  /* bit i: processor i has one that holds much; the same */
static _Atomic int64_t orphaned_since;        /* ms, of the first of these; the same */

/* Once limit_hard is reached threads that begin get no heap of their own; the shared one they do. */
static struct hak_heap *create_locked(bool for_thread)
{
    if (next_id > ID_LAST)
        return NULL;
    size_t rests = HAK_HARDENED ? sizeof(struct hak_rests) : 0; /* behind it */
    struct hak_heap *heap =
        for_thread ? hak__record_alloc(sizeof *heap + rests, 64) : hak__meta_alloc(sizeof *heap + rests, 64);
    if (heap == NULL)
        return NULL;
    if (HAK_HARDENED)
        hak__rests_begin(hak__heap_rests(heap));
    heap->id = next_id++;
    heap->owner_tag = heap->id << HAK_OWNER_SHIFT;
    heap->secret = hak__heap_secret;
    hak__mail_close(heap);
    bool sized = &hak__sized_delete_is_ours == NULL || hak__sized_delete_is_ours();
    if (HAK_HARDENED && !sized)
        hak__harden_forget_kinds();
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        heap->reciprocal[i] = hak__class_info[i].reciprocal;
        heap->bound_whole[i] = hak__class_info[i].bound;
        heap->too_large[i] = sized ? hak__class_size(i) + 1 : 0;
        heap->slab_mask[i] = ((uintptr_t)1 << hak__class_info[i].slab_shift) - 1;
    }
    hak__heap_list_add_locked(heap);
    hak__counters_register(&heap->counters);
    return heap;
}

/*
 * Threads that end are often followed by others like them. So a heap whose thread ends keeps what is in
 * its bins and its current slabs, if that is little, and the next thread goes on with it. Of heaps that
 * hold more each processor has one at most, the one on which the thread ends: however many threads there
 * are, no more of them run at a time. What no thread has come for in a decay period is handed back by
 * whoever looks at the time (or by idle.c), and before that by all that empties caches.
 */
enum { ORPHAN_HEAPS = 8, LITTLE_BYTES = 256 << 10, LITTLE_BLOCKS = 1024, MUCH_BYTES = 2 << 20,
       MUCH_BLOCKS = 1536 };

/* What is in the bins. */
struct holding {
    size_t bytes, blocks; /* each may be the last of a page */
};

static struct holding held_by(const struct hak_heap *heap)
{
    struct holding all = {0, 0};
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        size_t blocks = (size_t)(heap->top[i] - heap->base[i]);
        all.blocks += blocks;
        all.bytes += blocks * hak__class_size(i);
    }
    return all;
}

/* Before the heap is on the list of free ones. False: it is to be flushed. */
bool hak__heap_may_keep(struct hak_heap *heap)
{
    bool busy = hak__heap_enter(heap);
    struct holding held = held_by(heap);
    hak__heap_leave(heap, busy);
    bool little = held.blocks <= LITTLE_BLOCKS && held.bytes <= LITTLE_BYTES;
    bool too_much = held.blocks > MUCH_BLOCKS || held.bytes > MUCH_BYTES;
    if (heap->id == HAK_HEAP_FIRST || hak__option(HAK_OPTION_DECAY_MS) == 0 || too_much)
        return false;
    int64_t now = hak__os_now_ms();
    uint64_t cpu = little ? 0 : (uint64_t)1 << hak__os_cpu() % 64;
    hak__lock_acquire(&hak__heap_lock);
    uint32_t heaps = hak_load_relaxed(&orphan_count);
    heap->orphaned = heaps < ORPHAN_HEAPS && (orphan_cpus & cpu) == 0;
    heap->orphaned_ms = now;
    if (heap->orphaned) {
        heap->orphaned_cpu = cpu;
        orphan_cpus |= cpu;
        hak_store_relaxed(&orphan_count, heaps + 1);
    }
    hak__lock_release(&hak__heap_lock);
    return heap->orphaned;
}

static void uncount_orphan_locked(struct hak_heap *heap)
{
    if (heap->orphaned) {
        orphan_cpus &= ~heap->orphaned_cpu;
        hak_store_relaxed(&orphan_count, hak_load_relaxed(&orphan_count) - 1);
    }
    heap->orphaned = false;
}

/* The one that was left first, if that was before a time; attached and counted like others, for a fork. */
static struct hak_heap *take_orphan(int64_t before)
{
    hak__lock_acquire(&hak__heap_lock);
    struct hak_heap **at = &orphan_heaps, *heap, *next = NULL;
    while ((heap = *at) != NULL && heap->next_free != NULL) {
        next = heap;
        at = &heap->next_free;
    }
    if (heap != NULL && heap->orphaned_ms <= before) {
        *at = NULL;
        uncount_orphan_locked(heap);
        hak_store_relaxed(&orphaned_since, next != NULL ? next->orphaned_ms : INT64_MAX);
        heap->attached = true;
        heap->holder = hak__thread_self();
        hak_add_relaxed(&hak__heaps_in_use, 1);
    } else {
        heap = NULL;
    }
    hak__lock_release(&hak__heap_lock);
    return heap;
}

void hak__heap_give_up(struct hak_heap *heap)
{
    hak__race_point("give up");
    hak__lock_acquire(&hak__heap_lock);
    heap->attached = false;
    heap->holder = 0;
    heap->thread = 0;
    bool last = hak_sub_relaxed(&hak__heaps_in_use, 1) == 1;
    struct hak_heap **list = heap->orphaned ? &orphan_heaps : &free_heaps;
    if (heap->orphaned && orphan_heaps == NULL)
        hak_store_relaxed(&orphaned_since, heap->orphaned_ms);
    heap->next_free = *list;
    *list = heap;
    hak__lock_release(&hak__heap_lock);
    if (last)
        hak__reclaim_no_heaps();
}

void hak__heap_flush_orphans(int64_t before)
{
    struct hak_heap *heap;
    while (hak_load_relaxed(&orphan_count) != 0 && (heap = take_orphan(before)) != NULL) {
        hak__heap_close(heap);
        hak__heap_give_up(heap);
    }
}

void hak__heap_decay_orphans(void)
{
    int64_t decay = hak__option(HAK_OPTION_DECAY_MS), since = hak_load_relaxed(&orphaned_since);
    if (hak_load_relaxed(&orphan_count) == 0 || decay < 0)
        return;
    int64_t before = hak__os_now_ms() - decay;
    if (since <= before)
        hak__heap_flush_orphans(before);
}

/*
 * Heaps whose threads have ended unnoticed, linked through next_free. Every end is noticed but of a
 * thread whose first allocation comes in the last rounds of destructors, of one in a program that
 * left no key, and of one that ended by exit(2). They are looked for when no heap is free, each
 * time after so many threads that it costs a constant for each; so there are no more of them than
 * of the others, and a few. Only what is attached has a life that can be over, and it stays attached.
 */
static struct hak_heap *find_ended(uint32_t *others)
{
    struct hak_heap *ended = NULL;
    for (struct hak_heap *heap = hak_load_acquire(&hak__heaps); heap != NULL; heap = heap->older) {
        if (hak__life_is_over(&heap->life)) {
            heap->next_free = ended;
            ended = heap;
        } else {
            *others += 1;
        }
    }
    return ended;
}

/* A thread that was stopped in the middle of something has left its heap as in the child of a fork. */
static void bury(struct hak_heap *heap)
{
    heap->holder = hak__thread_self();
    hak__count(HAK_COUNTER_THREADS_ENDED, 1);
    if (hak_load_relaxed(&heap->busy)) {
        hak__heap_enter_slow(heap); /* from then on whoever bars it finds it busy */
        hak__heap_salvage(heap);
        hak__heap_leave(heap, false);
    } else {
        hak__heap_close(heap);
    }
    hak__heap_give_up(heap);
}

void hak__heap_find_ended(void)
{
    struct hak_heap *ended, *next;
    uint32_t others = 0;
    hak__lock_acquire(&hak__heap_lock);
    bool look = free_heaps == NULL && threads_to_look == 0 && !looking;
    looking |= look;
    hak__lock_release(&hak__heap_lock);
    if (!look)
        return;
    ended = find_ended(&others);
    hak__lock_acquire(&hak__heap_lock);
    threads_to_look = LOOK_LEAST + others;
    looking = false;
    hak__lock_release(&hak__heap_lock);
    for (; ended != NULL; ended = next) {
        next = ended->next_free;
        bury(ended);
    }
}

/*
 * A heap that is on no list, counted and attached for a thread under the same
 * lock: a fork, which holds it, never sees a heap that is neither free nor
 * attached, and could be adopted by nobody.
 */
struct hak_heap *hak__heap_acquire(bool for_thread)
{
    hak__lock_acquire(&hak__heap_lock);
    struct hak_heap **list = for_thread && orphan_heaps != NULL ? &orphan_heaps : &free_heaps;
    struct hak_heap *heap = *list;
    if (heap != NULL)
        *list = heap->next_free;
    else
        heap = create_locked(for_thread);
    if (heap != NULL)
        uncount_orphan_locked(heap);
    if (orphan_heaps == NULL)
        hak_store_relaxed(&orphaned_since, INT64_MAX);
    if (heap != NULL && for_thread) {
        heap->attached = true;
        heap->holder = hak__thread_self();
        threads_to_look -= threads_to_look > 0;
        hak_add_relaxed(&hak__heaps_in_use, 1);
    }
    hak__lock_release(&hak__heap_lock);
    return heap;
}

void hak__heap_pool_fork_child(void)
{
    looking = false;
}

/* SPDX-License-Identifier: MIT */
/*
 * New secrets for a process that is a copy of others.
 *
 * All that a secret has gone into is in the memory of free blocks: the mark of each, wherever it waits,
 * and the links of those on the list of a slab. So every block of every slab is looked at, and nothing
 * needs to be known of bins, parcels and the caches of threads that a fork has left behind. That a live
 * block holds its own mark by chance has a probability of 2^-64.
 *
 * Nobody else may run: a free beside this one would write or look for a mark of the old kind.
 */
#include <errno.h>

#include "base/annotate.h"
#include "cache/heap.h"
#include "cache/heap_check.h"
#include "cache/heap_list.h"
#include "cache/reclaim.h"
#include "cache/thread_cache.h"
#include "core/disabled.h"
#include "front/front.h"
#include "os/os.h"
#include "slab/shared_pool.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/slab_holes.h"
#include "slab/superslab.h"

struct marks {
    uint64_t old, new;
};

static void renew_marks(TinySlabMeta *slab, uint32_t carved, const struct marks *marks)
{
    for (uint32_t i = 0; i < carved; i++) {
        void *block = slab_freelist_block(slab, i);
        if (!hak__holes_have(slab, i) && *hak__block_mark(block) == hak__mark_of(marks->old, block))
            *hak__block_mark(block) = hak__mark_of(marks->new, block);
    }
}

/* The starter's blocks have no marks and are on no list. */
static void renew_slab(TinySlabMeta *slab, void *marks)
{
    struct slab_view view = slab_freelist_view(slab);
    if (view.state < SLAB_CURRENT || view.class_idx >= HAK_CLASS_COUNT)
        return;
    if (HAK_CHECKS)
        renew_marks(slab, view.carved, marks);
    hak__pool_rekey(slab);
}

static void renew_heap(struct hak_heap *heap, void *unused)
{
    (void)unused;
    heap->secret = hak__heap_secret;
}

/* A signal handler that has interrupted a slow path may be who calls. */
static void note_busy(struct hak_heap *heap, void *busy)
{
    *(bool *)busy |= heap->attached && hak_load_relaxed(&heap->busy);
}

/* The library's own thread does nothing while the account is taken. */
static bool is_alone(void)
{
    bool purger = hak_load_relaxed(&hak__purger) == HAK_PURGER_THERE, busy = false;
    unsigned threads = hak__os_thread_count();
    size_t heaps = hak__heap_count();
    hak__heap_visit(note_busy, &busy);
    return !busy && heaps <= 1 && threads <= 1u + purger;
}

static int renew_locked(void)
{
    struct marks marks = {.old = hak__heap_secret};
    uint64_t links = 0;
    if (!is_alone())
        return EBUSY;
    if (!hak__os_random_anew(&marks.new) || !hak__os_random_anew(&links))
        return EAGAIN;
    hak__slab_link_secret = links;
    hak__superslab_visit(renew_slab, &marks);
    hak__heap_secret = marks.new;
    hak__heap_visit(renew_heap, NULL);
    return 0;
}

int hak__secrets_renew(void)
{
    HAK_UNSEEN;
    hak__init();
    if (hak__is_disabled())
        return 0;
    if (!hak__lock_try(&hak__heap_check_lock))
        return EBUSY;
    int error = renew_locked();
    hak__lock_release(&hak__heap_check_lock);
    return error;
}

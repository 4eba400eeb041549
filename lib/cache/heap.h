/* SPDX-License-Identifier: MIT */
/*
 * A heap: the owner of slabs, with the thread cache in front of them.
 *
 *     bin of a class   base ──────────── top ─────────── limit
 *                      │ blocks, coldest first │  room    │
 *
 * Each thread has one heap by default and is the only one to touch it. A heap
 * belongs to a thread from attach to detach; then it waits for another thread, with what is in it or, if
 * that is much, empty (heap_pool.c). Ids are part of the record and never given to another one.
 */
#ifndef HAK_CACHE_HEAP_H
#define HAK_CACHE_HEAP_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/chain.h"
#include "cache/parcel.h"
#include "core/stats.h"
#include "harden/quarantine.h"
#include "os/thread.h"
#include "page/pagemap.h"
#include "page/span.h"
#include "slab/size_class.h"
#include "slab/slab_meta.h"

enum {
    HAK_HEAP_NONE = 1,         /* the id of what threads without a heap have */
    HAK_HEAP_FIRST = 2,        /* the id of the process's first heap */
    HAK_L0_SLABS = 2,          /* further slabs that a heap keeps of a class */
    HAK_CACHED_SPANS = 32,     /* of the span cache */
    HAK_GROWN_PLACES = 8,      /* for blocks that realloc has made larger */
    HAK_POLLS_A_CLOCK = 64,    /* looks at the bound, of which one is at the time, too */
    HAK_BIN_CAPACITY_MAX = 16384 /* blocks */
};

/* A slab that was OWNED when it had this tag; stale ones are skipped. */
struct hak_l0 {
    TinySlabMeta *slab;
    uint32_t tag;
};

/*
 * A place of the span cache; without units it is empty. The block, its span's units and its size
 * stand here, too: looking for one does not touch the records.
 */
struct hak_cached_span {
    void *block;
    size_t units;
    size_t size;
    struct hak_span *span;
};

struct hak_heap {
    /* read by every malloc and free; whole cache lines, which no other thread writes to */
    _Alignas(HAK_CACHE_LINE) uint32_t owner_tag; /* id << HAK_OWNER_SHIFT */
    uint32_t id;
    uint64_t secret; /* hak__heap_secret, at hand for free */
    ptrdiff_t until_sample; /* bytes to be allocated before the next look of the profiler (profile/sampler.h) */
    /*
     * What bounds the starts of blocks (size_class.h), by what the page map shows less one: of whole
     * slabs by class, and HAK_GROWING further on of the slab from which the heap carves the class.
     * What is between stands in the gap.
     */
    union {
        uint64_t bound[HAK_GROWING + HAK_CLASS_COUNT];
        struct {
            uint64_t bound_whole[HAK_CLASS_COUNT];
            /* the bins: an array a field, so that a class number is all that it takes to address one */
            void **top[HAK_CLASS_COUNT];
            void **base[HAK_CLASS_COUNT];
            void **limit[HAK_CLASS_COUNT];
            /* slow paths */
            void *spare_slots[16]; /* arrays of 2^k pointers, linked through their first */
            const void *grown[HAK_GROWN_PLACES]; /* by realloc, and may do so again; perhaps freed since */
            uint32_t cached_by_units[HAK_SPAN_CACHE_UNITS]; /* by granules less one; bit i: cached_spans[i] is one */
        };
    };
    uint64_t reciprocal[HAK_CLASS_COUNT]; /* of the block size; at hand for free */
    uintptr_t slab_mask[HAK_CLASS_COUNT]; /* slab size - 1: what of an address is the offset */
    /*
     * The smallest size that a block of a class cannot have, at hand for a free that tells it; 0 for
     * all where the program has replaced a delete to which the sized ones come down, so that none
     * passes it by.
     */
    uint64_t too_large[HAK_CLASS_COUNT];

    /*
     * Slow paths; owner only. current[] never holds a slab that is not CURRENT of
     * this heap: the child of a fork lets these go if the owner is not in it.
     */
    TinySlabMeta *current[HAK_CLASS_COUNT];
    struct hak_l0 (*l0)[HAK_L0_SLABS]; /* by class; NULL until there is one */
    struct hak_chain chains[HAK_CHAINS];
    uint32_t chains_used; /* bit i: chains[i] may have a slab */
    uint32_t chains_begun; /* wraps */
    struct hak_outbox (*outboxes)[HAK_ALL_OUTBOXES]; /* mail.h; NULL until the thread frees another's block */
    uint64_t outboxes_used; /* bit i: the one at i has ever had a parcel */
    size_t outbox_bytes; /* in all outboxes */
    size_t outbox_bytes_max; /* of these, as the options were when the last parcel was begun */
    struct hak_parcel *inbox; /* a list; the first may be unpacked in part */
    bool mail_idle; /* nothing was unpacked since the last look */
    struct hak_parcel *spare_parcels;
    uint32_t spare_parcel_count;
    uint32_t samples_drawn; /* distances of the profiler's so far; wraps */
    struct hak_cached_span cached_spans[HAK_CACHED_SPANS]; /* span_cache.h */
    uint32_t cached_places;            /* bit i: cached_spans[i] has a span */
    unsigned span_place;               /* the last of these that was filled or emptied */
    _Atomic size_t cached_span_bytes;  /* in all places but the newest's; by who has entered the heap or barred it */
    size_t cached_span_bytes_max;      /* the bound on these, as of the last look */
    bool granted;                      /* it may keep a span, though its share is less (span_cache.c) */
    unsigned grown_place;              /* of grown[], the next */
    bool used_lately[HAK_CLASS_COUNT]; /* refilled or drained since the last look */
    uint16_t drained[HAK_CLASS_COUNT]; /* blocks since the last refill, up to a bin's and more */
    uint16_t sent[HAK_CLASS_COUNT];  /* blocks since then that a burst has sent to other heaps; wraps */
    uint8_t bursts[HAK_CLASS_COUNT]; /* refills for which the thread is taken to free in bursts */
    uint8_t begun[HAK_CLASS_COUNT];  /* slabs without memory, since the last one that had some, up to a few */
    uint8_t borrowed[HAK_CLASS_COUNT]; /* blocks of larger classes handed out in place of this one's */
    size_t capacity_bytes;             /* sum of bin capacity * block size */
    bool taken_down[HAK_CLASS_COUNT];  /* more was drained since the last refill than a bin could have kept */
    size_t taken_down_bytes;           /* that the last slabs of these may have: one in use, one for the bin */
    uint32_t polls;
    uint32_t foreign; /* blocks of other heaps that were freed here and could be kept */
    uint32_t flushes; /* how many of the flushes that were asked for it has seen */
    _Atomic bool busy; /* its thread is in the middle of a slow path; enter.h */
    _Atomic uint32_t entered; /* how often; wraps */
    _Atomic uint32_t bar; /* enum hak_bar; enter.h */
    uint16_t lifted[HAK_CLASS_COUNT]; /* how far base[] is above the start of its array; enter.h */
    uint32_t seen[HAK_CLASS_COUNT]; /* of top[], by the last look; idle.c, under hak__idle_lock */
    uint32_t seen_entered;
    uint8_t still[HAK_CLASS_COUNT], still_entered; /* looks since it has changed; the same */
    bool ending;   /* the thread's exit hook was called */
    struct hak_life life; /* the thread holds it while the heap is its own */
    struct hak_heap *next_free; /* under hak__heap_lock */
    struct hak_heap *older;     /* all heaps, by falling id; constant */
    struct hak_heap *far_older; /* one further on, so that few steps lead to any; constant */
    bool attached;              /* to a thread; under hak__heap_lock */
    uintptr_t holder;           /* the thread that has it in hand, if it is attached and not that one's hak__heap */
    bool orphaned;              /* free, and holds what its thread has left; the same */
    uint32_t thread;            /* the one that has it, as gettid(2) says; 0: none */
    int64_t orphaned_ms;        /* since then; the same */
    uint64_t orphaned_cpu;      /* as a bit, if that is much; the same */
    /*
     * Two ways are counted down at once, to the next sample and to the next guarded block, of which until_sample
     * is the shorter one: how much longer each is, and the mean it was drawn for, 0: off.
     */
    ptrdiff_t sample_behind, guard_behind;
    bool looks_at_next; /* until_sample began below 0, by one */
    uint64_t sample_interval, guard_interval;
    /*
     * Bytes requested of the heap so far = requested_end - until_sample. Both change together while
     * draws is odd; a reader that finds it odd, or another one behind its look, looks again.
     */
    _Atomic uint64_t requested_end;
    _Atomic uint32_t draws; /* wraps */
    uint64_t requested_before; /* how many these were when the thread got the heap */
    struct hak_counters counters;
    struct hak_mailbox mailbox; /* any thread; on a cache line of its own */
};

static_assert(offsetof(struct hak_heap, cached_by_units) + sizeof(((struct hak_heap *)0)->cached_by_units) <=
                  offsetof(struct hak_heap, bound) + HAK_GROWING * sizeof(uint64_t),
              "what is between stands in the gap");

/* The heap of this thread; hak__heap_none or hak__heap_gone (heap_life.h) when it has none of its own. */
extern HAK_TLS struct hak_heap *hak__heap;

/*
 * HOT: a bin's lower end, which another thread may lift meanwhile (enter.h), and its top. The owner's
 * accesses are plain ones of a word, so that they are part of other instructions.
 */
HAK_INLINE void **hak__bin_base(const struct hak_heap *heap, unsigned class_idx)
{
#if HAK_THREAD_SANITIZER
    return hak_plain_load_relaxed(&heap->base[class_idx]);
#else
    return heap->base[class_idx];
#endif
}

HAK_INLINE void hak__bin_move_top(struct hak_heap *heap, size_t class_idx, ptrdiff_t by)
{
#if HAK_THREAD_SANITIZER
    hak_plain_store_release(&heap->top[class_idx], heap->top[class_idx] + by);
#else
    heap->top[class_idx] += by;
#endif
}

/* What a thread has before its heap. Without bins: every operation takes a slow path. */
extern const struct hak_heap hak__heap_none;

/* Owner only. */
HAK_INLINE uint64_t hak__heap_requested(const struct hak_heap *heap)
{
    return hak_load_relaxed(&heap->requested_end) - (uint64_t)heap->until_sample;
}

/* What rests of a heap, behind its record: in the hardened variant. Owner only. */
HAK_INLINE struct hak_rests *hak__heap_rests(const struct hak_heap *heap)
{
    return (struct hak_rests *)(uintptr_t)(heap + 1);
}

HAK_INLINE bool hak__heap_is_real(const struct hak_heap *heap)
{
    return heap->id > HAK_HEAP_NONE;
}

/* The key of the marks by which all heaps recognise freed blocks; set once, before any heap exists. */
extern uint64_t hak__heap_secret;

#endif

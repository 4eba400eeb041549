/* SPDX-License-Identifier: MIT */
/*
 * Counters of slow-path events, in release builds too.
 *
 * Each heap has a block of counters that its thread alone writes, by a relaxed
 * load and store, so that counting shares nothing between threads; threads
 * without a heap add to one block by relaxed read-modify-writes. The reader
 * sums the blocks, which are never given back.
 */
#ifndef HAK_CORE_STATS_H
#define HAK_CORE_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"

/* All statistics. */
enum hak_stat {
#define HAK_STAT(id, name, help) HAK_STAT_##id,
#include "core/stats.def"
    HAK_STAT_COUNT
};

/* Those that heaps count. */
enum hak_counter {
#define HAK_COUNTER(id, name, help) HAK_COUNTER_##id,
#include "core/stats.def"
    HAK_COUNTER_COUNT
};

struct hak_counters {
    HAK_CACHE_ALIGNED _Atomic uint64_t value[HAK_COUNTER_COUNT];
    struct hak_counters *older; /* constant once the block is registered */
};

/* The block of this thread; that of all threads without a heap until it has one. */
extern HAK_TLS struct hak_counters *hak__counters;
extern struct hak_counters hak__counters_shared;

HAK_INLINE void hak__count(enum hak_counter counter, uint64_t n)
{
    struct hak_counters *counters = hak__counters;
    _Atomic uint64_t *value = &counters->value[counter];
    if (hak_likely(counters != &hak__counters_shared))
        hak_store_relaxed(value, hak_load_relaxed(value) + n);
    else
        hak_add_relaxed(value, n);
}

/* Counts a read-modify-write of a word that other threads change too; gives its value on. */
#define HAK_SHARED(rmw) (hak__count(HAK_COUNTER_SHARED_RMWS, 1), (rmw))

/* The same for a compare-and-swap, which may fail. */
HAK_INLINE bool hak__shared_cas(bool done)
{
    hak__count(HAK_COUNTER_SHARED_RMWS, 1);
    if (hak_unlikely(!done))
        hak__count(HAK_COUNTER_FAILED_CAS, 1);
    return done;
}

/* Makes the reader sum a block from now on. One thread at a time. */
void hak__counters_register(struct hak_counters *counters);

/* The block that was registered last; `older` leads to the others. */
extern _Atomic(struct hak_counters *) hak__counters_newest;

uint64_t hak__counter_sum(enum hak_counter counter);

#endif

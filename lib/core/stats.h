/* SPDX-License-Identifier: MIT */
/*
 * Counters of slow-path events, in release builds too.
 *
 * They are spread over shards by thread, so that threads seldom share a line;
 * any thread adds by a relaxed read-modify-write, the reader sums the shards.
 */
#ifndef HAK_CORE_STATS_H
#define HAK_CORE_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "os/thread.h"

enum hak_counter {
#define HAK_COUNTER(id, name, label) HAK_COUNTER_##id,
#include "core/stats.def"
#undef HAK_COUNTER
    HAK_COUNTER_COUNT
};

enum { HAK_COUNTER_SHARDS = 8 };

struct hak_counter_shard {
    HAK_CACHE_ALIGNED _Atomic uint64_t value[HAK_COUNTER_COUNT];
};

extern struct hak_counter_shard hak__counter_shards[HAK_COUNTER_SHARDS];

HAK_INLINE void hak__count(enum hak_counter counter, uint64_t n)
{
    size_t shard = (hak__thread_self() >> 12) % HAK_COUNTER_SHARDS;
    hak_add_relaxed(&hak__counter_shards[shard].value[counter], n);
}

uint64_t hak__counter_sum(enum hak_counter counter);
const char *hak__counter_name(enum hak_counter counter);
const char *hak__counter_label(enum hak_counter counter);

#endif

/* SPDX-License-Identifier: MIT */
#include "core/stats.h"

HAK_WRITTEN_OFTEN struct hak_counters hak__counters_shared;
HAK_TLS struct hak_counters *hak__counters = &hak__counters_shared;

/* Push only; release publishes a block's link, the acquire of a sum pairs with it. */
_Atomic(struct hak_counters *) hak__counters_newest = &hak__counters_shared;

void hak__counters_register(struct hak_counters *counters)
{
    counters->older = hak_load_relaxed(&hak__counters_newest);
    hak_store_release(&hak__counters_newest, counters);
}

uint64_t hak__counter_sum(enum hak_counter counter)
{
    uint64_t sum = 0;
    for (struct hak_counters *block = hak_load_acquire(&hak__counters_newest); block != NULL;
         block = block->older)
        sum += hak_load_relaxed(&block->value[counter]);
    return sum;
}

/* SPDX-License-Identifier: MIT */
#include "core/stats.h"

struct hak_counters hak__counters_shared;
HAK_TLS struct hak_counters *hak__counters = &hak__counters_shared;

/* Push only; release publishes a block's link, the acquire of a sum pairs with it. */
static _Atomic(struct hak_counters *) newest = &hak__counters_shared;

static const struct {
    const char *name, *label;
} rows[HAK_COUNTER_COUNT] = {
#define HAK_COUNTER(id, name, label) {name, label},
#include "core/stats.def"
#undef HAK_COUNTER
};

void hak__counters_register(struct hak_counters *counters)
{
    counters->older = hak_load_relaxed(&newest);
    hak_store_release(&newest, counters);
}

uint64_t hak__counter_sum(enum hak_counter counter)
{
    uint64_t sum = 0;
    for (struct hak_counters *block = hak_load_acquire(&newest); block != NULL;
         block = block->older)
        sum += hak_load_relaxed(&block->value[counter]);
    return sum;
}

const char *hak__counter_name(enum hak_counter counter)
{
    return rows[counter].name;
}

const char *hak__counter_label(enum hak_counter counter)
{
    return rows[counter].label;
}

/* SPDX-License-Identifier: MIT */
#include "core/stats.h"

struct hak_counter_shard hak__counter_shards[HAK_COUNTER_SHARDS];

static const struct {
    const char *name, *label;
} rows[HAK_COUNTER_COUNT] = {
#define HAK_COUNTER(id, name, label) {name, label},
#include "core/stats.def"
#undef HAK_COUNTER
};

uint64_t hak__counter_sum(enum hak_counter counter)
{
    uint64_t sum = 0;
    for (int i = 0; i < HAK_COUNTER_SHARDS; i++)
        sum += hak_load_relaxed(&hak__counter_shards[i].value[counter]);
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

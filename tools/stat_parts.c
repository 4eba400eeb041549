/* SPDX-License-Identifier: MIT */
#include "stat_parts.h"

#include "slab/size_class.h"

/* As much of a part as is left, which is less by it then. */
static uint64_t take(uint64_t *left, uint64_t part)
{
    uint64_t taken = part < *left ? part : *left;
    *left -= taken;
    return taken;
}

static uint64_t cached_in_slabs(const struct hak_snapshot *snapshot)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++)
        bytes += snapshot->class[i].cached * hak__class_size(i);
    return bytes;
}

static uint64_t above(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/*
 * How much of slabs and of large blocks is resident was seen page by page; what of it is allocated or
 * cached the library has counted, a moment before. What is left of the RSS is not the library's.
 */
struct stat_parts stat_parts(const struct process *process)
{
    const uint64_t *counted = process->snapshot.value;
    const struct residency *resident = &process->residency;
    struct stat_parts parts = {{[STAT_RSS] = resident->rss, [STAT_PEAK] = resident->peak,
                                [STAT_SWAPPED] = resident->swapped}, 0};
    uint64_t left = resident->rss, slabs = take(&left, resident->slabs), large = take(&left, resident->large);
    uint64_t cached = cached_in_slabs(&process->snapshot);
    uint64_t *value = parts.value;
    value[STAT_ALLOCATED] = take(&slabs, counted[HAK_STAT_SMALL_BYTES]);
    value[STAT_CACHED] = take(&slabs, cached) + take(&large, above(counted[HAK_STAT_CACHED_BYTES], cached));
    value[STAT_ALLOCATED] += take(&large, counted[HAK_STAT_LARGE_BYTES]);
    value[STAT_SLAB_FREE] = slabs + large;
    value[STAT_RETAINED] = take(&left, resident->unused);
    value[STAT_METADATA] = take(&left, counted[HAK_STAT_METADATA_BYTES]);
    value[STAT_FILES] = take(&left, resident->files);
    value[STAT_OTHER] = left;
    parts.absent = above(counted[HAK_STAT_ALLOCATED_BYTES], value[STAT_ALLOCATED]);
    return parts;
}

size_t stat_parts_found(const struct process *process, struct hak_stats_found found[STAT_ROWS])
{
    static const struct {
        const char *name, *help;
    } rows[STAT_ROWS] = {
#define HAK_ROW(id, name, label, help) {#name, help},
#include "stat_parts.def"
    };
    struct stat_parts parts = stat_parts(process);
    for (int i = 0; i < STAT_ROWS; i++)
        found[i] = (struct hak_stats_found){rows[i].name, rows[i].help, parts.value[i]};
    return process->residency.is_known ? STAT_ROWS : 0;
}

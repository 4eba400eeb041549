/* SPDX-License-Identifier: MIT */
/* Statistics of the process; hakmem.h describes the functions, hakmem(7) the fields. */
#include <hakmem/hakmem.h>

#include "api/own_snapshot.h"
#include "api/sized.h"
#include "api/stats_print.h"
#include "front/front.h"

int hak_stats_get(hak_stats_t *stats)
{
    struct hak_snapshot snapshot;
    if (!hak__sized_is_known(stats->struct_size, sizeof *stats))
        return -1;
    hak__snapshot(&snapshot);
    const hak_stats_t found = {
#define HAK_STAT(id, name, help) .name = snapshot.value[HAK_STAT_##id],
#include "core/stats.def"
    };
    hak__sized_fill(stats, stats->struct_size, &found, sizeof found);
    return 0;
}

int hak_class_stats_get(unsigned class_index, hak_class_stats_t *stats)
{
    struct hak_snapshot snapshot;
    if (!hak__sized_is_known(stats->struct_size, sizeof *stats))
        return -1;
    if (class_index >= HAK_CLASS_COUNT) {
        errno = ENOENT;
        return -1;
    }
    hak__snapshot(&snapshot);
    const struct hak_class_snapshot *class = &snapshot.class[class_index];
    const hak_class_stats_t found = {.block_size = hak__class_size(class_index),
                                     .slabs = class->slabs,
                                     .capacity_blocks = class->capacity,
                                     .free_blocks = class->free,
                                     .cached_blocks = class->cached,
                                     .live_blocks = hak__class_live(class),
                                     .starter_blocks = class->starter};
    hak__sized_fill(stats, stats->struct_size, &found, sizeof found);
    return 0;
}

int hak_stats_print(int fd, hak_stats_format_t format)
{
    if (format != HAK_STATS_TEXT && format != HAK_STATS_JSON) {
        errno = EINVAL;
        return -1;
    }
    struct hak_snapshot snapshot;
    struct hak_text text;
    const struct hak_stats_source source = {.version = PACKAGE_VERSION};
    hak__snapshot(&snapshot);
    hak__text_begin(&text, fd);
    if (format == HAK_STATS_TEXT)
        hak__stats_print_text(&text, &snapshot, source);
    else
        hak__stats_print_json(&text, &snapshot, source);
    int error = hak__text_end(&text);
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

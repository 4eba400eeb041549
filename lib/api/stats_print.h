/* SPDX-License-Identifier: MIT */
/* Statistics as text, as JSON (doc/statistics.schema.json) and as Prometheus metrics. */
#ifndef HAK_API_STATS_PRINT_H
#define HAK_API_STATS_PRINT_H

#include "api/snapshot.h"
#include "core/report.h"

/* Which library, in which process; 0: the own one, which need not be said. */
struct hak_stats_source {
    const char *version;
    int64_t pid;
};

typedef void hak_stats_printer(struct hak_text *text, const struct hak_snapshot *snapshot,
                               struct hak_stats_source source);

hak_stats_printer hak__stats_print_text, hak__stats_print_json, hak__stats_print_metrics;

#endif

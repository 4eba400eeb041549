/* SPDX-License-Identifier: MIT */
/* Statistics as text, as JSON (doc/statistics.schema.json) and as Prometheus metrics. */
#ifndef HAK_API_STATS_PRINT_H
#define HAK_API_STATS_PRINT_H

#include "api/snapshot.h"
#include "core/report.h"

/* What the library does not know of its process, and a reader outside has found. */
struct hak_stats_found {
    const char *name, *help;
    uint64_t value;
};

/* Which library, in which process; pid 0: the own one, which need not be said. */
struct hak_stats_source {
    const char *version, *program; /* whatever a process says of itself */
    int64_t pid;
    const struct hak_stats_found *found; /* the same names for all processes, or none */
    size_t found_count;
};

typedef void hak_stats_printer(struct hak_text *text, const struct hak_snapshot *snapshot,
                               struct hak_stats_source source);

hak_stats_printer hak__stats_print_text, hak__stats_print_json;

struct hak_stats_report {
    struct hak_stats_source source;
    const struct hak_snapshot *snapshot;
};

/* Of several processes at once: in the format of Prometheus each metric stands in one place. */
void hak__stats_print_metrics(struct hak_text *text, const struct hak_stats_report *reports,
                              size_t count);

#endif

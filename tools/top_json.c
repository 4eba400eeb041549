/* SPDX-License-Identifier: MIT */
/* The table for programs: doc/top.schema.json. The names are those of hakmem stat. */
#include "top_rows.h"

#include <inttypes.h>

#include "json_text.h"
#include "stat_parts.h"

static void write_number(FILE *out, const char *before, const char *name, uint64_t value)
{
    fprintf(out, "%s\"%s\":%" PRIu64, before, name, value);
}

static void write_parts(FILE *out, const struct process *process)
{
    struct hak_stats_found found[STAT_ROWS];
    size_t count = stat_parts_found(process, found);
    for (size_t i = 0; i < count; i++)
        write_number(out, i == 0 ? ",\"process\":{" : ",", found[i].name, found[i].value);
    fputs(count > 0 ? "}" : "", out);
}

static void write_statistics(FILE *out, const struct hak_snapshot *snapshot)
{
    const char *before = ",\"counters\":{";
#define HAK_GAUGE(id, name, help) write_number(out, ",", #name, snapshot->value[HAK_STAT_##id]);
#include "core/stats.def"
#define HAK_COUNTER(id, name, help) \
    write_number(out, before, #name, snapshot->value[HAK_STAT_##id]), before = ",";
#define HAK_SUM HAK_COUNTER
#include "core/stats.def"
    fputs("}", out);
}

/* The change per second of what has the same name. */
static void write_rates(FILE *out, const struct top_row *row, const struct top_process *of)
{
    static const struct {
        enum top_column column;
        const char *name;
    } rates[] = {{TOP_GROWTH, "rss_bytes"}, {TOP_REFILLS, "refills"}, {TOP_ALLOCATION, "requested_bytes"}};
    const struct process *process = of->process;
    double seconds = of->when - of->before;
    if (!process->before.is_known || seconds <= 0)
        return;
    double grown = (double)process->snapshot.value[HAK_STAT_ALLOCATED_BYTES] -
                   (double)process->before.snapshot.value[HAK_STAT_ALLOCATED_BYTES];
    fprintf(out, ",\"rates\":{\"milliseconds\":%.0f,\"allocated_bytes\":%.0f", seconds * 1000, grown / seconds);
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
        if (row->is_known[rates[i].column])
            fprintf(out, ",\"%s\":%.0f", rates[i].name, row->value[rates[i].column]);
    fputs("}", out);
}

bool top_write_json(FILE *out, const struct top_rows *rows, const struct top_table *table)
{
    const char *before = "[";
    for (size_t i = 0; i < rows->count; i++) {
        const struct top_row *row = &rows->rows[i];
        const struct top_process *of = top_table_find(table, row->pid);
        if (of == NULL)
            continue;
        fprintf(out, "%s{", before);
        before = ",\n";
        json_member(out, "version", of->process->version);
        putc(',', out);
        json_member(out, "program", row->name);
        write_number(out, ",", "pid", (uint64_t)row->pid);
        write_parts(out, of->process);
        write_statistics(out, &of->process->snapshot);
        write_rates(out, row, of);
        fputs("}", out);
    }
    fputs(*before == '[' ? "[]\n" : "]\n", out);
    return !ferror(out);
}

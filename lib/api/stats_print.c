/* SPDX-License-Identifier: MIT */
#include "api/stats_print.h"

#include <string.h>

enum kind { GAUGE, COUNTER, SUM };

enum { NAME_SIZE = 24, HELP_SIZE = 96 };

static const struct {
    enum kind kind;
    char name[NAME_SIZE], help[HELP_SIZE];
} rows[HAK_STAT_COUNT] = {
#define HAK_GAUGE(id, name, help) {GAUGE, #name, help},
#define HAK_COUNTER(id, name, help) {COUNTER, #name, help},
#define HAK_SUM(id, name, help) {SUM, #name, help},
#include "core/stats.def"
};

#define HAK_STAT(id, name, help)                                                                   \
    HAK_STRING_FITS(#name, NAME_SIZE);                                                             \
    HAK_STRING_FITS(help, HELP_SIZE);
#include "core/stats.def"

static const char lock_names[HAK_LOCK_COUNT][NAME_SIZE] = {
#define HAK_LOCK(lock, name) name,
#include "front/locks.def"
#undef HAK_LOCK
};

/* What is said of a class; the same in all forms. */
enum { CLASS_FIELDS = 6 };
static const struct {
    char name[NAME_SIZE], help[HELP_SIZE];
} class_rows[CLASS_FIELDS] = {
    {"slabs", "Slabs that serve the class."},
    {"capacity", "Blocks that these slabs have room for, and those in the starter."},
    {"free", "Blocks on the free lists of slabs."},
    {"cached", "Freed blocks in thread caches, or on their way from one to a slab."},
    {"live", "Blocks that are allocated and not freed."},
    {"starter", "Allocated blocks in the starter, the slab of the first blocks of a process."},
};

static uint64_t class_value(const struct hak_class_snapshot *class, int field)
{
    const uint64_t value[CLASS_FIELDS] = {class->slabs, class->capacity, class->free,
                                          class->cached, hak__class_live(class), class->starter};
    return value[field];
}

static void strings(struct hak_text *text, const char *a, const char *b, const char *c)
{
    hak__text_string(text, a);
    hak__text_string(text, b);
    hak__text_string(text, c);
}

/* Inside of quotes of JSON and of metrics alike, whatever the bytes are. */
static void quoted(struct hak_text *text, const char *bytes)
{
    for (; *bytes != '\0'; bytes++) {
        bool printable = *bytes >= ' ' && *bytes < 0x7f;
        if (*bytes == '"' || *bytes == '\\')
            hak__text_string(text, "\\");
        hak__text_bytes(text, printable ? bytes : "?", 1);
    }
}

/* ---- text -------------------------------------------------------------- */

static void padded(struct hak_text *text, const char *name)
{
    strings(text, "  ", name, "");
    for (size_t length = strlen(name); length < 24; length++)
        hak__text_string(text, " ");
}

static void text_rows(struct hak_text *text, const struct hak_snapshot *snapshot, bool gauges)
{
    for (int i = 0; i < HAK_STAT_COUNT; i++) {
        if ((rows[i].kind == GAUGE) != gauges)
            continue;
        padded(text, rows[i].name);
        hak__text_unsigned(text, snapshot->value[i]);
        hak__text_string(text, "\n");
    }
}

static void text_classes(struct hak_text *text, const struct hak_snapshot *snapshot)
{
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        if (snapshot->class[i].capacity == 0)
            continue;
        hak__text_string(text, "  ");
        hak__text_unsigned(text, hak__class_size(i));
        for (int field = 0; field < CLASS_FIELDS; field++) {
            hak__text_string(text, field == 0 ? ": " : ", ");
            hak__text_unsigned(text, class_value(&snapshot->class[i], field));
        }
        hak__text_string(text, "\n");
    }
}

void hak__stats_print_text(struct hak_text *text, const struct hak_snapshot *snapshot,
                           struct hak_stats_source source)
{
    hak__text_string(text, "hakmem ");
    hak__text_printable(text, source.version, strlen(source.version));
    hak__text_string(text, " statistics");
    if (source.pid != 0) {
        hak__text_string(text, " of ");
        hak__text_printable(text, source.program, strlen(source.program));
        hak__text_string(text, " (process ");
        hak__text_signed(text, source.pid);
        hak__text_string(text, ")");
    }
    hak__text_string(text, "\n");
    text_rows(text, snapshot, true);
    hak__text_string(text, "counters\n");
    text_rows(text, snapshot, false);
    hak__text_string(text, "locks (name: acquisitions, waits)\n");
    for (int i = 0; i < HAK_LOCK_COUNT; i++) {
        strings(text, "  ", lock_names[i], ": ");
        hak__text_unsigned(text, snapshot->lock[i].acquisitions);
        hak__text_string(text, ", ");
        hak__text_unsigned(text, snapshot->lock[i].waits);
        hak__text_string(text, "\n");
    }
    hak__text_string(text, "classes (size: slabs, capacity, free, cached, live, starter blocks)\n");
    text_classes(text, snapshot);
}

/* ---- JSON -------------------------------------------------------------- */

static void json_field(struct hak_text *text, const char *name, uint64_t value, const char *end)
{
    strings(text, "\"", name, "\":");
    hak__text_unsigned(text, value);
    hak__text_string(text, end);
}

static void json_rows(struct hak_text *text, const struct hak_snapshot *snapshot, bool gauges)
{
    const char *separator = gauges ? "," : "";
    for (int i = 0; i < HAK_STAT_COUNT; i++) {
        if ((rows[i].kind == GAUGE) != gauges)
            continue;
        hak__text_string(text, separator);
        separator = ",";
        json_field(text, rows[i].name, snapshot->value[i], "");
    }
}

static void json_classes(struct hak_text *text, const struct hak_snapshot *snapshot)
{
    const char *separator = "";
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        if (snapshot->class[i].capacity == 0)
            continue;
        strings(text, separator, "{", "");
        separator = ",";
        json_field(text, "size", hak__class_size(i), "");
        for (int field = 0; field < CLASS_FIELDS; field++) {
            hak__text_string(text, ",");
            json_field(text, class_rows[field].name, class_value(&snapshot->class[i], field), "");
        }
        hak__text_string(text, "}");
    }
}

static void json_found(struct hak_text *text, struct hak_stats_source source)
{
    for (size_t i = 0; i < source.found_count; i++) {
        hak__text_string(text, i == 0 ? ",\"process\":{" : ",");
        json_field(text, source.found[i].name, source.found[i].value, "");
    }
    hak__text_string(text, "}");
}

void hak__stats_print_json(struct hak_text *text, const struct hak_snapshot *snapshot,
                           struct hak_stats_source source)
{
    hak__text_string(text, "{\"version\":\"");
    quoted(text, source.version);
    hak__text_string(text, "\"");
    if (source.pid != 0) {
        hak__text_string(text, ",\"program\":\"");
        quoted(text, source.program);
        hak__text_string(text, "\",");
        json_field(text, "pid", (uint64_t)source.pid, "");
    }
    if (source.found_count != 0)
        json_found(text, source);
    json_rows(text, snapshot, true);
    hak__text_string(text, ",\"counters\":{");
    json_rows(text, snapshot, false);
    hak__text_string(text, "},\"locks\":{");
    for (int i = 0; i < HAK_LOCK_COUNT; i++) {
        strings(text, i == 0 ? "\"" : ",\"", lock_names[i], "\":{");
        json_field(text, "acquisitions", snapshot->lock[i].acquisitions, ",");
        json_field(text, "waits", snapshot->lock[i].waits, "}");
    }
    hak__text_string(text, "},\"classes\":[");
    json_classes(text, snapshot);
    hak__text_string(text, "]}\n");
}

/* ---- metrics, in the text format of Prometheus ------------------------- */

struct metric {
    const char *prefix, *name, *suffix, *help, *type;
};

static void metric_name(struct hak_text *text, struct metric metric)
{
    strings(text, metric.prefix, metric.name, metric.suffix);
}

static void metric_head(struct hak_text *text, struct metric metric)
{
    hak__text_string(text, "# HELP ");
    metric_name(text, metric);
    strings(text, " ", metric.help, "\n# TYPE ");
    metric_name(text, metric);
    strings(text, " ", metric.type, "\n");
}

/* A value with the process, and with one more label unless that is NULL. */
static void metric_value(struct hak_text *text, struct metric metric,
                         const struct hak_stats_source *source, const char *label,
                         const char *which, uint64_t value)
{
    metric_name(text, metric);
    hak__text_string(text, "{pid=\"");
    hak__text_signed(text, source->pid);
    hak__text_string(text, "\",program=\"");
    quoted(text, source->program);
    if (label != NULL) {
        strings(text, "\",", label, "=\"");
        quoted(text, which);
    }
    hak__text_string(text, "\"} ");
    hak__text_unsigned(text, value);
    hak__text_string(text, "\n");
}

static void metric_locks(struct hak_text *text, const struct hak_stats_report *reports, size_t count)
{
    const struct metric metric[] = {
        {"hakmem_lock_", "acquisitions", "_total", "How often a lock was taken.", "counter"},
        {"hakmem_lock_", "waits", "_total", "How often a thread had to wait for a lock.",
         "counter"}};
    for (int field = 0; field < 2; field++) {
        metric_head(text, metric[field]);
        for (size_t n = 0; n < count; n++)
            for (int i = 0; i < HAK_LOCK_COUNT; i++)
                metric_value(text, metric[field], &reports[n].source, "lock", lock_names[i],
                             field == 0 ? reports[n].snapshot->lock[i].acquisitions
                                        : reports[n].snapshot->lock[i].waits);
    }
}

static void metric_class(struct hak_text *text, struct metric metric, int field,
                         const struct hak_stats_report *report)
{
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        const struct hak_class_snapshot *class = &report->snapshot->class[i];
        if (class->capacity == 0)
            continue;
        struct hak_text size;
        hak__text_begin(&size, -1);
        hak__text_unsigned(&size, hak__class_size(i));
        size.bytes[size.used] = '\0';
        metric_value(text, metric, &report->source, "size", size.bytes, class_value(class, field));
    }
}

static void metric_classes(struct hak_text *text, const struct hak_stats_report *reports,
                           size_t count)
{
    for (int field = 0; field < CLASS_FIELDS; field++) {
        struct metric metric = {"hakmem_class_", class_rows[field].name,
                                field == 0 ? "" : "_blocks", class_rows[field].help, "gauge"};
        metric_head(text, metric);
        for (size_t n = 0; n < count; n++)
            metric_class(text, metric, field, &reports[n]);
    }
}

/* Processes of which nothing was found have no line. */
static void metric_found(struct hak_text *text, const struct hak_stats_report *reports, size_t count)
{
    const struct hak_stats_source *first = NULL;
    for (size_t n = 0; n < count && first == NULL; n++)
        first = reports[n].source.found_count != 0 ? &reports[n].source : NULL;
    for (size_t i = 0; first != NULL && i < first->found_count; i++) {
        struct metric metric = {"hakmem_process_", first->found[i].name, "", first->found[i].help, "gauge"};
        metric_head(text, metric);
        for (size_t n = 0; n < count; n++)
            if (reports[n].source.found_count == first->found_count)
                metric_value(text, metric, &reports[n].source, NULL, NULL, reports[n].source.found[i].value);
    }
}

/* Without sums, which whoever reads the parts makes anew. */
void hak__stats_print_metrics(struct hak_text *text, const struct hak_stats_report *reports,
                              size_t count)
{
    struct metric info = {"hakmem_", "info", "", "The version of the library.", "gauge"};
    metric_head(text, info);
    for (size_t n = 0; n < count; n++)
        metric_value(text, info, &reports[n].source, "version", reports[n].source.version, 1);
    for (int i = 0; i < HAK_STAT_COUNT; i++) {
        if (rows[i].kind == SUM)
            continue;
        bool gauge = rows[i].kind == GAUGE;
        struct metric metric = {"hakmem_", rows[i].name, gauge ? "" : "_total", rows[i].help,
                                gauge ? "gauge" : "counter"};
        metric_head(text, metric);
        for (size_t n = 0; n < count; n++)
            metric_value(text, metric, &reports[n].source, NULL, NULL,
                         reports[n].snapshot->value[i]);
    }
    metric_found(text, reports, count);
    metric_locks(text, reports, count);
    metric_classes(text, reports, count);
}

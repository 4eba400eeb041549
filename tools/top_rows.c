/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "top_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stat_parts.h"

enum kind { PID, NAME, SIZE, PERCENT, CHANGE, RATE, SIZE_RATE };

static const struct {
    const char *name, *heading, *help;
    int width;
    enum kind kind;
} columns[TOP_COLUMNS] = {
#define HAK_COLUMN(id, name, heading, width, kind, help) {#name, heading, help, width, kind},
#include "top_columns.def"
#undef HAK_COLUMN
};

enum top_column top_column_named(const char *name)
{
    int column = 0;
    size_t length = strlen(name);
    while (column < TOP_COLUMNS && (length == 0 || strncasecmp(name, columns[column].name, length) != 0))
        column++;
    return (enum top_column)column;
}

const char *top_column_name(enum top_column column)
{
    return columns[column].name;
}

const char *top_column_heading(enum top_column column)
{
    return columns[column].heading;
}

const char *top_column_help(enum top_column column)
{
    return columns[column].help;
}

/* ---- rows -------------------------------------------------------------- */

static void set(struct top_row *row, enum top_column column, double value)
{
    row->value[column] = value;
    row->is_known[column] = true;
}

/* Of the RSS, what is not in allocated blocks, of all that is the library's. */
static void set_parts(struct top_row *row, const struct process *process)
{
    struct stat_parts parts = stat_parts(process);
    const uint64_t *value = parts.value;
    double rest = (double)value[STAT_CACHED] + (double)value[STAT_SLAB_FREE] + (double)value[STAT_RETAINED] +
                  (double)value[STAT_METADATA];
    double heap = rest + (double)value[STAT_ALLOCATED];
    set(row, TOP_RSS, (double)value[STAT_RSS]);
    set(row, TOP_CACHED, (double)value[STAT_CACHED]);
    set(row, TOP_RETAINED, (double)value[STAT_RETAINED]);
    set(row, TOP_FRAGMENTATION, heap > 0 ? 100 * rest / heap : 0);
}

static void set_rates(struct top_row *row, const struct process *process, double seconds)
{
    const struct hak_snapshot *now = &process->snapshot, *before = &process->before.snapshot;
    if (process->residency.is_known && process->before.rss != 0)
        set(row, TOP_GROWTH, ((double)process->residency.rss - (double)process->before.rss) / seconds);
    if (now->value[HAK_STAT_REFILLS] >= before->value[HAK_STAT_REFILLS])
        set(row, TOP_REFILLS, (double)(now->value[HAK_STAT_REFILLS] - before->value[HAK_STAT_REFILLS]) / seconds);
    if (now->value[HAK_STAT_REQUESTED_BYTES] >= before->value[HAK_STAT_REQUESTED_BYTES])
        set(row, TOP_ALLOCATION,
            (double)(now->value[HAK_STAT_REQUESTED_BYTES] - before->value[HAK_STAT_REQUESTED_BYTES]) / seconds);
}

struct top_row top_row(const struct top_process *of)
{
    const struct process *process = of->process;
    struct top_row row = {.pid = of->pid};
    memcpy(row.name, process->name, sizeof row.name);
    set(&row, TOP_PID, of->pid);
    set(&row, TOP_PROGRAM, 0);
    set(&row, TOP_ALLOCATED, (double)process->snapshot.value[HAK_STAT_ALLOCATED_BYTES]);
    if (process->residency.is_known)
        set_parts(&row, process);
    if (process->before.is_known && of->when > of->before)
        set_rates(&row, process, of->when - of->before);
    return row;
}

/* What is not known comes last, whatever the order. */
static int compare(const void *a, const void *b, void *context)
{
    const struct top_row *one = a, *other = b;
    const struct top_order *order = context;
    enum top_column column = order->column;
    int result = (one->value[column] > other->value[column]) - (one->value[column] < other->value[column]);
    if (one->is_known[column] != other->is_known[column])
        return one->is_known[column] ? -1 : 1;
    if (columns[column].kind == NAME)
        result = strcasecmp(one->name, other->name);
    else if (columns[column].kind != PID)
        result = -result;
    if (result == 0)
        return (one->pid > other->pid) - (one->pid < other->pid);
    return order->reverse ? -result : result;
}

bool top_rows_make(struct top_rows *rows, const struct top_table *table, const struct top_order *order)
{
    struct top_order context = *order;
    rows->count = 0;
    rows->rows = calloc(table->count + 1, sizeof *rows->rows);
    for (size_t i = 0; rows->rows != NULL && i < table->count; i++) {
        const struct top_process *process = &table->processes[i];
        if (process->process != NULL && strcasestr(process->process->name, order->filter) != NULL)
            rows->rows[rows->count++] = top_row(process);
    }
    if (rows->rows != NULL)
        qsort_r(rows->rows, rows->count, sizeof *rows->rows, compare, &context);
    return rows->rows != NULL;
}

double top_rows_sum(const struct top_rows *rows, enum top_column column)
{
    double sum = 0;
    for (size_t i = 0; i < rows->count; i++)
        sum += rows->rows[i].value[column];
    return sum;
}

/* ---- lines ------------------------------------------------------------- */

void top_format_size(char text[TOP_SIZE_MOST], double bytes)
{
    static const char units[] = "KMGTPE";
    double size = bytes / 1024;
    size_t unit = 0;
    for (; fabs(size) >= 1000 && units[unit + 1] != '\0'; unit++)
        size /= 1024;
    snprintf(text, TOP_SIZE_MOST, unit == 0 ? "%.0f%c" : "%.1f%c", size, units[unit]);
}

static void format_count(char text[TOP_SIZE_MOST], double count)
{
    if (count < 99999.5)
        snprintf(text, TOP_SIZE_MOST, "%.0f", count);
    else if (count < 99999500)
        snprintf(text, TOP_SIZE_MOST, "%.0fk", count / 1000);
    else
        snprintf(text, TOP_SIZE_MOST, "%.3gM", count / 1000000);
}

/* Below half a KiB it is nothing. */
static void format_change(char text[TOP_SIZE_MOST], double bytes, const char *sign)
{
    char size[TOP_SIZE_MOST];
    if (fabs(bytes) < 512) {
        strcpy(text, "0");
        return;
    }
    top_format_size(size, bytes);
    snprintf(text, TOP_SIZE_MOST, "%s%.14s", sign, size);
}

static void format_cell(char text[TOP_SIZE_MOST], const struct top_row *row, enum top_column column)
{
    double value = row->value[column];
    if (!row->is_known[column]) {
        strcpy(text, "-");
        return;
    }
    switch (columns[column].kind) {
    case PID:
        snprintf(text, TOP_SIZE_MOST, "%d", (int)row->pid);
        break;
    case PERCENT:
        snprintf(text, TOP_SIZE_MOST, "%.0f%%", value);
        break;
    case RATE:
        format_count(text, value);
        break;
    default:
        format_change(text, value, columns[column].kind == CHANGE && value > 0 ? "+" : "");
    }
}

int top_column_place(enum top_column column, int width, int *start)
{
    bool whole = width >= TOP_WIDTH_LEAST + 1 + columns[TOP_COLUMNS - 1].width;
    int extra = width - TOP_WIDTH_LEAST - (whole ? 1 + columns[TOP_COLUMNS - 1].width : 0);
    *start = 0;
    for (int i = 0; i < TOP_COLUMNS; i++) {
        int name_most = (int)sizeof(((struct top_row *)0)->name) - 1 - columns[i].width;
        int more = columns[i].kind == NAME && extra > 0 ? (extra < name_most ? extra : name_most) : 0;
        if (i == TOP_COLUMNS - 1 && !whole)
            return 0;
        if (i == (int)column)
            return columns[i].width + more;
        *start += columns[i].width + more + 1;
    }
    return 0;
}

void top_format_line(char text[TOP_LINE_MOST], const struct top_row *row, int width)
{
    text[0] = '\0';
    for (int i = 0; i < TOP_COLUMNS; i++) {
        int start, room = top_column_place((enum top_column)i, width, &start);
        char cell[sizeof row->name > TOP_SIZE_MOST ? sizeof row->name : TOP_SIZE_MOST];
        if (room == 0)
            continue;
        if (row == NULL)
            snprintf(cell, sizeof cell, "%s", columns[i].heading);
        else if (columns[i].kind == NAME)
            snprintf(cell, sizeof cell, "%s", row->name);
        else
            format_cell(cell, row, (enum top_column)i);
        size_t used = strlen(text);
        snprintf(text + used, TOP_LINE_MOST - used, columns[i].kind == NAME ? "%s%-*.*s" : "%s%*.*s",
                 i > 0 ? " " : "", room, room, cell);
    }
}

bool top_write_text(FILE *out, const struct top_rows *rows)
{
    char line[TOP_LINE_MOST];
    top_format_line(line, NULL, TOP_WIDTH_WHOLE);
    fprintf(out, "%s\n", line);
    for (size_t i = 0; i < rows->count; i++) {
        top_format_line(line, &rows->rows[i], TOP_WIDTH_WHOLE);
        fprintf(out, "%s\n", line);
    }
    return !ferror(out);
}

/* SPDX-License-Identifier: MIT */
/* The table of hakmem top: a row for each process, with the columns of top_columns.def. */
#ifndef HAK_TOOLS_TOP_ROWS_H
#define HAK_TOOLS_TOP_ROWS_H

#include <stdio.h>

#include "top_table.h"

enum top_column {
#define HAK_COLUMN(id, name, heading, width, kind, help) TOP_##id,
#include "top_columns.def"
#undef HAK_COLUMN
    TOP_COLUMNS
};

struct top_row {
    pid_t pid;
    char name[32];
    bool is_known[TOP_COLUMNS];
    double value[TOP_COLUMNS];
};

struct top_rows {
    struct top_row *rows;
    size_t count;
};

struct top_order {
    enum top_column column;
    bool reverse;
    const char *filter; /* what names have to contain, in any case of letters */
};

/* The first column whose name begins so; TOP_COLUMNS if there is none. */
enum top_column top_column_named(const char *name);
const char *top_column_name(enum top_column column);
const char *top_column_heading(enum top_column column);
const char *top_column_help(enum top_column column);

/* What the table says of a process. */
struct top_row top_row(const struct top_process *process);
/* All processes that the filter lets through, in order; rows are to be freed. False without memory. */
bool top_rows_make(struct top_rows *rows, const struct top_table *table, const struct top_order *order);

/* The sum of a column. */
double top_rows_sum(const struct top_rows *rows, enum top_column column);

/* A number of bytes with its unit: 12.3M. */
enum { TOP_SIZE_MOST = 16 };
void top_format_size(char text[TOP_SIZE_MOST], double bytes);

/* Where a column is in a line of that width. Returns its width, or 0 if there is no room for it. */
int top_column_place(enum top_column column, int width, int *start);

/* A row, or the headings for NULL, as a line of that width at most. */
enum { TOP_WIDTH_LEAST = 80, TOP_WIDTH_WHOLE = 96, TOP_LINE_MOST = 160 };
void top_format_line(char text[TOP_LINE_MOST], const struct top_row *row, int width);

bool top_write_text(FILE *out, const struct top_rows *rows);
bool top_write_json(FILE *out, const struct top_rows *rows, const struct top_table *table);

#endif

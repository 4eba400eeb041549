/* SPDX-License-Identifier: MIT */
/* Profiles as text: tables of the sites that allocate, and folded stacks. */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "number_text.h"
#include "profile.h"

enum { ROWS_MOST = 60, NAME_MOST = 90, SHARED_NAME_MOST = 30 };
static const double share_least = 0.005; /* of the total: what is below is not shown */

/* ---- sites ------------------------------------------------------------- */

/* A line of a function, or a function. */
struct row {
    const struct profile_line *line;
    const struct profile_line *root; /* the row that its stacks begin with; NULL: they differ */
    size_t stacks;           /* how many pass through here */
    size_t shared;           /* of a root: the rows that its line of the table is for, or 0 */
    bool is_shared;          /* whether it is one of them */
    bool allocates;          /* whether stacks end here */
    struct profile_sum flat; /* of these */
    double cumulative;       /* bytes of stacks that pass through here */
    size_t last_entry;       /* the number plus one, so that recursion counts once */
    size_t callers;          /* fewest frames above it in a stack */
    double youngest, median, oldest; /* in seconds; only for ages */
};

struct rows {
    struct row *rows;
    uint32_t *table; /* a hash table of numbers of rows plus one; its room is a power of two */
    size_t count, room, table_room;
    bool by_function; /* whether the lines of a function are one row */
};

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static unsigned line_of(const struct rows *rows, const struct profile_line *line)
{
    return rows->by_function ? 0 : line->line;
}

static uint64_t hash_of(const struct rows *rows, const struct profile_line *line)
{
    uint64_t hash = line_of(rows, line);
    for (const char *text = line->function; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash * 0x9e3779b97f4a7c15u >> 20;
}

static uint32_t *slot_of(const struct rows *rows, const struct profile_line *line)
{
    size_t at = (size_t)hash_of(rows, line) & (rows->table_room - 1);
    for (; rows->table[at] != 0; at = (at + 1) & (rows->table_room - 1)) {
        const struct profile_line *other = rows->rows[rows->table[at] - 1].line;
        if (line_of(rows, other) == line_of(rows, line) &&
            same_text(other->function, line->function) && same_text(other->file, line->file))
            break;
    }
    return &rows->table[at];
}

static bool grow(struct rows *rows)
{
    size_t room = rows->room == 0 ? 1024 : 2 * rows->room;
    struct row *more = reallocarray(rows->rows, room, sizeof *more);
    if (more == NULL)
        return false;
    rows->rows = more;
    uint32_t *table = calloc(2 * room, sizeof *table);
    if (table == NULL)
        return false;
    free(rows->table);
    rows->table = table;
    rows->room = room;
    rows->table_room = 2 * room;
    for (size_t i = 0; i < rows->count; i++)
        *slot_of(rows, rows->rows[i].line) = (uint32_t)(i + 1);
    return true;
}

/* The row of a line, or NULL without memory. */
static struct row *row_of(struct rows *rows, const struct profile_line *line)
{
    if (rows->count == rows->room && !grow(rows))
        return NULL;
    uint32_t *slot = slot_of(rows, line);
    if (*slot == 0) {
        rows->rows[rows->count] = (struct row){.line = line, .callers = SIZE_MAX};
        *slot = (uint32_t)++rows->count;
    }
    return &rows->rows[*slot - 1];
}

static void free_rows(struct rows *rows)
{
    free(rows->rows);
    free(rows->table);
}

/* ---- columns ----------------------------------------------------------- */

static double percent(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : 0;
}

/* The last two parts of a path, which tell it from others. */
static const char *short_path(const char *path)
{
    const char *at = path + strlen(path);
    for (int slashes = 0; at > path; at--)
        if (at[-1] == '/' && ++slashes == 2)
            break;
    return at;
}

/* A longer name without the arguments of templates; short ones and those of operators stay. */
static void write_function(FILE *out, const char *name, size_t most)
{
    unsigned depth = 0;
    bool is_long = strlen(name) > most && strstr(name, "operator") == NULL;
    for (const char *at = name; *at != '\0'; at++) {
        bool opens = is_long && *at == '<' && at > name && at[-1] != ':';
        if (depth == 0 && opens)
            fputs("<...>", out);
        depth += depth > 0 ? is_long && *at == '<' : opens;
        if (depth == 0)
            putc(*at, out);
        else if (*at == '>' && at[-1] != '-')
            depth--;
    }
}

static void write_line_number(FILE *out, const struct rows *rows, const struct profile_line *line)
{
    if (line->file != NULL && line_of(rows, line) > 0)
        fprintf(out, ":%u", line_of(rows, line));
}

static void write_site(FILE *out, const struct rows *rows, const struct profile_line *line)
{
    write_function(out, line->function, NAME_MOST);
    if (line->file != NULL)
        fprintf(out, "  %s", short_path(line->file));
    write_line_number(out, rows, line);
}

/* The rows that share the line of a root, callers first, as they are sorted. */
static void write_shared(FILE *out, const struct rows *rows, const struct row *root)
{
    const char *between = "";
    for (const struct row *row = root; row < rows->rows + rows->count; row++)
        if (row->is_shared && row->root == root->line) {
            fputs(between, out);
            write_function(out, row->line->function, SHARED_NAME_MOST);
            write_line_number(out, rows, row->line);
            between = " > ";
        }
    fputs("  (every stack from ", out);
    write_function(out, root->line->function, SHARED_NAME_MOST);
    putc(')', out);
}

static void write_bytes(FILE *out, double bytes, bool is_difference)
{
    fprintf(out, "%11s", (is_difference ? number_bytes_change(bytes) : number_bytes(bytes)).text);
}

/* ---- the summary ------------------------------------------------------- */

/* How many blocks were sampled; of a difference, in both profiles. */
static double samples_of(const struct profile *profile, enum profile_view view)
{
    double samples = 0;
    for (size_t i = 0; i < profile->entry_count; i++) {
        const struct profile_sum *sum = &profile->entries[i].sum[view];
        struct profile_sum all = {fabs(sum->blocks), fabs(sum->bytes)};
        samples += profile_sampled(all, profile->interval_most).blocks;
    }
    return samples;
}

/*
 * A sampled block that stands for n adds n * (n - 1) * size^2 to the variance. That is at most the
 * square of the interval, for blocks of any size: this tells a bound where sizes are not known.
 */
static double standard_error(const struct profile *profile)
{
    double variance = 0;
    for (size_t i = 0; i < profile->sample_count; i++) {
        const struct profile_sample *sample = &profile->samples[i];
        if (sample->blocks > 1)
            variance += sample->blocks * (sample->blocks - 1) * (double)sample->size *
                        (double)sample->size;
    }
    return sqrt(variance);
}

static void write_basis(FILE *out, const struct profile *profile, enum profile_view view)
{
    char interval[64];
    bool is_exact = profile->has_samples && view == PROFILE_IN_USE;
    double samples = is_exact ? (double)profile->sample_count : samples_of(profile, view);
    profile_format_interval(interval, sizeof interval, profile);
    double error = is_exact ? standard_error(profile) : sqrt(samples) * (double)profile->interval_most;
    if (profile->interval_most <= 1)
        fputs("Every block was recorded", out);
    else
        fprintf(out, "Estimated from %.0f sample%s%s, one per %s allocated; standard error: %s%s",
                samples, samples == 1 ? "" : "s", profile->is_difference ? " in both profiles" : "",
                interval, is_exact ? "" : "at most ", number_bytes(error).text);
    if (profile->seconds > 0)
        fprintf(out, "; profile begun %.0f s ago", profile->seconds);
    fputs(".\n", out);
    if (profile->samples_dropped > 0)
        fprintf(out,
                "%" PRIu64 " sample%s dropped, usually for lack of space: see profile_max in hakmem(7).\n",
                profile->samples_dropped, profile->samples_dropped == 1 ? " was" : "s were");
    if (profile->samples_taken > 0 && !profile->running)
        fputs("The profiler is off: blocks allocated since it was stopped are missing.\n", out);
}

void profile_write_summary(FILE *out, const struct profile *profile, enum profile_view view,
                           const char *title)
{
    struct profile_sum total = profile_total(profile, view);
    struct number_text bytes = profile->is_difference ? number_bytes_change(total.bytes) : number_bytes(total.bytes);
    const char *more_blocks = profile->is_difference && total.blocks >= 0 ? "+" : "";
    fprintf(out, "%s\n", title);
    if (total.blocks == 0 && total.bytes == 0 && !profile->is_difference) {
        fputs("No sampled block belongs to this view.\n", out);
        return;
    }
    fprintf(out, "%s in %s%.0f block%s. ", bytes.text, more_blocks, total.blocks,
            rint(total.blocks) == 1 ? "" : "s");
    write_basis(out, profile, view);
    putc('\n', out);
}

/* ---- the table of sites ------------------------------------------------ */

static bool add_entries(struct rows *rows, const struct profile *profile, enum profile_view view)
{
    for (size_t i = 0; i < profile->entry_count; i++) {
        const struct profile_line *lines[PROFILE_LINES_MOST];
        const struct profile_entry *entry = &profile->entries[i];
        const struct profile_sum *sum = &entry->sum[view];
        if (fabs(sum->bytes) < 0.5 && fabs(sum->blocks) < 0.5)
            continue;
        size_t count = profile_lines(profile, entry, lines, PROFILE_LINES_MOST);
        struct row *row = row_of(rows, lines[count - 1]);
        const struct profile_line *root = row != NULL ? row->line : NULL;
        for (size_t k = 0; k < count; k++) {
            row = row_of(rows, lines[k]);
            if (row == NULL)
                return false;
            if (k == 0) {
                row->allocates = true;
                row->flat.blocks += sum->blocks;
                row->flat.bytes += sum->bytes;
            }
            if (row->last_entry != i + 1) {
                row->cumulative += sum->bytes;
                row->root = row->stacks == 0 || row->root == root ? root : NULL;
                row->stacks++;
            }
            row->last_entry = i + 1;
            if (count - 1 - k < row->callers)
                row->callers = count - 1 - k;
        }
    }
    return true;
}

/*
 * Rows that every stack with their root passes through say nothing apart: all have the sum of the
 * root, and none allocates itself. Returns how many disappear in the line of their root.
 */
static size_t fold(struct rows *rows)
{
    size_t folded = 0;
    for (size_t i = 0; i < rows->count; i++) {
        struct row *row = &rows->rows[i];
        struct row *root = row->root != NULL ? &rows->rows[*slot_of(rows, row->root) - 1] : NULL;
        row->is_shared = root != NULL && row->stacks == root->stacks && !row->allocates &&
                         root->root == root->line && !root->allocates;
        if (row->is_shared) {
            root->shared++;
            folded += row != root;
        }
    }
    return folded;
}

static int falling(double a, double b)
{
    return a > b ? -1 : a < b;
}

/* The largest first; of those with the same sums, callers before the functions that they call. */
static int by_bytes(const void *a, const void *b)
{
    const struct row *one = a, *other = b;
    int order = falling(fabs(one->flat.bytes), fabs(other->flat.bytes));
    if (order == 0)
        order = falling(fabs(one->cumulative), fabs(other->cumulative));
    if (order == 0)
        order = (one->callers > other->callers) - (one->callers < other->callers);
    if (order == 0)
        order = strcmp(one->line->function, other->line->function);
    return order != 0 ? order : falling(other->line->line, one->line->line);
}

static void sort_rows(struct rows *rows)
{
    if (rows->count > 0)
        qsort(rows->rows, rows->count, sizeof *rows->rows, by_bytes);
}

/* What percentages are of. */
static double whole_of(const struct profile *profile, enum profile_view view)
{
    double old = 0;
    for (size_t i = 0; profile->is_difference && i < profile->entry_count; i++)
        if (profile->entries[i].sum[view].bytes < 0)
            old -= profile->entries[i].sum[view].bytes;
    return profile->is_difference ? old : profile_total(profile, view).bytes;
}

static void write_rest(FILE *out, size_t count)
{
    if (count > 0)
        fprintf(out, "%zu more %s not shown: %s below 0.5%%, or beyond the first %d\n", count,
                count == 1 ? "site is" : "sites are", count == 1 ? "it is" : "they are", ROWS_MOST);
}

bool profile_write_text(FILE *out, const struct profile *profile, enum profile_view view,
                        bool by_function)
{
    struct rows rows = {.by_function = by_function};
    bool added = add_entries(&rows, profile, view);
    double whole = whole_of(profile, view);
    size_t shown = 0, folded = added ? fold(&rows) : 0;
    sort_rows(&rows);
    if (rows.count > 0)
        fprintf(out, "%11s %6s %11s %6s %10s  %s\n", "flat", "flat%", "cum", "cum%", "blocks",
                "function");
    for (size_t i = 0; i < rows.count && shown < ROWS_MOST; i++) {
        const struct row *row = &rows.rows[i];
        if ((row->is_shared && row->root != row->line) ||
            (fabs(row->flat.bytes) < share_least * whole && fabs(row->cumulative) < share_least * whole))
            continue;
        shown++;
        write_bytes(out, row->flat.bytes, profile->is_difference);
        fprintf(out, " %5.1f%%", percent(row->flat.bytes, whole));
        write_bytes(out, row->cumulative, profile->is_difference);
        bool is_change = profile->is_difference && fabs(row->flat.blocks) >= 0.5;
        fprintf(out, is_change ? " %5.1f%% %+10.0f  " : " %5.1f%% %10.0f  ",
                percent(row->cumulative, whole), is_change ? row->flat.blocks : fabs(row->flat.blocks));
        if (row->shared > 1)
            write_shared(out, &rows, row);
        else
            write_site(out, &rows, row->line);
        putc('\n', out);
    }
    write_rest(out, rows.count - folded - shown);
    free_rows(&rows);
    return added && !ferror(out);
}

bool profile_write_sites(FILE *out, const struct profile *profile, enum profile_view view, size_t most)
{
    struct rows rows = {0};
    bool added = add_entries(&rows, profile, view);
    double whole = whole_of(profile, view);
    sort_rows(&rows);
    for (size_t i = 0; i < rows.count && i < most && rows.rows[i].flat.bytes >= share_least * whole; i++) {
        write_bytes(out, rows.rows[i].flat.bytes, false);
        fprintf(out, " %5.1f %%  ", percent(rows.rows[i].flat.bytes, whole));
        write_site(out, &rows, rows.rows[i].line);
        putc('\n', out);
    }
    free_rows(&rows);
    return added && !ferror(out);
}

/* ---- the table of ages ------------------------------------------------- */

/* A sample, for sorting. */
struct aged {
    uint32_t row;
    double seconds, bytes;
};

static int by_row_and_age(const void *a, const void *b)
{
    const struct aged *one = a, *other = b;
    if (one->row != other->row)
        return one->row < other->row ? -1 : 1;
    return -falling(one->seconds, other->seconds);
}

static struct aged *collect(struct rows *rows, const struct profile *profile)
{
    struct aged *aged = calloc(profile->sample_count + 1, sizeof *aged);
    for (size_t i = 0; aged != NULL && i < profile->sample_count; i++) {
        const struct profile_line *line[PROFILE_LINES_MOST];
        const struct profile_sample *sample = &profile->samples[i];
        profile_lines(profile, &profile->entries[sample->entry], line, PROFILE_LINES_MOST);
        struct row *row = row_of(rows, line[0]);
        if (row == NULL) {
            free(aged);
            return NULL;
        }
        aged[i] = (struct aged){(uint32_t)(row - rows->rows), sample->seconds,
                                sample->blocks * (double)sample->size};
        row->flat.blocks += sample->blocks;
        row->flat.bytes += aged[i].bytes;
    }
    if (aged != NULL)
        qsort(aged, profile->sample_count, sizeof *aged, by_row_and_age);
    return aged;
}

/* The median is that of bytes: half of a site's memory is older. */
static void find_ages(struct rows *rows, const struct aged *aged, size_t count)
{
    double below = 0; /* bytes of the row's younger samples */
    for (size_t i = 0; i < count; i++) {
        struct row *row = &rows->rows[aged[i].row];
        bool first = i == 0 || aged[i - 1].row != aged[i].row;
        below = first ? 0 : below;
        if (first)
            row->youngest = aged[i].seconds;
        if (below <= row->flat.bytes / 2)
            row->median = aged[i].seconds;
        row->oldest = aged[i].seconds;
        below += aged[i].bytes;
    }
}

static void write_age(FILE *out, double seconds)
{
    static const struct {
        double seconds;
        const char *name;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (seconds >= 2 * units[i].seconds) {
            fprintf(out, " %5.1f %-3s", seconds / units[i].seconds, units[i].name);
            return;
        }
    fprintf(out, " %5.1f %-3s", seconds, "s");
}

bool profile_write_ages(FILE *out, const struct profile *profile, bool by_function)
{
    struct rows rows = {.by_function = by_function};
    double whole = 0;
    size_t shown = 0;
    struct aged *aged = collect(&rows, profile);
    if (aged != NULL)
        find_ages(&rows, aged, profile->sample_count);
    for (size_t i = 0; i < rows.count; i++)
        whole += rows.rows[i].flat.bytes;
    sort_rows(&rows);
    if (rows.count > 0)
        fprintf(out, "%11s %6s %10s %9s %9s %9s  %s\n", "in use", "share", "blocks", "youngest",
                "median ", "oldest ", "function");
    for (size_t i = 0; aged != NULL && i < rows.count && shown < ROWS_MOST; i++) {
        const struct row *row = &rows.rows[i];
        if (row->flat.bytes < share_least * whole)
            continue;
        shown++;
        write_bytes(out, row->flat.bytes, false);
        fprintf(out, " %5.1f%% %10.0f", percent(row->flat.bytes, whole), row->flat.blocks);
        write_age(out, row->youngest);
        write_age(out, row->median);
        write_age(out, row->oldest);
        fputs("  ", out);
        write_site(out, &rows, row->line);
        putc('\n', out);
    }
    write_rest(out, rows.count - shown);
    bool good = aged != NULL && !ferror(out);
    free(aged);
    free_rows(&rows);
    return good;
}

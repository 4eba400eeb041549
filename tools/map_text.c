/* SPDX-License-Identifier: MIT */
/*
 * Draws the heap of a process in a terminal: a line for each row of cells, and a character for each cell,
 * which is filled from below as far as the cell is allocated.
 *
 *     7f3a1c200000 ██▆▁▃████▇▇▂░░··  1.6 MiB  80 %
 *
 * The colour tells the size of the blocks. A terminal without UTF-8 gets tenths: 0 to 9, and # when full.
 */
#include <inttypes.h>
#include <string.h>

#include "map.h"
#include "number_text.h"
#include "profile.h"

enum {
    LABEL = 13,         /* the address, and a blank */
    NUMBERS = 20,       /* behind the cells */
    COLUMNS_LEAST = 8, COLUMNS_MOST = 128,
    ROWS_MOST = 40, HUGE_MOST = 10,
    SCALE = 24 /* characters of the scale of colours */
};
static const double MIB = 1 << 20;

struct text {
    FILE *out;
    const struct map *map;
    const struct map_text_options *options;
    struct map_grid grid;
    unsigned column;  /* of the next cell */
};

/* ---- colours ----------------------------------------------------------- */

/* One of the 6 x 6 x 6 colours that terminals of 256 colours have. */
static unsigned in_cube(uint32_t colour)
{
    unsigned index = 16;
    for (unsigned i = 0, weight = 36; i < 3; i++, weight /= 6) {
        unsigned value = colour >> (16 - 8 * i) & 0xff;
        index += weight * (value < 48 ? 0 : value < 115 ? 1 : (value - 35) / 40);
    }
    return index;
}

static void set_colour(const struct text *text, bool background, uint32_t colour)
{
    if (text->options->colours == MAP_256_COLOURS)
        fprintf(text->out, "\033[%d;5;%um", background ? 48 : 38, in_cube(colour));
    else if (text->options->colours == MAP_ALL_COLOURS)
        fprintf(text->out, "\033[%d;2;%u;%u;%um", background ? 48 : 38, (unsigned)(colour >> 16),
                (unsigned)(colour >> 8 & 0xff), (unsigned)(colour & 0xff));
}

static void reset_colours(const struct text *text)
{
    if (text->options->colours != MAP_PLAIN)
        fputs("\033[0m", text->out);
}

/* What is resident and free in a cell has a dark shade of its colour. */
static void set_colours(const struct text *text, enum map_key key, bool free)
{
    set_colour(text, false, map_colour(key));
    if (free)
        set_colour(text, true, map_mix(map_colour(key), 0, 0.7));
}

/* ---- cells ------------------------------------------------------------- */

static const char *const eighths[] = {"▁", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const tenths[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "#"};

/* What is left at the end of a slab, which is less than a block, does not keep it from being full. */
static const char *fill_of(const struct text *text, double part)
{
    int steps = text->options->utf8 ? 8 : 10, step = (int)(part * steps + 0.5);
    if (step == steps && part < 0.985)
        step--;
    return text->options->utf8 ? eighths[step] : tenths[step];
}

struct looks {
    const char *utf8, *ascii;
};
static const struct looks nothing = {" ", " "}, absent = {"·", "."}, retained = {"░", "~"}, cached = {"▒", "%"},
                          empty = {"_", "_"};

static void put_looks(const struct text *text, const struct looks *looks)
{
    fputs(text->options->utf8 ? looks->utf8 : looks->ascii, text->out);
}

static void put_cell(const struct text *text, enum map_key key, const struct map_share *share)
{
    double all = map_share_bytes(share), used = share->allocated + share->cached + share->free;
    set_colours(text, key, used > 0.5 * all && share->cached <= share->free + share->allocated);
    if (share->allocated > 0)
        fputs(fill_of(text, share->allocated / all), text->out);
    else if (used > share->retained)
        put_looks(text, share->cached > share->free ? &cached : &empty);
    else
        put_looks(text, share->retained > 0 ? &retained : &absent);
    reset_colours(text);
}

static void put_box(const struct map_box *box, void *context)
{
    struct text *text = context;
    for (; text->column < (unsigned)box->from; text->column++)
        put_looks(text, &nothing);
    text->column++;
    put_cell(text, box->key, &box->share);
}

static void put_numbers(const struct text *text, const struct map_share *share)
{
    double all = map_share_bytes(share);
    fprintf(text->out, " %11s %5.0f %%\n", number_bytes(share->allocated).text, all > 0 ? 100 * share->allocated / all : 0);
}

static void put_rows(struct text *text)
{
    for (size_t i = 0; i < text->grid.count; i++) {
        const struct map_row *row = &text->grid.rows[i];
        if (row->apart)
            putc('\n', text->out);
        fprintf(text->out, "%012" PRIxPTR " ", row->start);
        text->column = 0;
        map_visit_row(text->map, &text->grid, row, true, put_box, text);
        for (; text->column < text->grid.columns; text->column++)
            put_looks(text, &nothing);
        put_numbers(text, &row->share);
    }
    if (text->grid.count == 0)
        fputs("There are no slabs and no large blocks.\n", text->out);
}

static void put_huge(struct text *text)
{
    const struct map_part *huge[HUGE_MOST];
    size_t count = map_find_huge(text->map, huge, HUGE_MOST);
    size_t shown = count < HUGE_MOST ? count : HUGE_MOST;
    if (count == 0)
        return;
    fputs("\nhuge blocks\n", text->out);
    for (size_t i = 0; i < shown; i++) {
        struct map_share share = map_share_of(huge[i]);
        double part = (double)huge[i]->part.bytes / (double)huge[0]->part.bytes;
        unsigned wide = (unsigned)(part * text->grid.columns + 0.5);
        wide = wide < 1 ? 1 : wide;
        fprintf(text->out, "%012" PRIxPTR " ", huge[i]->part.start);
        for (unsigned column = 0; column < wide; column++)
            put_cell(text, MAP_HUGE, &share);
        fprintf(text->out, "%*s", (int)(text->grid.columns - wide), "");
        put_numbers(text, &share);
    }
    if (shown < count)
        fprintf(text->out, "and %zu smaller one%s\n", count - shown, number_s(count - shown));
}

/* ---- the legend -------------------------------------------------------- */

static void put_scale(const struct text *text)
{
    if (text->options->colours == MAP_PLAIN)
        return;
    fputs("16 B ", text->out);
    for (unsigned i = 0; i < SCALE; i++) {
        set_colour(text, true, map_colour((enum map_key)(i * (HAK_CLASS_COUNT - 1) / (SCALE - 1))));
        fputs(" ", text->out);
        reset_colours(text);
    }
    fputs(" 64 KiB, larger: ", text->out);
    set_colour(text, true, map_colour(MAP_LARGE));
    fputs(" ", text->out);
    reset_colours(text);
    fputs("\n", text->out);
}

static void put_legend(const struct text *text)
{
    const char *scale = text->options->utf8 ? "▁▂▃▄▅▆▇█" : "0123456789#";
    const struct {
        const struct looks *looks;
        const char *meaning;
    } keys[] = {{&empty, " free   "}, {&cached, " cached\n"}, {&retained, " retained   "}, {&absent, " not resident\n"}};
    fprintf(text->out, "\n%s allocated   ", scale);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        put_looks(text, keys[i].looks);
        fputs(keys[i].meaning, text->out);
    }
    put_scale(text);
}

static void put_totals(const struct text *text)
{
    struct map_total totals[MAP_TOTALS];
    double rss = (double)text->map->residency.rss;
    map_totals(text->map, totals);
    fprintf(text->out, "\n%-29s %10s\n", "RSS is made of", "MiB");
    for (int i = 0; i < MAP_TOTALS; i++)
        fprintf(text->out, "%-29s %10.2f\n", totals[i].label, totals[i].bytes / MIB);
    fprintf(text->out, "%-29s %10.2f\n", "RSS", rss / MIB);
    fprintf(text->out, "%-29s %10.2f\n", "not resident", text->map->share.absent / MIB);
}

bool map_write_text(FILE *out, const struct map *map, const struct map_text_options *options)
{
    struct text text = {.out = out, .map = map, .options = options};
    unsigned columns = COLUMNS_LEAST;
    while (columns < COLUMNS_MOST && LABEL + NUMBERS + 2 * columns <= options->width)
        columns *= 2;
    map_lay_out(map, columns, ROWS_MOST, &text.grid);
    fprintf(out, "%s (process %d)\n", map->name, (int)map->pid);
    fprintf(out, "Each cell is %s, filled as far as it is allocated.\n\n",
            number_bytes((double)((uint64_t)1 << text.grid.shift)).text);
    put_rows(&text);
    put_huge(&text);
    put_legend(&text);
    put_totals(&text);
    if (map->summary.passed_over != 0 || map->left_out != 0)
        fprintf(out, "Records left out because they changed or contradict others: %" PRIu64 ".\n",
                map->summary.passed_over + map->left_out);
    return !ferror(out);
}

/* SPDX-License-Identifier: MIT */
/*
 * Draws the heap of a process: a row for each SuperSlab and each other 2 MiB of the page arena, or more
 * where the heap is large, with a box for each slab or block.
 *
 *                        ┌──────┐ not resident
 *     7f3a1c200000  ▌ …  │░░░░░░│ free, resident          … 1.6 MiB  80 %
 *                        │▒▒▒▒▒▒│ cached
 *                        │██████│ allocated
 *
 * The colour of a box is the size of its blocks. The file is complete without its script (map_svg.js),
 * which shows what a box is beside the mouse and picks out the boxes of one colour.
 *
 * The name of the process is the only text in it that comes from there.
 */
#include <inttypes.h>

#include "base/params.h"
#include "map.h"
#include "number_text.h"
#include "profile.h"
#include "svg_files.h"
#include "svg_text.h"

/* In pixels. */
enum {
    WIDTH = 1200, MARGIN = 16, RIGHT = WIDTH - MARGIN,
    LINE = 18,
    TOTALS_TOP = 96, TOTALS_MIB = 322, TOTALS_SHARE = 386,
    CLASSES_X = 470, CLASSES_TOP = 96, CLASSES_HEIGHT = 104,
    GRID_TOP = 304, GRID_X = 132, CELL = 28, COLUMNS = 32,
    ROW = 20, LOW_ROW = 15, LOW_FROM = 41, /* so many rows are drawn lower */
    GAP = 9, BOTTOM = 24
};
enum { HUGE_MOST = 24, TITLE_MOST = 72 };
static const enum map_key swatch_key = (enum map_key)30; /* a class in the middle of the scale */
static const double narrowest = 0.4; /* boxes below are left out */
static const double MIB = 1 << 20;

struct svg {
    FILE *out;
    const struct map *map;
    struct map_grid grid;
    const struct map_part *huge[HUGE_MOST];
    size_t huge_count;
    int row, y; /* the height of a row, and where the next one is */
};

/* ---- boxes ------------------------------------------------------------- */

static void put_rect(FILE *out, const char *class, double x, double y, double width, double height)
{
    if (*class != '\0')
        fprintf(out, "<rect class=\"%s\"", class);
    else
        fputs("<rect", out);
    fprintf(out, " x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", x, y, width, height);
}

/* Up from the bottom: allocated, cached, free or retained, and what is not resident. */
static void put_share(FILE *out, const struct map_share *share, double x, double y, double width, double height)
{
    const struct {
        const char *class, *over;
        double bytes;
    } layers[] = {{"", NULL, share->allocated}, {"cached", "hatch", share->cached}, {NULL, NULL, share->free},
                  {"retained", NULL, share->retained}, {"absent", NULL, share->absent}};
    double scale = height / map_share_bytes(share), bottom = y + height;
    put_rect(out, "all", x, y, width, height);
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        double high = layers[i].bytes * scale;
        bottom -= high;
        if (layers[i].class == NULL || high < 0.2)
            continue;
        put_rect(out, layers[i].class, x, bottom, width, high);
        if (layers[i].over != NULL)
            put_rect(out, layers[i].over, x, bottom, width, high);
    }
}

/* The lines of a description are all of this command's own words. */
static void begin_box(const struct svg *svg, enum map_key key, const char *description)
{
    fprintf(svg->out, "<g class=\"box k%d\"><title>%s</title>", (int)key, description);
}

static void put_box(const struct map_box *box, void *context)
{
    const struct svg *svg = context;
    double x = GRID_X + box->from * CELL, width = (box->to - box->from) * CELL;
    char description[MAP_DESCRIPTION_MOST];
    if (width < narrowest || map_share_bytes(&box->share) < 1)
        return;
    map_describe_box(description, sizeof description, box);
    begin_box(svg, box->key, description);
    put_share(svg->out, &box->share, x, svg->y, width > 4 ? width - 1 : width, svg->row - 2);
    fputs("</g>\n", svg->out);
}

/* ---- rows -------------------------------------------------------------- */

static void put_row_texts(const struct svg *svg, uintptr_t start, const struct map_share *share)
{
    double all = map_share_bytes(share), y = svg->y + svg->row / 2.0 + 3;
    fprintf(svg->out,
            "<text x=\"%d\" y=\"%.1f\">%012" PRIxPTR "</text>"
            "<text class=\"number\" x=\"%d\" y=\"%.1f\">%s</text>"
            "<text class=\"number\" x=\"%d\" y=\"%.1f\">%.0f %%</text>\n",
            MARGIN, y, start, RIGHT - 54, y, number_bytes(share->allocated).text, RIGHT, y,
            all > 0 ? 100 * share->allocated / all : 0);
}

static bool is_superslab(const struct svg *svg, const struct map_row *row)
{
    if (map_row_bytes(&svg->grid) != HAK_SUPERSLAB)
        return false;
    for (size_t i = row->first; i < row->end; i++)
        if (svg->map->parts[i].part.kind <= READER_PART_SLOT)
            return true;
    return false;
}

static void put_row(struct svg *svg, const struct map_row *row)
{
    if (row->apart) {
        fprintf(svg->out, "<path class=\"gap\" d=\"M%d %.1fH%d\"/>\n", GRID_X, svg->y + GAP / 2.0 - 1,
                GRID_X + COLUMNS * CELL);
        svg->y += GAP;
    }
    put_row_texts(svg, row->start, &row->share);
    if (is_superslab(svg, row))
        put_rect(svg->out, "mark", GRID_X - 7, svg->y, 3, svg->row - 2);
    map_visit_row(svg->map, &svg->grid, row, false, put_box, svg);
    svg->y += svg->row;
}

static void put_rows(struct svg *svg)
{
    fprintf(svg->out,
            "<g class=\"note\">\n<text x=\"%d\" y=\"%d\">address</text>"
            "<text class=\"number\" x=\"%d\" y=\"%d\">allocated</text>\n",
            MARGIN, GRID_TOP - 10, RIGHT, GRID_TOP - 10);
    for (size_t i = 0; i < svg->grid.count; i++)
        put_row(svg, &svg->grid.rows[i]);
    if (svg->grid.count == 0) {
        fprintf(svg->out, "<text x=\"%d\" y=\"%d\">There are no slabs and no large blocks.</text>\n", MARGIN,
                svg->y + LINE);
        svg->y += 2 * LINE;
    }
    fputs("</g>\n", svg->out);
}

static void put_huge(struct svg *svg)
{
    size_t shown = svg->huge_count < HUGE_MOST ? svg->huge_count : HUGE_MOST;
    double rest = svg->map->sum[MAP_HUGE].share.allocated;
    if (shown == 0)
        return;
    fprintf(svg->out, "<text class=\"heading\" x=\"%d\" y=\"%d\">Huge blocks</text>\n<g class=\"note\">\n", MARGIN,
            svg->y + 26);
    svg->y += 38;
    for (size_t i = 0; i < shown; i++) {
        const struct map_part *part = svg->huge[i];
        struct map_box box = {.key = MAP_HUGE, .part = part, .share = map_share_of(part)};
        box.to = COLUMNS * (double)part->part.bytes / (double)svg->huge[0]->part.bytes;
        box.to = box.to < 0.1 ? 0.1 : box.to;
        put_row_texts(svg, part->part.start, &box.share);
        put_box(&box, svg);
        svg->y += svg->row;
        rest -= box.share.allocated;
    }
    if (shown < svg->huge_count) {
        fprintf(svg->out, "<text x=\"%d\" y=\"%d\">%zu smaller huge block%s: %s resident</text>\n", MARGIN, svg->y + 13,
                svg->huge_count - shown, number_s(svg->huge_count - shown), number_bytes(rest).text);
        svg->y += LINE;
    }
    fputs("</g>\n", svg->out);
}

/* ---- the legend -------------------------------------------------------- */

static void put_total(const struct svg *svg, int row, const char *label, double bytes, double share)
{
    int y = TOTALS_TOP + row * LINE;
    fprintf(svg->out, "<text x=\"%d\" y=\"%d\">%s</text><text class=\"number\" x=\"%d\" y=\"%d\">%.2f</text>",
            MARGIN + 22, y, label, TOTALS_MIB, y, bytes / MIB);
    if (share >= 0)
        fprintf(svg->out, "<text class=\"number\" x=\"%d\" y=\"%d\">%.1f %%</text>", TOTALS_SHARE, y, 100 * share);
    fputs("\n", svg->out);
}

static void put_swatch(const struct svg *svg, int row, enum map_key key, const struct map_share *share)
{
    fprintf(svg->out, "<g class=\"k%d\">", (int)key);
    put_share(svg->out, share, MARGIN, TOTALS_TOP + row * LINE - 11, 13, 13);
    fputs("</g>", svg->out);
}

/* What the RSS is made of; beside the parts that are drawn, how they look. */
static void put_totals(const struct svg *svg)
{
    static const struct map_share looks[] = {{.allocated = 1}, {.cached = 1}, {.free = 1}, {.retained = 1}};
    struct map_total totals[MAP_TOTALS];
    double rss = (double)svg->map->residency.rss;
    map_totals(svg->map, totals);
    fprintf(svg->out,
            "<g id=\"totals\">\n<text class=\"heading\" x=\"%d\" y=\"%d\">RSS is made of</text>"
            "<text class=\"number\" x=\"%d\" y=\"%d\">MiB</text>"
            "<text class=\"number\" x=\"%d\" y=\"%d\">share</text>\n",
            MARGIN, TOTALS_TOP - LINE, TOTALS_MIB, TOTALS_TOP - LINE, TOTALS_SHARE, TOTALS_TOP - LINE);
    for (int i = 0; i < MAP_TOTALS; i++) {
        if (i < MAP_NOT_DRAWN)
            put_swatch(svg, i, i == MAP_RETAINED ? MAP_EMPTY : swatch_key, &looks[i]);
        put_total(svg, i, totals[i].label, totals[i].bytes, rss > 0 ? totals[i].bytes / rss : 0);
    }
    fprintf(svg->out, "<path class=\"rule\" d=\"M%d %dH%d\"/>\n", MARGIN, TOTALS_TOP + MAP_TOTALS * LINE - 13,
            TOTALS_SHARE);
    put_total(svg, MAP_TOTALS, "RSS", rss, -1);
    put_swatch(svg, MAP_TOTALS + 1, swatch_key, &(struct map_share){.absent = 1});
    put_total(svg, MAP_TOTALS + 1, "not resident", svg->map->share.absent, -1);
    fputs("</g>\n", svg->out);
}

static double resident(const struct map_share *share)
{
    return share->allocated + share->cached + share->free + share->retained;
}

static void put_class(const struct svg *svg, unsigned number, double most)
{
    const double step = (double)(RIGHT - CLASSES_X) / HAK_CLASS_COUNT;
    const struct map_sum *sum = &svg->map->sum[number];
    struct map_share share = sum->share;
    double x = CLASSES_X + number * step, bottom = CLASSES_TOP + CLASSES_HEIGHT;
    double height = most > 0 ? CLASSES_HEIGHT * resident(&share) / most : 0;
    char description[MAP_DESCRIPTION_MOST];
    map_describe_sum(description, sizeof description, (enum map_key)number, sum);
    begin_box(svg, (enum map_key)number, description);
    share.absent = 0;
    put_rect(svg->out, "clear", x, CLASSES_TOP, step, CLASSES_HEIGHT);
    if (height >= narrowest)
        put_share(svg->out, &share, x, bottom - height, step - 1, height);
    put_rect(svg->out, "", x, bottom + 2, step, 9);
    fputs("</g>\n", svg->out);
}

/* A scale of the colours, on which stands how much memory the slabs of each class have. */
static void put_classes(const struct svg *svg)
{
    const double step = (double)(RIGHT - CLASSES_X) / HAK_CLASS_COUNT;
    double most = 0;
    int y = CLASSES_TOP + CLASSES_HEIGHT + 25;
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++)
        most = resident(&svg->map->sum[i].share) > most ? resident(&svg->map->sum[i].share) : most;
    fprintf(svg->out,
            "<g id=\"classes\">\n<text class=\"heading\" x=\"%d\" y=\"%d\">Slabs by the size of their blocks</text>"
            "<text class=\"number\" x=\"%d\" y=\"%d\">highest: %s</text>\n",
            CLASSES_X, CLASSES_TOP - LINE, RIGHT, CLASSES_TOP - LINE, number_bytes(most).text);
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        size_t size = hak__class_size(i);
        put_class(svg, i, most);
        if ((size & (size - 1)) == 0 && (size == 16 || size == 64 || size == 256 || size >= 1024) && size != 2048 &&
            size != 8192 && size != 32768)
            fprintf(svg->out, "<text class=\"tick\" x=\"%.1f\" y=\"%d\">%zu %s</text>\n",
                    CLASSES_X + (i + 0.5) * step, y, size < 1024 ? size : size / 1024, size < 1024 ? "B" : "KiB");
    }
    fputs("</g>\n", svg->out);
}

/* What has no size class. */
static void put_others(const struct svg *svg)
{
    static const struct {
        enum map_key key;
        const char *label;
        int width;
    } others[] = {{MAP_STARTER, "first blocks", 216}, {MAP_LARGE, "large blocks", 216}, {MAP_HUGE, "huge blocks", 216}};
    int x = CLASSES_X, y = CLASSES_TOP + CLASSES_HEIGHT + 52;
    fputs("<g id=\"others\">\n", svg->out);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char description[MAP_DESCRIPTION_MOST];
        const struct map_sum *sum = &svg->map->sum[others[i].key];
        map_describe_sum(description, sizeof description, others[i].key, sum);
        begin_box(svg, others[i].key, description);
        put_rect(svg->out, "", x, y - 11, 13, 13);
        fprintf(svg->out, "<text x=\"%d\" y=\"%d\">%s: %s</text></g>\n", x + 20, y, others[i].label,
                number_bytes(resident(&sum->share)).text);
        x += others[i].width;
    }
    fputs("</g>\n", svg->out);
}

/* ---- the page ---------------------------------------------------------- */

static void put_lines(FILE *out, const char *const *lines)
{
    for (; *lines != NULL; lines++)
        fputs(*lines, out);
}

static void put_style(const struct svg *svg)
{
    fputs("<style><![CDATA[\n", svg->out);
    put_lines(svg->out, map_svg_css);
    for (int key = 0; key < MAP_KEYS; key++)
        fprintf(svg->out, ".k%d { fill: #%06" PRIx32 "; }\n", key, map_colour((enum map_key)key));
    fprintf(svg->out, ".k%d .all { fill-opacity: 0; }\n", MAP_EMPTY);
    fputs("]]></style>\n"
          "<defs><pattern id=\"lines\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\" "
          "patternTransform=\"rotate(45)\"><rect class=\"line\" width=\"2\" height=\"4\"/></pattern>\n"
          "<pattern id=\"dots\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\">"
          "<rect class=\"dot\" width=\"2\" height=\"2\"/></pattern></defs>\n",
          svg->out);
}

static void put_header(const struct svg *svg)
{
    const struct map *map = svg->map;
    fprintf(svg->out, "<text class=\"title\" x=\"%d\" y=\"30\">Heap of ", MARGIN);
    svg_put_text(svg->out, map->name, TITLE_MOST);
    fprintf(svg->out,
            " (process %d)</text>\n<text class=\"note\" x=\"%d\" y=\"52\">RSS %s, peak %s. "
            "Each cell is %s of address space, each row %s. %s</text>\n",
            (int)map->pid, MARGIN, number_bytes((double)map->residency.rss).text,
            number_bytes((double)map->residency.peak).text, number_bytes((double)((uint64_t)1 << svg->grid.shift)).text,
            number_bytes((double)map_row_bytes(&svg->grid)).text,
            svg->grid.shift == HAK_GRANULE_SHIFT
                ? "A bar on the left marks a SuperSlab."
                : "A cell shows its three main uses.");
}

static void put_remarks(struct svg *svg)
{
    const struct map *map = svg->map;
    if (map->summary.passed_over != 0 || map->left_out != 0) {
        fprintf(svg->out,
                "<text class=\"note\" x=\"%d\" y=\"%d\">Left out: %" PRIu64 " record%s that changed while being read",
                MARGIN, svg->y + LINE, map->summary.passed_over, number_s(map->summary.passed_over));
        if (map->left_out != 0)
            fprintf(svg->out, ", slabs and blocks beyond the first %zu: %" PRIu64, map->count, map->left_out);
        fputs(".</text>\n", svg->out);
        svg->y += LINE;
    }
}

static int page_height(const struct svg *svg)
{
    int height = GRID_TOP + (svg->grid.count > 0 ? (int)svg->grid.count * svg->row : 2 * LINE) + LINE + BOTTOM;
    for (size_t i = 0; i < svg->grid.count; i++)
        height += svg->grid.rows[i].apart ? GAP : 0;
    if (svg->huge_count > 0)
        height += 38 + LINE + (int)(svg->huge_count < HUGE_MOST ? svg->huge_count : HUGE_MOST) * svg->row;
    return height;
}

bool map_write_svg(FILE *out, const struct map *map)
{
    struct svg svg = {.out = out, .map = map, .y = GRID_TOP};
    map_lay_out(map, COLUMNS, MAP_ROWS_MOST, &svg.grid);
    svg.row = svg.grid.count < LOW_FROM ? ROW : LOW_ROW;
    svg.huge_count = map_find_huge(map, svg.huge, HUGE_MOST);
    int height = page_height(&svg);
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n"
            "<title>Heap of ",
            WIDTH, height, WIDTH, height);
    svg_put_text(out, map->name, TITLE_MOST);
    fprintf(out, " (process %d)</title>\n", (int)map->pid);
    put_style(&svg);
    fputs("<rect id=\"page\" width=\"100%\" height=\"100%\"/>\n", out);
    put_header(&svg);
    put_totals(&svg);
    put_classes(&svg);
    put_others(&svg);
    put_rows(&svg);
    put_huge(&svg);
    put_remarks(&svg);
    fputs("<script><![CDATA[\n", out);
    put_lines(out, map_svg_js);
    fputs("]]></script>\n</svg>\n", out);
    return !ferror(out);
}

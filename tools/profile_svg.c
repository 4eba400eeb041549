/* SPDX-License-Identifier: MIT */
/*
 * Draws a flame graph: a box for each function, as wide as the memory that it and what it calls
 * allocated, with the callers above the called ones.
 *
 *     redis-server
 *     main
 *     aeMain                                  beforeSleep
 *     readQueryFromClient                     flushAppend…
 *     createStringObject  dictAdd
 *
 * The file is complete without its script: boxes have their places for a picture of 1200 pixels,
 * and a description that appears under the mouse. The script (profile_svg.js) makes the picture as
 * wide as the window, zooms and searches. data-at has what it needs of a box: where it begins and
 * how wide it is, in bytes, and its depth.
 *
 * Names come from the programs and their symbols: they are only ever written as text.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "number_text.h"
#include "svg_files.h"
#include "profile_tree.h"
#include "svg_text.h"

/* In pixels. The script has the same margin, row and box. */
enum { WIDTH = 1200, MARGIN = 10, TOP = 84, ROW = 18, BOX = 17, BOTTOM = 30 };
enum { INNER = WIDTH - 2 * MARGIN };
static const double narrowest = 0.1;       /* boxes below are left out */
static const double character_width = 7.3; /* of a monospace font of 12 pixels */
enum { LINES_MOST = 4, LABEL_LEAST = 5, LEGEND_NAME_MOST = 28, TITLE_MOST = 72 };

struct svg {
    FILE *out;
    const struct profile *profile;
    enum profile_view view;
    struct profile_tree tree;
    double scale;           /* pixels for a byte */
    size_t left_out, depth; /* boxes that are too narrow; the depth of the others */
};

/* ---- numbers ----------------------------------------------------------- */

static void put_bytes(const struct svg *svg, double bytes)
{
    fputs((svg->tree.difference ? number_bytes_change(bytes) : number_bytes(bytes)).text, svg->out);
}

/* With a comma after each three digits. */
static void put_blocks(const struct svg *svg, double blocks)
{
    char digits[32];
    double absolute = fmin(round(fabs(blocks)), 1e18);
    int length = snprintf(digits, sizeof digits, "%.0f", absolute);
    fputs(blocks <= -0.5 ? "-" : svg->tree.difference ? "+" : "", svg->out);
    for (int i = 0; i < length; i++)
        fprintf(svg->out, "%s%c", i > 0 && (length - i) % 3 == 0 ? "," : "", digits[i]);
    fputs(absolute == 1 ? " block" : " blocks", svg->out);
}

static double share(const struct svg *svg, double bytes)
{
    return 100 * bytes / svg->tree.nodes[0]->width;
}

/* ---- colours ----------------------------------------------------------- */

/* Light enough for dark text, and for a dark page. The last is for all other libraries. */
static const uint32_t palette[] = {0xf6ad62, 0x83b7e3, 0x8fcf91, 0xcfa3e0, 0xf3d266, 0xef95a4,
                                   0x74cbc3, 0xa9aff0, 0xbdb58c, 0xdda785, 0xc3c9d1};
enum { COLOURS = sizeof palette / sizeof palette[0], SHADES = 3 };
static const uint32_t root_colour = 0xd5dae0, grown = 0xef6a5f, shrunk = 0x5f9bee, even = 0xdcdfe4;

/* From one colour (0) to another (1). */
static uint32_t mix(uint32_t from, uint32_t to, double part)
{
    uint32_t colour = 0;
    for (unsigned shift = 0; shift < 24; shift += 8) {
        double a = from >> shift & 0xff, b = to >> shift & 0xff;
        colour |= (uint32_t)(a + (b - a) * part + 0.5) << shift;
    }
    return colour;
}

static uint32_t library_colour(const struct tree_library *library)
{
    return palette[library->rank < COLOURS - 1 && library->name[0] != '\0' ? library->rank
                                                                           : COLOURS - 1];
}

/* Neighbours of one library differ a little. */
static uint32_t node_colour(const struct svg *svg, const struct tree_node *node)
{
    uint32_t hash = 2166136261;
    if (svg->tree.difference) {
        double net = node->total.bytes / node->width;
        return mix(even, net > 0 ? grown : shrunk, fmin(fabs(net), 1));
    }
    if (node->library == NULL)
        return root_colour;
    for (const char *at = node->function; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619;
    return mix(library_colour(node->library), 0xffffff, 0.14 * (hash % SHADES));
}

/* ---- boxes ------------------------------------------------------------- */

static const char *name_of(const struct svg *svg, const struct tree_node *node)
{
    const char *program = svg->profile->name[0] != '\0' ? svg->profile->name : "all";
    return node->library != NULL ? node->function : program;
}

/* Where in the source: the places that most memory was allocated through. */
static void put_lines(const struct svg *svg, const struct tree_node *node)
{
    const struct tree_line *line = node->lines;
    bool several = line != NULL && line->next != NULL;
    size_t rest = 0;
    for (int i = 0; line != NULL && i < LINES_MOST; i++, line = line->next) {
        putc('\n', svg->out);
        svg_put_text(svg->out, line->file, SVG_TEXT_MOST);
        if (line->line > 0)
            fprintf(svg->out, ":%u", line->line);
        if (several) {
            fputs("  ", svg->out);
            put_bytes(svg, line->bytes);
        }
    }
    for (; line != NULL; line = line->next)
        rest++;
    if (rest > 0)
        fprintf(svg->out, "\nand %zu other line%s", rest, number_s(rest));
}

static void put_sums(const struct svg *svg, const struct tree_node *node)
{
    double grew = (node->width + node->total.bytes) / 2, shrank = node->width - grew;
    putc('\n', svg->out);
    put_bytes(svg, node->total.bytes);
    fputs(svg->tree.difference ? ", " : " in ", svg->out);
    put_blocks(svg, node->total.blocks);
    fprintf(svg->out, ", %.1f%% of %s", share(svg, node->width),
            svg->tree.difference ? "all changes" : "the total");
    if (fmin(grew, shrank) >= 0.5)
        fprintf(svg->out, "\ngrew by %s, shrank by %s", number_bytes(grew).text, number_bytes(shrank).text);
    if (node->child != NULL && (node->self.bytes != 0 || node->self.blocks != 0)) {
        fputs("\nallocated directly: ", svg->out);
        put_bytes(svg, node->self.bytes);
        fputs(svg->tree.difference ? ", " : " in ", svg->out);
        put_blocks(svg, node->self.blocks);
    }
}

/* The name that a box has room for. */
static void put_label(const struct svg *svg, const char *name, const char *label, double x,
                      double y, double width)
{
    size_t room = width > 6 ? (size_t)((width - 6) / character_width) : 0;
    bool whole = svg_count_characters(name) <= room;
    if (room < (whole ? 1 : LABEL_LEAST))
        return;
    fprintf(svg->out, "<text x=\"%.1f\" y=\"%.1f\">", x + 4, y);
    room = room < SVG_TEXT_MOST ? room : SVG_TEXT_MOST;
    if (whole)
        svg_put_text(svg->out, name, room);
    else
        svg_put_label(svg->out, label, room);
    fputs("</text>", svg->out);
}

static void put_box(struct svg *svg, const struct tree_node *node)
{
    char label[4 * SVG_TEXT_MOST];
    const char *name = name_of(svg, node);
    bool shortened = svg_shorten(name, label, sizeof label);
    double x = MARGIN + node->start * svg->scale, width = node->width * svg->scale;
    int y = TOP + (int)node->depth * ROW;
    fprintf(svg->out, "<g class=\"box\" data-at=\"%.0f %.0f %zu\"", node->start, node->width,
            node->depth);
    if (shortened) {
        fputs(" data-label=\"", svg->out);
        svg_put_text(svg->out, label, SVG_TEXT_MOST);
        putc('"', svg->out);
    }
    fputs("><title>", svg->out);
    svg_put_text(svg->out, name, SVG_TEXT_MOST);
    put_sums(svg, node);
    put_lines(svg, node);
    if (node->library != NULL && node->library->name[0] != '\0') {
        putc('\n', svg->out);
        svg_put_text(svg->out, node->library->name, SVG_TEXT_MOST);
    }
    fprintf(svg->out,
            "</title><rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" fill=\"#%06" PRIx32
            "\"/>",
            x, y, width > 2 ? width - 0.5 : width, BOX, node_colour(svg, node));
    put_label(svg, name, shortened ? label : name, x, y + 12.5, width);
    fputs("</g>\n", svg->out);
}

static void put_boxes(struct svg *svg)
{
    fputs("<g id=\"boxes\">\n", svg->out);
    for (struct tree_node *node = svg->tree.nodes[0]; node != NULL;
         node = profile_tree_next(node)) {
        if (node->width * svg->scale >= narrowest)
            put_box(svg, node);
    }
    fputs("</g>\n", svg->out);
}

/* ---- the page ---------------------------------------------------------- */

static void put_rows(FILE *out, const char *const *rows)
{
    for (; *rows != NULL; rows++)
        fputs(*rows, out);
}

static double key_width(const char *meaning, double percent)
{
    size_t length = svg_count_characters(meaning);
    return 34 + character_width * (double)(length < LEGEND_NAME_MOST ? length : LEGEND_NAME_MOST) +
           (percent >= 0 ? 6 * character_width : 0);
}

/* A colour and what it means. */
static void put_key(const struct svg *svg, double x, uint32_t colour, const char *meaning,
                    double percent)
{
    fprintf(svg->out,
            "<rect x=\"%.0f\" y=\"64\" width=\"11\" height=\"11\" fill=\"#%06" PRIx32 "\"/>"
            "<text x=\"%.0f\" y=\"74\">",
            x, colour, x + 16);
    svg_put_text(svg->out, meaning, LEGEND_NAME_MOST);
    if (percent >= 0)
        fprintf(svg->out, " %.1f%%", percent);
    fputs("</text>", svg->out);
}

/* The libraries, and what each allocates itself, as far as there is room. */
static void put_libraries(const struct svg *svg)
{
    double x = MARGIN + 13.5 * character_width;
    fprintf(svg->out, "<text x=\"%d\" y=\"74\">Allocated by</text>", MARGIN);
    for (size_t i = 0; i < svg->tree.library_count && i < COLOURS; i++) {
        const struct tree_library *library = svg->tree.libraries[i];
        const char *name = library->name[0] != '\0' ? library->name : "[no file]";
        double percent = share(svg, library->bytes), width = key_width(name, percent);
        if (x + width > WIDTH - MARGIN)
            break;
        put_key(svg, x, library_colour(library), name, percent);
        x += width;
    }
}

/* What the colours mean. */
static void put_legend(const struct svg *svg)
{
    fputs("<g class=\"note\">", svg->out);
    if (svg->tree.difference) {
        put_key(svg, MARGIN, grown, "grew", -1);
        put_key(svg, MARGIN + key_width("grew", -1), shrunk, "shrank", -1);
    } else {
        put_libraries(svg);
    }
    fputs("</g>\n", svg->out);
}

static void put_header(const struct svg *svg, const char *title)
{
    char interval[64];
    const struct tree_node *root = svg->tree.nodes[0];
    fprintf(svg->out, "<text class=\"title\" x=\"%d\" y=\"28\">", MARGIN);
    svg_put_text(svg->out, title, TITLE_MOST);
    fprintf(svg->out, "</text>\n<text class=\"note\" x=\"%d\" y=\"50\">", MARGIN);
    put_bytes(svg, root->total.bytes);
    fputs(svg->tree.difference ? ", " : " in ", svg->out);
    put_blocks(svg, root->total.blocks);
    if (svg->profile->interval_most > 1) {
        profile_format_interval(interval, sizeof interval, svg->profile);
        fprintf(svg->out, ". Estimated from samples, one per %s allocated", interval);
    }
    if (svg->profile->samples_dropped > 0)
        fprintf(svg->out, "; %" PRIu64 " sample%s dropped for lack of room", svg->profile->samples_dropped,
                svg->profile->samples_dropped == 1 ? " was" : "s were");
    fputs(".</text>\n", svg->out);
}

/* How deep the boxes go that are drawn, and how many are not. */
static void measure(struct svg *svg)
{
    for (struct tree_node *node = svg->tree.nodes[0]; node != NULL;
         node = profile_tree_next(node)) {
        if (node->width * svg->scale < narrowest)
            svg->left_out += node->width > 0;
        else if (node->depth > svg->depth)
            svg->depth = node->depth;
    }
}

static void put_page(struct svg *svg, const char *title)
{
    size_t height = TOP + (svg->depth + 1) * ROW + BOTTOM;
    fprintf(svg->out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" "
            "viewBox=\"0 0 %d %zu\">\n<title>",
            WIDTH, height, WIDTH, height);
    svg_put_text(svg->out, title, TITLE_MOST);
    fputs("</title>\n<style><![CDATA[\n", svg->out);
    put_rows(svg->out, profile_svg_css);
    fputs("]]></style>\n<rect id=\"page\" width=\"100%\" height=\"100%\"/>\n", svg->out);
    put_header(svg, title);
    if (svg->scale > 0) {
        put_legend(svg);
        put_boxes(svg);
    } else {
        fprintf(svg->out, "<text class=\"note\" x=\"%d\" y=\"%d\">No memory was sampled.</text>\n",
                MARGIN, TOP + ROW);
    }
    if (svg->left_out > 0 && svg->scale > 0)
        fprintf(
            svg->out,
            "<text class=\"note\" x=\"%d\" y=\"%zu\">Boxes narrower than %.1f pixels, not drawn: "
            "%zu</text>\n",
            MARGIN, height - 12, narrowest, svg->left_out);
    fputs("<script><![CDATA[\n", svg->out);
    put_rows(svg->out, profile_svg_js);
    fputs("]]></script>\n</svg>\n", svg->out);
}

bool profile_write_svg(FILE *out, const struct profile *profile, enum profile_view view,
                       const char *title)
{
    struct svg svg = {.out = out, .profile = profile, .view = view};
    bool good = profile_tree_build(&svg.tree, profile, view);
    if (good) {
        double width = svg.tree.nodes[0]->width;
        svg.scale = width > 0 ? INNER / width : 0;
        measure(&svg);
        put_page(&svg, title);
        good = !ferror(out);
    }
    int error = errno;
    profile_tree_free(&svg.tree);
    errno = error;
    return good;
}

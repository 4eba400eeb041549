/* SPDX-License-Identifier: MIT */
/*
 * A map of the heap of a process: what each part of its address space is used for, and how much of it is
 * resident.
 *
 *     parts ──► rows of a picture, each with boxes (map_rows.c) ──► SVG, or text for a terminal
 *       └─────► sums by use ──► the legend;  parts and sums ──► JSON
 */
#ifndef HAK_TOOLS_MAP_H
#define HAK_TOOLS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "reader/parts.h"
#include "reader/residency.h"
#include "slab/size_class.h"

/* ---- what is there ----------------------------------------------------- */

/* What a colour stands for: the size classes from 0 on, and these. */
enum map_key { MAP_STARTER = HAK_CLASS_STARTER, MAP_LARGE, MAP_HUGE, MAP_EMPTY, MAP_KEYS };

/* Bytes of address space: the first four are resident, and add up to all with the last. */
struct map_share {
    double allocated, cached, free, retained, absent;
};

struct map_part {
    struct reader_part part;
    uint64_t resident;
};

struct map_sum {
    uint64_t parts, blocks, cached, capacity;
    struct map_share share;
};

struct map {
    pid_t pid;
    char name[32];    /* of the process, printable */
    char version[24]; /* of its library */
    struct residency residency;
    uint64_t metadata; /* as the library counts it */
    struct reader_summary summary;
    uint64_t left_out; /* parts for which there was no room */
    struct map_sum sum[MAP_KEYS];
    struct map_share share; /* of all */
    size_t count;
    struct map_part parts[]; /* by rising address */
};

/* Reads the heap of a process, or from a file of hakmem snapshot or a core file; NULL after a message. */
struct map *map_read_process(pid_t pid);
struct map *map_read_snapshot(const char *path);
struct map *map_read_core(const char *path);
void map_free(struct map *map);

enum map_key map_key_of(const struct reader_part *part);
struct map_share map_share_of(const struct map_part *part);
/* Adds such a part of it, from 0 to 1. */
void map_share_add(struct map_share *share, const struct map_share *more, double part);
/* Of the address space. */
double map_share_bytes(const struct map_share *share);

/* What the RSS of the process is made of, by the rows of stat_parts.def; the parts add up to it. */
struct map_total {
    const char *name, *label;
    double bytes;
};
enum map_total_row { MAP_ALLOCATED, MAP_CACHED, MAP_FREE, MAP_RETAINED, MAP_NOT_DRAWN, MAP_TOTALS = 7 };
void map_totals(const struct map *map, struct map_total totals[MAP_TOTALS]);

/* ---- how it is laid out ------------------------------------------------ */

/* A run of address space that is drawn as a line of cells. */
struct map_row {
    uintptr_t start;
    size_t first, end; /* the parts that lie in it, if only partly */
    bool apart;        /* it does not go on where the row before ends */
    struct map_share share;
};

enum { MAP_ROWS_MOST = 80 };

struct map_grid {
    unsigned columns;    /* cells of a row, a power of two */
    unsigned shift;      /* log2 of the bytes of a cell, at least that of a granule */
    size_t count;
    struct map_row rows[MAP_ROWS_MOST];
};

/* The smallest cells with which the heap has no more rows than this. Huge blocks are not in it. */
void map_lay_out(const struct map *map, unsigned columns, size_t rows, struct map_grid *grid);

uint64_t map_row_bytes(const struct map_grid *grid);

/* A cell of a row, or a part of it, or a part that fills several cells. */
struct map_box {
    double from, to;    /* in cells of the row */
    enum map_key key;
    struct map_share share;
    const struct map_part *part; /* the only one in it, or NULL: */
    const struct map_sum *sums;  /* then of all that the cell has, by key */
};

typedef void map_visit_box(const struct map_box *box, void *context);

/*
 * The boxes of a row from the left to the right. Where cells are granules, a box is a part, unless each cell
 * is wanted; larger cells are cut into a box for each of the three uses that have most of it.
 */
void map_visit_row(const struct map *map, const struct map_grid *grid, const struct map_row *row, bool each_cell,
                   map_visit_box *visit, void *context);

/* The huge blocks, the largest first; how many there are. At most so many are stored. */
size_t map_find_huge(const struct map *map, const struct map_part **huge, size_t most);

/* ---- what is shown of it ----------------------------------------------- */

/* From dark to bright along with the size of blocks, in steps that all eyes tell apart. */
uint32_t map_colour(enum map_key key);
uint32_t map_mix(uint32_t from, uint32_t to, double part);

/* "1,024-byte blocks", and the like. */
void map_describe_key(char *text, size_t size, enum map_key key);
/* A number with a comma after each three digits. */
void map_format_count(char *text, size_t size, uint64_t count);
/* What is in a box: a line for each thing to say, of which the first is a heading. */
void map_describe_box(char *text, size_t size, const struct map_box *box);
void map_describe_part(char *text, size_t size, const struct map_part *part);
void map_describe_sum(char *text, size_t size, enum map_key key, const struct map_sum *sum);
enum { MAP_DESCRIPTION_MOST = 800 };

bool map_write_svg(FILE *out, const struct map *map);
bool map_write_json(FILE *out, const struct map *map);

struct map_text_options {
    unsigned width; /* of the terminal, in characters */
    bool utf8;
    enum { MAP_PLAIN, MAP_256_COLOURS, MAP_ALL_COLOURS } colours;
};
bool map_write_text(FILE *out, const struct map *map, const struct map_text_options *options);

#endif

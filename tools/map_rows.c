/* SPDX-License-Identifier: MIT */
/* Where the parts of a heap are drawn. */
#include <string.h>

#include "base/bits.h"
#include "base/params.h"
#include "map.h"

enum { BOXES_MOST = 3 }; /* of a cell that has several parts */

static uintptr_t end_of(const struct map_part *part)
{
    return part->part.start + (uintptr_t)part->part.bytes;
}

static unsigned row_shift(const struct map_grid *grid)
{
    return grid->shift + hak__lowest_bit(grid->columns);
}

uint64_t map_row_bytes(const struct map_grid *grid)
{
    return (uint64_t)1 << row_shift(grid);
}

/* ---- rows -------------------------------------------------------------- */

/* Whether a part makes its row worth drawing; others are drawn where there is a row anyway. */
static bool is_drawn(const struct map_part *part)
{
    return part->part.kind != READER_PART_HUGE &&
           (map_key_of(&part->part) != MAP_EMPTY || part->resident != 0);
}

/* Counts the rows, and notes where they start as far as there is room for them. */
static size_t count_rows(const struct map *map, struct map_grid *grid)
{
    unsigned shift = row_shift(grid);
    size_t count = 0;
    uintptr_t next = 0; /* the number of the first row that is not counted yet */
    for (size_t i = 0; i < map->count; i++) {
        if (!is_drawn(&map->parts[i]))
            continue;
        uintptr_t first = map->parts[i].part.start >> shift, last = (end_of(&map->parts[i]) - 1) >> shift;
        first = first < next ? next : first;
        for (; first <= last && count <= MAP_ROWS_MOST; first++, count++)
            if (count < MAP_ROWS_MOST)
                grid->rows[count] = (struct map_row){.start = first << shift};
        next = last + 1 > next ? last + 1 : next;
    }
    return count;
}

/* How much of a part lies in a range, from 0 to 1. */
static double part_within(const struct map_part *part, uintptr_t start, uintptr_t end)
{
    uintptr_t from = part->part.start > start ? part->part.start : start;
    uintptr_t to = end_of(part) < end ? end_of(part) : end;
    return to > from ? (double)(to - from) / (double)part->part.bytes : 0;
}

static void fill_row(const struct map *map, struct map_row *row, size_t from, uintptr_t end)
{
    while (from < map->count && end_of(&map->parts[from]) <= row->start)
        from++;
    row->first = row->end = from;
    for (; row->end < map->count && map->parts[row->end].part.start < end; row->end++) {
        const struct map_part *part = &map->parts[row->end];
        struct map_share share = map_share_of(part);
        if (part->part.kind != READER_PART_HUGE)
            map_share_add(&row->share, &share, part_within(part, row->start, end));
    }
}

void map_lay_out(const struct map *map, unsigned columns, size_t rows, struct map_grid *grid)
{
    *grid = (struct map_grid){.columns = columns, .shift = HAK_GRANULE_SHIFT};
    rows = rows < MAP_ROWS_MOST ? rows : MAP_ROWS_MOST;
    while ((grid->count = count_rows(map, grid)) > rows)
        grid->shift++;
    for (size_t i = 0; i < grid->count; i++) {
        struct map_row *row = &grid->rows[i];
        fill_row(map, row, i > 0 ? row[-1].first : 0, row->start + (uintptr_t)map_row_bytes(grid));
        row->apart = i > 0 && row[-1].start + map_row_bytes(grid) != row->start;
    }
}

/* ---- boxes ------------------------------------------------------------- */

static enum map_key largest(const struct map_sum *sums, const bool *taken)
{
    enum map_key key = MAP_KEYS;
    double most = 0;
    for (int i = 0; i < MAP_KEYS; i++)
        if (!taken[i] && map_share_bytes(&sums[i].share) > most) {
            most = map_share_bytes(&sums[i].share);
            key = (enum map_key)i;
        }
    return key;
}

/* One box for a cell, by the use that has most of it. */
static void visit_cell(struct map_box *box, map_visit_box *visit, void *context)
{
    bool none[MAP_KEYS] = {false};
    box->key = largest(box->sums, none);
    box->share = (struct map_share){0};
    for (int i = 0; i < MAP_KEYS; i++)
        map_share_add(&box->share, &box->sums[i].share, 1);
    visit(box, context);
}

/* A box for each of the uses that have most of a cell, side by side. */
static void visit_uses(struct map_box *box, double cell_bytes, map_visit_box *visit, void *context)
{
    bool taken[MAP_KEYS] = {false};
    double all = 0, shown = 0;
    for (int i = 0; i < MAP_KEYS; i++)
        all += map_share_bytes(&box->sums[i].share);
    for (int i = 0; i < BOXES_MOST; i++) {
        enum map_key key = largest(box->sums, taken);
        if (key == MAP_KEYS)
            break;
        taken[key] = true;
        shown += map_share_bytes(&box->sums[key].share);
    }
    for (int i = 0; i < MAP_KEYS; i++) {
        if (!taken[i])
            continue;
        box->key = (enum map_key)i;
        box->share = box->sums[i].share;
        box->to = box->from + map_share_bytes(&box->share) / shown * all / cell_bytes;
        visit(box, context);
        box->from = box->to;
    }
}

static void visit_cells(const struct map *map, const struct map_grid *grid, const struct map_row *row, bool each_cell,
                        map_visit_box *visit, void *context)
{
    static struct map_sum sums[MAP_KEYS];
    size_t first = row->first;
    const uintptr_t cell_bytes = (uintptr_t)1 << grid->shift;
    for (unsigned cell = 0; cell < grid->columns; cell++) {
        uintptr_t start = row->start + cell * cell_bytes, end = start + cell_bytes;
        struct map_box box = {.from = cell, .to = cell + 1, .sums = sums};
        size_t parts = 0;
        memset(sums, 0, sizeof sums);
        while (first < row->end && end_of(&map->parts[first]) <= start)
            first++;
        for (size_t i = first; i < row->end && map->parts[i].part.start < end; i++) {
            const struct map_part *part = &map->parts[i];
            struct map_sum *sum = &sums[map_key_of(&part->part)];
            struct map_share share = map_share_of(part);
            if (part->part.kind == READER_PART_HUGE)
                continue;
            box.part = ++parts == 1 ? part : NULL;
            sum->parts++;
            map_share_add(&sum->share, &share, part_within(part, start, end));
        }
        if (parts > 0 && each_cell)
            visit_cell(&box, visit, context);
        else if (parts > 0)
            visit_uses(&box, (double)cell_bytes, visit, context);
    }
}

void map_visit_row(const struct map *map, const struct map_grid *grid, const struct map_row *row, bool each_cell,
                   map_visit_box *visit, void *context)
{
    uintptr_t end = row->start + (uintptr_t)map_row_bytes(grid);
    double cell_bytes = (double)((uint64_t)1 << grid->shift);
    if (each_cell || grid->shift > HAK_GRANULE_SHIFT) {
        visit_cells(map, grid, row, each_cell, visit, context);
        return;
    }
    for (size_t i = row->first; i < row->end; i++) {
        const struct map_part *part = &map->parts[i];
        if (part->part.kind == READER_PART_HUGE)
            continue;
        struct map_box box = {.key = map_key_of(&part->part), .part = part};
        struct map_share share = map_share_of(part);
        double before = part->part.start > row->start ? (double)(part->part.start - row->start) : 0;
        double within = part_within(part, row->start, end);
        box.from = before / cell_bytes;
        box.to = box.from + within * (double)part->part.bytes / cell_bytes;
        map_share_add(&box.share, &share, within);
        visit(&box, context);
    }
}

size_t map_find_huge(const struct map *map, const struct map_part **huge, size_t most)
{
    size_t count = 0;
    for (size_t i = 0; i < map->count; i++) {
        const struct map_part *part = &map->parts[i];
        if (part->part.kind != READER_PART_HUGE)
            continue;
        size_t place = count < most ? count : most;
        count++;
        for (; place > 0 && huge[place - 1]->part.bytes < part->part.bytes; place--)
            if (place < most)
                huge[place] = huge[place - 1];
        if (place < most)
            huge[place] = part;
    }
    return count;
}

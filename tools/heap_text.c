/* SPDX-License-Identifier: MIT */
/* The blocks of a process, as text for people and as JSON. */
#define _GNU_SOURCE
#include "config.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"
#include "json_text.h"
#include "number_text.h"

/* ---- parts ------------------------------------------------------------- */

static double share(uint64_t part, uint64_t whole)
{
    return whole != 0 ? 100 * (double)part / (double)whole : 0;
}

static void write_size(char *text, size_t size, const struct heap_row *row)
{
    if (row->size == row->size_to) {
        snprintf(text, size, "%" PRIu64, row->size);
        return;
    }
    snprintf(text, size, "%s to %s", number_bytes((double)row->size).text, number_bytes((double)row->size_to + 1).text);
}

static void write_label(FILE *out, const struct heap_row *row)
{
    char text[80];
    if (row->type != NULL) {
        fprintf(out, "%s\n", row->type);
    } else {
        write_size(text, sizeof text, row);
        fprintf(out, "%s\n", text);
    }
}

static struct heap_sum sum_of(const struct heap_row *rows, size_t count)
{
    struct heap_sum sum = {0, 0};
    for (size_t i = 0; i < count; i++) {
        sum.blocks += rows[i].sum.blocks;
        sum.bytes += rows[i].sum.bytes;
    }
    return sum;
}

/* ---- text -------------------------------------------------------------- */

static void write_row(FILE *out, struct heap_sum sum, uint64_t whole)
{
    fprintf(out, "  %12" PRIu64 " %12s %7.1f %% %10" PRIu64 "  ", sum.blocks, number_bytes((double)sum.bytes).text,
            share(sum.bytes, whole), sum.blocks != 0 ? sum.bytes / sum.blocks : 0);
}

static void write_rows(FILE *out, const struct heap *heap, const struct heap_row *rows, size_t count,
                       size_t most, const char *heading)
{
    size_t shown = most != 0 && count > most ? most : count;
    fprintf(out, "\n  %12s %12s %9s %10s  %s\n", "blocks", "bytes", "share", "average", heading);
    for (size_t i = 0; i < shown; i++) {
        write_row(out, rows[i].sum, heap->live.bytes);
        write_label(out, &rows[i]);
    }
    if (shown < count) {
        write_row(out, sum_of(rows + shown, count - shown), heap->live.bytes);
        fprintf(out, "(%zu more type%s; --rows=0 shows all)\n", count - shown, number_s(count - shown));
    }
}

static void write_head(FILE *out, const struct heap *heap)
{
    if (heap->pid != 0)
        fprintf(out, "%s (process %d), libhakmem %s\n", heap->name, (int)heap->pid, heap->version);
    else
        fprintf(out, "%s, libhakmem %s\n", heap->name, heap->version);
    fprintf(out, "%" PRIu64 " block%s in use, %s; %" PRIu64 " free block%s, %s\n",
            heap->live.blocks, number_s(heap->live.blocks), number_bytes((double)heap->live.bytes).text, heap->free.blocks,
            number_s(heap->free.blocks), number_bytes((double)heap->free.bytes).text);
    if (heap->stopped > 0)
        fprintf(out, "The process was stopped for %.1f ms.\n", 1000 * heap->stopped);
    if (!heap->summary.has_marks)
        fprintf(out, "The library was built without checks: some free blocks may be counted as in use.\n");
    if (heap->summary.passed_over != 0)
        fprintf(out, "Records left out because they changed or contradict others: %" PRIu64 ".\n",
                heap->summary.passed_over);
}

static struct heap_sum untyped(const struct heap *heap)
{
    struct heap_sum typed = sum_of(heap->types, heap->type_count);
    return (struct heap_sum){heap->live.blocks - typed.blocks, heap->live.bytes - typed.bytes};
}

void heap_write_text(FILE *out, const struct heap *heap, size_t rows_most)
{
    write_head(out, heap);
    if (heap->type_count > 0) {
        write_rows(out, heap, heap->types, heap->type_count, rows_most, "C++ type");
        write_row(out, untyped(heap), heap->live.bytes);
        fprintf(out, "(no type known)\n");
    }
    write_rows(out, heap, heap->sizes, heap->size_count, 0, "block size");
}

/* ---- differences ------------------------------------------------------- */

struct change {
    const struct heap_row *row; /* of either */
    int64_t blocks, bytes;
    uint64_t now;               /* bytes */
};

static uint64_t magnitude(int64_t number)
{
    return number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
}

static int by_magnitude(const void *a, const void *b)
{
    const struct change *one = a, *other = b;
    uint64_t size = magnitude(one->bytes), other_size = magnitude(other->bytes);
    return size > other_size ? -1 : size < other_size;
}

static int by_label(const void *a, const void *b)
{
    const struct change *one = a, *other = b;
    if (one->row->type != NULL)
        return strcmp(one->row->type, other->row->type);
    return one->row->size < other->row->size ? -1 : one->row->size > other->row->size;
}

static void add_changes(struct change *changes, size_t *count, const struct heap_row *rows,
                        size_t row_count, bool new)
{
    for (size_t i = 0; i < row_count; i++) {
        int64_t blocks = (int64_t)rows[i].sum.blocks, bytes = (int64_t)rows[i].sum.bytes;
        changes[(*count)++] = (struct change){.row = &rows[i],
                                              .blocks = new ? blocks : 0 - blocks,
                                              .bytes = new ? bytes : 0 - bytes,
                                              .now = new ? rows[i].sum.bytes : 0};
    }
}

/* What changed, the largest first; to be freed. */
static struct change *changes_of(const struct heap_row *new, size_t new_count, const struct heap_row *old,
                                 size_t old_count, size_t *count)
{
    size_t added = 0, kept = 0;
    struct change *changes = calloc(new_count + old_count + 1, sizeof *changes);
    *count = 0;
    if (changes == NULL)
        return NULL;
    add_changes(changes, &added, new, new_count, true);
    add_changes(changes, &added, old, old_count, false);
    qsort(changes, added, sizeof *changes, by_label);
    for (size_t i = 0; i < added; i++) {
        if (kept == 0 || by_label(&changes[kept - 1], &changes[i]) != 0) {
            changes[kept++] = changes[i];
            continue;
        }
        changes[kept - 1].blocks += changes[i].blocks;
        changes[kept - 1].bytes += changes[i].bytes;
        changes[kept - 1].now += changes[i].now;
    }
    for (size_t i = 0; i < kept; i++)
        if (changes[i].blocks != 0 || changes[i].bytes != 0)
            changes[(*count)++] = changes[i];
    qsort(changes, *count, sizeof *changes, by_magnitude);
    return changes;
}

static void write_changes(FILE *out, const struct change *changes, size_t count, size_t most,
                          const char *heading)
{
    size_t shown = most != 0 && count > most ? most : count;
    if (count == 0)
        return;
    fprintf(out, "\n  %12s %12s %12s  %s\n", "blocks", "bytes", "bytes now", heading);
    for (size_t i = 0; i < shown; i++) {
        fprintf(out, "  %+12" PRId64 " %12s %12s  ", changes[i].blocks, number_bytes_change((double)changes[i].bytes).text,
                number_bytes((double)changes[i].now).text);
        write_label(out, changes[i].row);
    }
    if (shown < count)
        fprintf(out, "  (%zu more; --rows=0 shows all)\n", count - shown);
}

static void write_change(FILE *out, const struct heap *new, const struct heap *old)
{
    int64_t blocks = (int64_t)(new->live.blocks - old->live.blocks);
    fprintf(out, "%+" PRId64 " block%s in use, %s\n", blocks, number_s(magnitude(blocks)),
            number_bytes_change((double)(int64_t)(new->live.bytes - old->live.bytes)).text);
}

/* So that the rows add up to the change of all. */
static void write_untyped_change(FILE *out, const struct heap *new, const struct heap *old)
{
    struct heap_sum now = untyped(new), before = untyped(old);
    fprintf(out, "  %+12" PRId64 " %12s %12s  (no type known)\n", (int64_t)(now.blocks - before.blocks),
            number_bytes_change((double)(int64_t)(now.bytes - before.bytes)).text, number_bytes((double)now.bytes).text);
}

void heap_write_difference(FILE *out, const struct heap *new, const struct heap *old, size_t rows_most)
{
    size_t types, sizes;
    struct change *by_type = changes_of(new->types, new->type_count, old->types, old->type_count, &types);
    struct change *by_size = changes_of(new->sizes, new->size_count, old->sizes, old->size_count, &sizes);
    fprintf(out, "Before: ");
    write_head(out, old);
    fprintf(out, "Now: ");
    write_head(out, new);
    write_change(out, new, old);
    write_changes(out, by_type, types, rows_most, "C++ type");
    if (types > 0)
        write_untyped_change(out, new, old);
    write_changes(out, by_size, sizes, 0, "block size");
    free(by_type);
    free(by_size);
}

/* ---- JSON -------------------------------------------------------------- */

static void write_json_label(FILE *out, const struct heap_row *row)
{
    if (row->type != NULL) {
        putc('{', out);
        json_member(out, "type", row->type);
    } else {
        fprintf(out, "{\"size\":%" PRIu64 ",\"size_to\":%" PRIu64, row->size, row->size_to);
    }
}

static void write_json_rows(FILE *out, const char *name, const struct heap_row *rows, size_t count)
{
    fprintf(out, ",\n \"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "%s\n  ", i > 0 ? "," : "");
        write_json_label(out, &rows[i]);
        fprintf(out, ",\"blocks\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", rows[i].sum.blocks, rows[i].sum.bytes);
    }
    fprintf(out, "]");
}

static void write_json_head(FILE *out, const struct heap *heap)
{
    fprintf(out, "{\"schema\":1,");
    json_member(out, "program", heap->name);
    fprintf(out, ",\"pid\":%d,", (int)heap->pid);
    json_member(out, "version", heap->version);
    fprintf(out, ",\"blocks\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"free_blocks\":%" PRIu64 ",\"free_bytes\":%" PRIu64
            ",\n \"stopped_ms\":%.3f,\"left_out\":%" PRIu64,
            heap->live.blocks, heap->live.bytes, heap->free.blocks, heap->free.bytes, 1000 * heap->stopped,
            heap->summary.passed_over);
}

void heap_write_json(FILE *out, const struct heap *heap)
{
    write_json_head(out, heap);
    write_json_rows(out, "types", heap->types, heap->type_count);
    write_json_rows(out, "sizes", heap->sizes, heap->size_count);
    fprintf(out, "}\n");
}

static void write_json_changes(FILE *out, const char *name, const struct change *changes, size_t count)
{
    fprintf(out, ",\n \"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "%s\n  ", i > 0 ? "," : "");
        write_json_label(out, changes[i].row);
        fprintf(out, ",\"blocks\":%" PRId64 ",\"bytes\":%" PRId64 "}", changes[i].blocks, changes[i].bytes);
    }
    fprintf(out, "]");
}

void heap_write_difference_json(FILE *out, const struct heap *new, const struct heap *old)
{
    size_t types, sizes;
    struct change *by_type = changes_of(new->types, new->type_count, old->types, old->type_count, &types);
    struct change *by_size = changes_of(new->sizes, new->size_count, old->sizes, old->size_count, &sizes);
    fprintf(out, "{\"schema\":1,\"old\":\n");
    write_json_head(out, old);
    fprintf(out, "},\n\"new\":\n");
    write_json_head(out, new);
    fprintf(out, "}");
    write_json_changes(out, "types", by_type, types);
    write_json_changes(out, "sizes", by_size, sizes);
    fprintf(out, "}\n");
    free(by_type);
    free(by_size);
}

/* ---- blocks ------------------------------------------------------------ */

static void write_dump(FILE *out, const struct heap_block *block)
{
    enum { LINE = 16 };
    for (size_t at = 0; at < block->content_size; at += LINE) {
        size_t length = block->content_size - at < LINE ? block->content_size - at : LINE;
        fprintf(out, "  %016" PRIx64 " ", block->address + at);
        for (size_t i = 0; i < LINE; i++)
            if (i < length)
                fprintf(out, " %02x", block->content[at + i]);
            else
                fputs("   ", out);
        fputs("  |", out);
        for (size_t i = 0; i < length; i++)
            fputc(block->content[at + i] >= ' ' && block->content[at + i] < 0x7f ? block->content[at + i] : '.',
                  out);
        fputs("|\n", out);
    }
}

static bool is_wanted(const struct heap *heap, const struct heap_block *block, const char *type,
                      const char **own)
{
    *own = heap_type_of(heap, block->word);
    return type == NULL || (*own != NULL && (strcmp(type, *own) == 0 || fnmatch(type, *own, 0) == 0));
}

uint64_t heap_write_blocks(FILE *out, const struct heap *heap, const char *type, size_t most)
{
    uint64_t found = 0;
    for (const struct heap_list *list = heap->first; list != NULL; list = list->next)
        for (size_t i = 0; i < list->count; i++) {
            const struct heap_block *block = &list->block[i];
            const char *own;
            if (!is_wanted(heap, block, type, &own))
                continue;
            if (++found > most && most != 0)
                continue;
            fprintf(out, "0x%" PRIx64 " %10" PRIu64 "  %s\n", block->address, block->size, own != NULL ? own : "-");
            write_dump(out, block);
        }
    if (found > most && most != 0)
        fprintf(out, "(%" PRIu64 " more block%s; --rows=0 shows all)\n", found - most, number_s(found - most));
    return found;
}

static void write_json_block(FILE *out, const struct heap_block *block, const char *type)
{
    fprintf(out, "{\"address\":%" PRIu64 ",\"size\":%" PRIu64, block->address, block->size);
    if (type != NULL) {
        putc(',', out);
        json_member(out, "type", type);
    }
    if (block->content != NULL) {
        fprintf(out, ",\"content\":\"");
        for (size_t i = 0; i < block->content_size; i++)
            fprintf(out, "%02x", block->content[i]);
        fprintf(out, "\"");
    }
    fprintf(out, "}");
}

uint64_t heap_write_blocks_json(FILE *out, const struct heap *heap, const char *type)
{
    uint64_t found = 0;
    write_json_head(out, heap);
    fprintf(out, ",\n \"list\":[");
    for (const struct heap_list *list = heap->first; list != NULL; list = list->next)
        for (size_t i = 0; i < list->count; i++) {
            const char *own;
            if (!is_wanted(heap, &list->block[i], type, &own))
                continue;
            fprintf(out, "%s\n  ", found++ > 0 ? "," : "");
            write_json_block(out, &list->block[i], own);
        }
    fprintf(out, "]}\n");
    return found;
}

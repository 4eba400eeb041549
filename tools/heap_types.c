/* SPDX-License-Identifier: MIT */
/* Which words are those of virtual tables, and the tables of types and sizes. */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "heap.h"

/* ---- names ------------------------------------------------------------- */

const char *heap_type_of(const struct heap *heap, uint64_t word)
{
    if (heap->word_room == 0 || word == 0)
        return NULL;
    size_t at = (size_t)(word * 0x9e3779b97f4a7c15u >> 24) & (heap->word_room - 1);
    while (heap->words[at].word != 0 && heap->words[at].word != word)
        at = (at + 1) & (heap->word_room - 1);
    return heap->words[at].type;
}

/* ---- tables ------------------------------------------------------------ */

static int by_type(const void *a, const void *b)
{
    const struct heap_row *one = a, *other = b;
    return strcmp(one->type, other->type);
}

static int by_bytes(const void *a, const void *b)
{
    const struct heap_row *one = a, *other = b;
    if (one->sum.bytes != other->sum.bytes)
        return one->sum.bytes > other->sum.bytes ? -1 : 1;
    if (one->type != NULL && other->type != NULL)
        return strcmp(one->type, other->type);
    return one->size < other->size ? -1 : one->size > other->size;
}

/* Types with the same name are one: a class in several libraries has a table in each. */
static void join_types(struct heap *heap)
{
    size_t kept = 0;
    if (heap->type_count > 0)
        qsort(heap->types, heap->type_count, sizeof *heap->types, by_type);
    for (size_t i = 0; i < heap->type_count; i++) {
        if (kept > 0 && strcmp(heap->types[kept - 1].type, heap->types[i].type) == 0) {
            heap->types[kept - 1].sum.blocks += heap->types[i].sum.blocks;
            heap->types[kept - 1].sum.bytes += heap->types[i].sum.bytes;
        } else {
            heap->types[kept++] = heap->types[i];
        }
    }
    heap->type_count = kept;
    if (kept > 0)
        qsort(heap->types, kept, sizeof *heap->types, by_bytes);
}

static bool make_types(struct heap *heap)
{
    size_t count = 0;
    uint64_t *words = profile_room(heap->profile, heap->word_count + 1, sizeof *words);
    const char **types = profile_room(heap->profile, heap->word_count + 1, sizeof *types);
    heap->types = profile_room(heap->profile, heap->word_count + 1, sizeof *heap->types);
    if (words == NULL || types == NULL || heap->types == NULL)
        return false;
    for (size_t i = 0; i < heap->word_room; i++)
        if (heap->words[i].word != 0)
            words[count++] = heap->words[i].word;
    profile_name_types(heap->profile, words, count, types);
    count = 0;
    for (size_t i = 0; i < heap->word_room; i++) {
        struct heap_word *word = &heap->words[i];
        word->type = word->word != 0 ? types[count++] : NULL;
        if (word->type != NULL)
            heap->types[heap->type_count++] = (struct heap_row){.type = word->type, .sum = word->sum};
    }
    join_types(heap);
    return true;
}

static bool make_sizes(struct heap *heap)
{
    heap->sizes = profile_room(heap->profile, HEAP_SIZES, sizeof *heap->sizes);
    if (heap->sizes == NULL)
        return false;
    for (unsigned i = 0; i < HEAP_SIZES; i++) {
        struct heap_row *row = &heap->sizes[heap->size_count];
        if (heap->size[i].blocks == 0)
            continue;
        row->sum = heap->size[i];
        row->size = i < HAK_CLASS_COUNT ? hak__class_size(i) : (uint64_t)1 << (i - HAK_CLASS_COUNT);
        row->size_to = i < HAK_CLASS_COUNT ? row->size : 2 * row->size - 1;
        heap->size_count++;
    }
    return true;
}

bool heap_find_types(struct heap *heap)
{
    if (!profile_drop_rights(heap->pid))
        return false;
    if (make_types(heap) && make_sizes(heap))
        return true;
    command_error("%s", strerror(ENOMEM));
    return false;
}

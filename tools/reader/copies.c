/* SPDX-License-Identifier: MIT */
#include "reader/copies.h"

#include <stdlib.h>

#include "base/params.h"

/* Reading a slab takes as long as reading so many of its blocks, each by itself. */
enum { LINE = HAK_GRANULE, TIMES = 8 };

bool copies_make(struct copies *copies, const struct remote_memory *memory, size_t lines)
{
    *copies = (struct copies){.memory = memory, .lines = lines};
    copies->line = calloc(lines, sizeof *copies->line);
    copies->room = malloc(lines * LINE);
    copies->buffer = malloc(COPIES_MOST);
    return copies->line != NULL && copies->room != NULL && copies->buffer != NULL;
}

void copies_free(struct copies *copies)
{
    free(copies->line);
    free(copies->room);
    free(copies->buffer);
    *copies = (struct copies){0};
}

static size_t line_of(const struct copies *copies, uintptr_t address)
{
    return address / LINE & (copies->lines - 1);
}

const unsigned char *copies_find(const struct copies *copies, uintptr_t start, uintptr_t end)
{
    size_t i = line_of(copies, start);
    if (start >= copies->start && end <= copies->end)
        return copies->buffer + (start - copies->start);
    if (start >= copies->line[i].start && end <= copies->line[i].end)
        return copies->room + i * LINE + (start - copies->line[i].start);
    return NULL;
}

const unsigned char *copies_read(struct copies *copies, uintptr_t start, uintptr_t end)
{
    const unsigned char *found = copies_find(copies, start, end);
    if (found != NULL)
        return found;
    copies->start = copies->end = 0;
    if (end - start > COPIES_MOST || !remote_read(copies->memory, start, copies->buffer, end - start))
        return NULL;
    copies->bytes += end - start;
    copies->start = start;
    copies->end = end;
    return copies->buffer;
}

/* A slab that is larger than a granule has large blocks: nothing is gained by lines for them. */
static bool has_line(uintptr_t slab, uintptr_t end)
{
    return slab % LINE == 0 && end - slab <= LINE;
}

const unsigned char *copies_keep(struct copies *copies, uintptr_t start, uintptr_t end)
{
    const unsigned char *found = copies_find(copies, start, end);
    size_t i = line_of(copies, start);
    if (found != NULL)
        return found;
    if (!has_line(start, end))
        return copies_read(copies, start, end);
    copies->line[i] = (struct copies_line){0};
    if (!remote_read(copies->memory, start, copies->room + i * LINE, end - start))
        return NULL;
    copies->bytes += end - start;
    copies->line[i].start = start;
    copies->line[i].end = end;
    return copies->room + i * LINE;
}

const unsigned char *copies_read_block(struct copies *copies, uintptr_t start, uintptr_t end, uintptr_t slab,
                                       uintptr_t slab_end)
{
    const unsigned char *found = copies_find(copies, start, end);
    struct copies_line *line = &copies->line[line_of(copies, slab)];
    if (found != NULL)
        return found;
    if (has_line(slab, slab_end)) {
        line->times = line->asked == slab ? line->times + 1 : 1;
        line->asked = slab;
        if (line->times >= TIMES && copies_keep(copies, slab, slab_end) != NULL)
            return copies_find(copies, start, end);
    }
    return copies_read(copies, start, end);
}

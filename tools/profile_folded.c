/* SPDX-License-Identifier: MIT */
/* Folded stacks, which flamegraph.pl, speedscope and others read: one line for each stack. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile.h"

struct folded {
    char *stack;
    double old, new; /* bytes */
};

/* Blanks may stand in a name, semicolons not. */
static void write_name(FILE *stream, const char *name)
{
    for (; *name != '\0'; name++)
        putc(*name == ';' ? ':' : *name, stream);
}

/* The names of a stack, the outermost first; to be freed. */
static char *fold(const struct profile *profile, const struct profile_entry *entry)
{
    const struct profile_line *lines[PROFILE_LINES_MOST];
    char *text = NULL;
    size_t length, count = profile_lines(profile, entry, lines, PROFILE_LINES_MOST);
    FILE *stream = open_memstream(&text, &length);
    if (stream == NULL)
        return NULL;
    for (size_t i = count; i-- > 0;) {
        write_name(stream, lines[i]->function);
        if (i > 0)
            putc(';', stream);
    }
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

static int by_stack(const void *a, const void *b)
{
    const struct folded *one = a, *other = b;
    return strcmp(one->stack, other->stack);
}

/* Adds up what has the same stack, which stands together; returns how many stacks remain. */
static size_t merge(struct folded *folded, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && strcmp(folded[kept - 1].stack, folded[i].stack) == 0) {
            folded[kept - 1].old += folded[i].old;
            folded[kept - 1].new += folded[i].new;
            free(folded[i].stack);
        } else {
            folded[kept++] = folded[i];
        }
    }
    return kept;
}

bool profile_write_folded(FILE *out, const struct profile *profile, enum profile_view view)
{
    struct folded *folded = calloc(profile->entry_count + 1, sizeof *folded);
    size_t count = 0;
    bool good = folded != NULL;
    for (size_t i = 0; good && i < profile->entry_count; i++) {
        double bytes = profile->entries[i].sum[view].bytes;
        if (bytes > -0.5 && bytes < 0.5)
            continue;
        folded[count] = (struct folded){.stack = fold(profile, &profile->entries[i])};
        good = folded[count].stack != NULL;
        if (bytes < 0)
            folded[count].old = -bytes;
        else
            folded[count].new = bytes;
        count += good;
    }
    if (good)
        qsort(folded, count, sizeof *folded, by_stack);
    count = good ? merge(folded, count) : count;
    for (size_t i = 0; i < count; i++) {
        if (good && profile->is_difference)
            fprintf(out, "%s %.0f %.0f\n", folded[i].stack, folded[i].old, folded[i].new);
        else if (good)
            fprintf(out, "%s %.0f\n", folded[i].stack, folded[i].new);
        free(folded[i].stack);
    }
    free(folded);
    return good && !ferror(out);
}

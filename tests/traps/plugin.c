/* SPDX-License-Identifier: MIT */
/* A plugin that allocates through libc, and frees what its host gives it. */
#define _GNU_SOURCE
#include "plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What asprintf and strdup return is libc's affair; free is looked up in the plugin's scope. */
static int round_trip(void)
{
    char *printed = NULL;
    if (asprintf(&printed, "%0200d", 7) != 200)
        return 1;
    char *copied = strdup(printed);
    if (copied == NULL || strcmp(copied, printed) != 0)
        return 1;
    free(printed);
    copied = realloc(copied, 5000);
    copied[4999] = 1;
    free(copied);
    return 0;
}

static int read_lines(void)
{
    char *line = NULL;
    size_t capacity = 0;
    FILE *file = fmemopen((char[]){"one\ntwo\n"}, 8, "r");
    if (file == NULL)
        return 1;
    int lines = 0;
    while (getline(&line, &capacity, file) > 0)
        lines++;
    fclose(file);
    free(line);
    return lines != 2;
}

static void *make(size_t size)
{
    return malloc(size);
}

static void *grow(void *block, size_t size)
{
    return realloc(block, size);
}

static void drop(void *block)
{
    free(block);
}

const struct plugin plugin = {round_trip, read_lines, make, grow, drop};

/* SPDX-License-Identifier: MIT */
/*
 * A plugin that allocates through libc, and frees what its host gives it. It has a function whose
 * name is one of the host, and so has the library that it needs.
 */
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

static char *print(int value)
{
    char *text = NULL;
    return asprintf(&text, "%020d", value) == 20 ? text : NULL;
}

static char *copy(const char *text)
{
    return strdup(text);
}

static char *read_line(const char *text)
{
    char *line = NULL;
    size_t capacity = 0;
    FILE *file = fmemopen((char *)text, strlen(text), "r");
    if (file != NULL && getline(&line, &capacity, file) < 0)
        line = NULL;
    if (file != NULL)
        fclose(file);
    return line;
}

int codec_of_plugin(void)
{
    return 2;
}

static int symbol(void)
{
    return codec_of_plugin();
}

static int needed(void)
{
    return codec_of_library();
}

struct plugin plugin = {
    .round_trip = round_trip,
    .read_lines = read_lines,
    .make = make,
    .grow = grow,
    .drop = drop,
    .symbol = symbol,
    .needed = needed,
    .print = print,
    .copy = copy,
    .read = read_line,
};

static __attribute__((constructor)) void start(void)
{
    plugin.made[0] = malloc(16);
    plugin.made[1] = malloc(1 << 20);
}

/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "top_detail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stat_text.h"
#include "threads_text.h"

/* How sections begin; of hakmem stat's text the words that it begins with. */
static const char *const starts[TOP_SECTIONS] = {"  RSS is made of", "      size    slabs",
                                                 "  Code that allocated the memory in use:", "  Threads:"};

/* ---- lines ------------------------------------------------------------- */

bool top_lines_split(struct top_lines *lines, char *text)
{
    size_t count = 0;
    *lines = (struct top_lines){.text = text};
    for (const char *at = text; at != NULL && *at != '\0'; at++)
        count += *at == '\n';
    lines->lines = text != NULL ? calloc(count + 1, sizeof *lines->lines) : NULL;
    if (lines->lines == NULL) {
        free(text);
        lines->text = NULL;
        return false;
    }
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        for (int i = 0; i < TOP_SECTIONS; i++)
            if (lines->section[i] == 0 && strncmp(line, starts[i], strlen(starts[i])) == 0)
                lines->section[i] = lines->count;
        lines->lines[lines->count++] = line;
    }
    return true;
}

void top_lines_free(struct top_lines *lines)
{
    free(lines->text);
    free(lines->lines);
    *lines = (struct top_lines){0};
}

/* ---- one process ------------------------------------------------------- */

bool top_detail_has_profile(const struct top_process *of)
{
    return of->process->profiler.is_on || of->process->profiler.allocated != 0;
}

static void write_sites(FILE *out, const struct top_process *of, const char *sites)
{
    const struct process *process = of->process;
    fprintf(out, "\n%s\n", starts[TOP_SECTION_SITES]);
    if (!top_detail_has_profile(of)) {
        fprintf(out, "  The profiler is off. Switch it on with: hakmem profile --start %d\n", (int)of->pid);
        return;
    }
    if (!process->profiler.is_on)
        fputs("  The profiler is off: blocks allocated since it was stopped are missing.\n", out);
    if (sites == NULL)
        fputs("  Reading the profile ...\n", out);
    else
        fputs(*sites != '\0' ? sites : "  No sampled block is in use.\n", out);
}

/* They are read from the next look on. */
static void write_threads(FILE *out, const struct process *process)
{
    fputs("\n", out);
    if (process->threads != NULL)
        threads_write_text(out, process->threads);
    else
        fprintf(out, "%s\n  Reading the threads ...\n", starts[TOP_SECTION_THREADS]);
}

bool top_detail_make(struct top_lines *lines, const struct top_process *of, const char *sites)
{
    char *text = NULL;
    size_t size = 0;
    double seconds = of->before != 0 ? of->when - of->before : 0;
    const struct stat_text_options options = {.seconds = seconds};
    FILE *out = open_memstream(&text, &size);
    *lines = (struct top_lines){0};
    if (out == NULL)
        return false;
    stat_text_process(out, of->process, &options);
    write_sites(out, of, sites);
    write_threads(out, of->process);
    if (fclose(out) != 0) {
        free(text);
        return false;
    }
    return top_lines_split(lines, text);
}

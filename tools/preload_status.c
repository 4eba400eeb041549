/* SPDX-License-Identifier: MIT */
#include "preload_actions.h"

#include <stdio.h>
#include <stdlib.h>

#include "child.h"
#include "command.h"
#include "preload_file.h"
#include "preload_text.h"

/* What status returns for its three answers. */
enum { STATUS_ENABLED = 0, STATUS_NOT_ENABLED = 1, STATUS_TROUBLE = 2 };

/* Prints the names that are read, ours apart; false without memory. */
static bool print_names(const struct preload_text *text, const char *other)
{
    char *bytes = preload_text_read(text, PRELOAD_BY_GLIBC);
    if (bytes == NULL)
        return false;
    struct preload_name name = {0, 0};
    while (preload_next_name(bytes, text->size, &name))
        printf("%s %.*s\n",
               preload_is_ours(bytes + name.start, name.length, other) ? "entry:  " : "other:  ",
               (int)name.length, bytes + name.start);
    free(bytes);
    return true;
}

/* The loader is asked what a new program has, and one is run. */
static int judge_entries(const struct preload_options *options)
{
    static const char *const shell[] = {"sh", "-c", "exit 0", NULL};
    struct child_request request = {
        .argv = shell, .root = options->root, .limit_ms = options->trial.limit_ms};
    struct child_result result;
    struct trial_probe probe;
    char end[128];

    trial_probe(&options->trial, NULL, options->library, &probe);
    if (probe.verdict != TRIAL_PASSED) {
        printf("enabled: %s: %s\n", probe.verdict == TRIAL_REFUSED ? "error" : "unknown",
               probe.reason);
        return STATUS_TROUBLE;
    }
    printf("library: %s\n", probe.path);
    if (!child_run(&request, &result))
        return STATUS_TROUBLE;
    bool runs = result.end == CHILD_EXITED && result.number == 0;
    child_describe(&result, end, sizeof end);
    child_free(&result);
    if (runs)
        printf("enabled: yes\n");
    else
        printf("enabled: error: sh: %s\n", end);
    return runs ? STATUS_ENABLED : STATUS_TROUBLE;
}

int preload_status(const struct preload_options *options)
{
    struct preload_file file;
    struct preload_text text;
    struct preload_name name;
    bool exists;
    if (!preload_file_locate(&file, options->root))
        return STATUS_TROUBLE;
    int status = STATUS_TROUBLE;
    if (preload_file_read(&file, &text, &exists)) {
        printf("file:    %s%s\n", file.shown, exists ? "" : " (does not exist)");
        int ours = preload_count_ours(&text, PRELOAD_BY_GLIBC, options->library, &name);
        if (ours >= 0 && print_names(&text, options->library) && preload_file_is_text(&file, &text)) {
            preload_file_warn_of_misread(&file, &text);
            if (ours > 0)
                status = judge_entries(options);
            else
                status = printf("enabled: no\n") > 0 ? STATUS_NOT_ENABLED : STATUS_TROUBLE;
        }
        free(text.bytes);
    }
    preload_file_close(&file);
    return status;
}

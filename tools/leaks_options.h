/* SPDX-License-Identifier: MIT */
/* What hakmem leaks and hakmem run --leaks have in common: which leaks are shown, and how. */
#ifndef HAK_TOOLS_LEAKS_OPTIONS_H
#define HAK_TOOLS_LEAKS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "leaks.h"

struct suppressions;

struct leaks_options {
    struct leaks_request request;
    const char *suppressions_file; /* or NULL */
    struct suppressions *suppressions;
    size_t rows; /* 0: all */
    bool json;
};

enum { LEAKS_ROWS = 30 };

/* What the options stand for whose letters the two do not have in common; no characters. */
enum { LEAKS_OPTION_FIRST = 0x1000, LEAKS_BLOCKS = LEAKS_OPTION_FIRST, LEAKS_DUMP, LEAKS_SUPPRESSIONS, LEAKS_OPTION_ROWS };

/* Takes one of them; false after a message. */
bool leaks_take_option(struct leaks_options *options, int option, const char *argument);

/* Reads the file of suppressions if there is one; false after a message. */
bool leaks_read_suppressions(struct leaks_options *options);

/* Writes what was found; -1 after a message, 1 if there are leaks, else 0. */
int leaks_show(FILE *out, struct leaks *leaks, const struct leaks_options *options);

#endif

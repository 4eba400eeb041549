/* SPDX-License-Identifier: MIT */
/* What hakmem preload does, given its options. Each action returns the exit status. */
#ifndef HAK_TOOLS_PRELOAD_ACTIONS_H
#define HAK_TOOLS_PRELOAD_ACTIONS_H

#include <stdbool.h>

#include "library.h"
#include "trial.h"

struct preload_options {
    const char *root;    /* NULL: "/" */
    const char *library; /* NULL: the installed one */
    struct trial trial;
    enum hak_variant variant;
    bool canary, no_check, all;
};

/* Runs programs with the library and without. */
int preload_check(const struct preload_options *options);
/* Adds the library to the file that the loader reads, after a check. */
int preload_enable(const struct preload_options *options);
/* Whether the library is listed, and whether it is loaded. */
int preload_status(const struct preload_options *options);

#endif

/* SPDX-License-Identifier: MIT */
/* A program that is searched for leaks when it ends. */
#ifndef HAK_TOOLS_RUN_LEAKS_H
#define HAK_TOOLS_RUN_LEAKS_H

#include <stdbool.h>

struct leaks_options;

/*
 * Returns twice: false in a child process, which goes on as the program that is searched, and true when that
 * has ended, with the exit status: 1 when it leaks, 125 after a message when it could not be searched, else its own.
 */
bool run_leaks(const struct leaks_options *options, int *status);

#endif

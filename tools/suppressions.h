/* SPDX-License-Identifier: MIT */
/*
 * A file that says which leaks are known:
 *
 *     # a comment
 *     {
 *         a name
 *         type: std::map<*>
 *         size: 32-64
 *         stack: load_plugins*
 *     }
 *
 * All rules of a suppression must match. Patterns are those of fnmatch(3).
 */
#ifndef HAK_TOOLS_SUPPRESSIONS_H
#define HAK_TOOLS_SUPPRESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct suppressions;

/* What is to be suppressed, or not. */
struct suppressions_leak {
    const char *type; /* NULL: none */
    uint64_t size;
    const char *const *functions; /* of the call stack */
    size_t function_count;
};

/* Reads a file; NULL after a message that names file and line. */
struct suppressions *suppressions_read(const char *path);
void suppressions_free(struct suppressions *suppressions);

/* Whether one of them matches; it is used then. */
bool suppressions_match(struct suppressions *suppressions, const struct suppressions_leak *leak);


/* The name of an unused one, from a number on, which then is behind it; NULL: there are no more. */
const char *suppressions_unused(const struct suppressions *suppressions, size_t *number);

#endif

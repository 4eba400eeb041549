/* SPDX-License-Identifier: MIT */
/*
 * Programs of named cases: `program CASE [ARGUMENT]` runs one, so that a script can show which of
 * them an allocator survives. The script has the time limit; it kills children that hang as well.
 */
#ifndef HAK_TESTS_CASES_H
#define HAK_TESTS_CASES_H

#include <string.h>

#include "../preload/test.h"

struct test_case {
    const char *name;
    void (*function)(void);
};

/* Writes to every byte, as a block's owner would. */
static inline char *filled(size_t size)
{
    char *block = opaque(malloc(size));
    REQUIRE(block != NULL);
    memset(block, (int)(size & 127), size);
    return block;
}

static inline int run_case(const struct test_case *cases, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (name != NULL && strcmp(cases[i].name, name) == 0) {
            cases[i].function();
            return 0;
        }
    fprintf(stderr, "no case '%s'\n", name != NULL ? name : "");
    return 2;
}

#define RUN_CASE(cases, name) run_case(cases, sizeof(cases) / sizeof *(cases), name)

#endif

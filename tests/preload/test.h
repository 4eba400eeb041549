/* SPDX-License-Identifier: MIT */
/* For programs that run under the preloaded library. */
#ifndef HAK_TESTS_TEST_H
#define HAK_TESTS_TEST_H

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* Keeps the compiler from knowing what allocation functions return. */
static inline void *opaque(void *pointer)
{
    __asm__ volatile("" : "+r"(pointer)::"memory");
    return pointer;
}

#endif

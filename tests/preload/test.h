/* SPDX-License-Identifier: MIT */
/* For programs that run under the preloaded library. */
#ifndef HAK_TESTS_TEST_H
#define HAK_TESTS_TEST_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* A block of the size that was written to and freed. */
static inline void *freed(size_t size)
{
    void *block = opaque(malloc(size));
    memset(block, 1, size);
    free(block);
    return block;
}

/* VmHWM:, VmRSS: or another field of this process in KiB, read without allocating. */
static inline long status_field(const char *field)
{
    char text[8192];
    int file = open("/proc/self/status", O_RDONLY);
    REQUIRE(file >= 0);
    ssize_t length = read(file, text, sizeof text - 1);
    REQUIRE(length > 0);
    close(file);
    text[length] = '\0';
    const char *found = strstr(text, field);
    REQUIRE(found != NULL);
    return atol(found + strlen(field));
}

#endif

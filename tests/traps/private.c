/* SPDX-License-Identifier: MIT */
/*
 * A program with a malloc of its own, which knows its blocks by where they are and ends with 3 when
 * it gets others. What it does not define comes from the library in front of libc, and meets its
 * blocks: malloc_usable_size, strdup, stdio, and in C++ the operators (see private.cc).
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

enum { SIZE = 16 << 20, HEADER = 16 };

static _Alignas(16) char memory[SIZE];
static size_t used;

bool is_private(const void *block)
{
    return (uintptr_t)block - (uintptr_t)memory < SIZE;
}

static void *take(size_t size, size_t alignment)
{
    size_t at = used + HEADER;
    at = (at + alignment - 1) & ~(alignment - 1);
    if (size > SIZE || at > SIZE - size)
        return NULL;
    used = (at + size + 15) & ~(size_t)15;
    memcpy(memory + at - sizeof size, &size, sizeof size);
    return memory + at;
}

static void end_if_not_mine(const void *block)
{
    static const char text[] = "the program's malloc gets a block of others\n";
    if (block != NULL && !is_private(block))
        _exit(write(1, text, sizeof text - 1) > 0 ? 3 : 4);
}

void *malloc(size_t size)
{
    return take(size, HEADER);
}

void free(void *block)
{
    end_if_not_mine(block);
}

void *calloc(size_t count, size_t size)
{
    void *block = take(count * size, HEADER);
    return block != NULL ? memset(block, 0, count * size) : NULL;
}

void *realloc(void *block, size_t size)
{
    end_if_not_mine(block);
    size_t before = 0;
    if (block != NULL)
        memcpy(&before, (char *)block - sizeof before, sizeof before);
    void *moved = take(size, HEADER);
    if (moved != NULL && block != NULL)
        memcpy(moved, block, before < size ? before : size);
    return moved;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return take(size, alignment < HEADER ? HEADER : alignment);
}

static bool in_c(void)
{
    char *block = malloc(100);
    char *text = strdup("a text");
    char *printed = NULL;
    bool right = is_private(block) && is_private(text) && asprintf(&printed, "%d", 42) == 2 &&
                 is_private(printed) && malloc_usable_size(block) == 0;
    free(block);
    free(text);
    free(printed);
    return right;
}

int main(void)
{
    return in_c() && in_cxx() ? 0 : 1;
}

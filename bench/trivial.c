/* SPDX-License-Identifier: MIT */
/*
 * libtrivial: the yardstick of bench/scaling. A malloc in which threads share
 * nothing at all: each has lists of free blocks by size and takes fresh memory
 * from a mapping of its own; a freed block stays with the thread that freed it,
 * nothing is ever given back, nothing checked. What threads lose on it they lose
 * to the machine.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define EXPORT __attribute__((visibility("default")))

enum { UNIT = 16, LISTS = 4096, CHUNK = 1 << 20 };

struct header {
    size_t units; /* of the block behind it, itself not counted */
    struct header *next;
};

_Static_assert(sizeof(struct header) == UNIT, "a header is one unit");

static __thread struct {
    struct header *free[LISTS];
    struct header *at, *end; /* fresh memory in units, each as large as a header */
} own __attribute__((tls_model("initial-exec")));

static struct header *fresh(size_t units)
{
    size_t bytes = (units + 1) * UNIT;
    if ((size_t)(own.end - own.at) <= units) {
        size_t size = bytes > CHUNK ? bytes : CHUNK;
        void *chunk = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (chunk == MAP_FAILED)
            return NULL;
        own.at = chunk;
        own.end = own.at + size / UNIT;
    }
    struct header *header = own.at;
    own.at += units + 1;
    header->units = units;
    return header;
}

EXPORT void *malloc(size_t size)
{
    size_t units = (size + UNIT - 1) / UNIT;
    struct header *header = units < LISTS ? own.free[units] : NULL;
    if (header != NULL)
        own.free[units] = header->next;
    else if (size > PTRDIFF_MAX || (header = fresh(units)) == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    return header + 1;
}

EXPORT void free(void *block)
{
    if (block == NULL)
        return;
    struct header *header = (struct header *)block - 1;
    if (header->units < LISTS) {
        header->next = own.free[header->units];
        own.free[header->units] = header;
    }
}

EXPORT void *calloc(size_t count, size_t size)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = malloc(bytes);
    return block != NULL ? memset(block, 0, bytes) : NULL;
}

EXPORT void *realloc(void *block, size_t size)
{
    void *moved = malloc(size);
    if (block == NULL || moved == NULL)
        return moved;
    size_t held = ((struct header *)block - 1)->units * UNIT;
    memcpy(moved, block, held < size ? held : size);
    free(block);
    return moved;
}

/* SPDX-License-Identifier: MIT */
/*
 * Libraries that must not get under every program, by a macro:
 *   IN_CONSTRUCTOR   crashes when it is loaded
 *   NO_MEMORY        malloc gives NULL
 *   MISALIGNED       blocks lie 8 bytes beside 16
 *   ONE_PROGRAM      crashes in the program of that name
 *   MORE_RIGHTS      crashes in set-user-ID programs
 *   MISSING_SYMBOL   cannot be loaded
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

/* By this and its soname hakmem preload takes it for the library, or it would not be tried. */
static const struct {
    unsigned name_size, size, type;
    char name[8];
    int distance;
} note __attribute__((used, aligned(4), section(".note.hakmem"))) = {7, 4, 1, "hakmem", 0};

#ifdef MISSING_SYMBOL
extern void nobody_has_this(void);
#endif

__attribute__((constructor)) static void start(void)
{
#ifdef IN_CONSTRUCTOR
    raise(SIGSEGV);
#endif
#ifdef ONE_PROGRAM
    if (strcmp(program_invocation_short_name, ONE_PROGRAM) == 0)
        raise(SIGSEGV);
#endif
#ifdef MORE_RIGHTS
    if (getauxval(AT_SECURE) != 0)
        raise(SIGSEGV);
#endif
#ifdef MISSING_SYMBOL
    nobody_has_this();
#endif
}

#ifdef NO_MEMORY
void *malloc(size_t size)
{
    (void)size;
    errno = ENOMEM;
    return NULL;
}
#endif

#ifdef MISALIGNED
/* Never gives anything back; a block's size lies in front of it. */
static char *next, *end;

void *malloc(size_t size)
{
    size_t whole = (size + 32) & ~(size_t)15;
    if (size > PTRDIFF_MAX / 2)
        return NULL;
    if (next == NULL || (size_t)(end - next) < whole) {
        size_t length = whole > (64u << 20) ? whole : 64u << 20;
        next = mmap(NULL, length, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (next == MAP_FAILED)
            return next = NULL;
        end = next + length;
    }
    char *block = next + 8;
    next += whole;
    memcpy(block - sizeof size, &size, sizeof size);
    return block;
}

void free(void *block)
{
    (void)block;
}

void *calloc(size_t count, size_t size)
{
    return malloc(count * size);
}

void *realloc(void *block, size_t size)
{
    size_t old = 0;
    void *larger = malloc(size);
    if (block != NULL)
        memcpy(&old, (char *)block - sizeof old, sizeof old);
    if (larger != NULL && block != NULL)
        memcpy(larger, block, old < size ? old : size);
    return larger;
}
#endif

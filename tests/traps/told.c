/* SPDX-License-Identifier: MIT */
/*
 * A program with its own munmap, madvise, mremap and mmap, as libraries have that register memory
 * with a device: it notes what goes, and allocates and frees while it is told.
 *
 *   noted       all memory that goes has been noted
 *   allocating  the functions use every kind of block; nothing is lost, nothing handed out twice
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "cases.h"

enum { NOTES = 8192, MIB = 1 << 20 };

static struct {
    uintptr_t at;
    size_t size;
} notes[NOTES];
static int noted;
static bool allocating;
static long told;
static __thread bool inside;

static void use_some(void)
{
    static const size_t sizes[] = {24, 200, 3000, 20000, 60000, 100000, 700000, 3 * MIB, 40 * MIB};
    static __thread char *held[9];
    __atomic_fetch_add(&told, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 9; i++) {
        if (held[i] != NULL)
            REQUIRE(held[i][0] == i && held[i][sizes[i] - 1] == i);
        free(held[i]);
        held[i] = opaque(malloc(sizes[i]));
        if (held[i] != NULL)
            held[i][0] = held[i][sizes[i] - 1] = (char)i;
    }
}

static void note(void *at, size_t size)
{
    int number = __atomic_fetch_add(&noted, 1, __ATOMIC_RELAXED);
    if (number < NOTES) {
        notes[number].at = (uintptr_t)at;
        notes[number].size = size;
    }
    if (!allocating || inside)
        return;
    inside = true;
    use_some();
    inside = false;
    errno = EDOM; /* the library keeps the program's */
}

int munmap(void *at, size_t size)
{
    note(at, size);
    return (int)syscall(SYS_munmap, at, size);
}

int madvise(void *at, size_t size, int advice)
{
    if (advice == MADV_DONTNEED)
        note(at, size);
    return (int)syscall(SYS_madvise, at, size, advice);
}

void *mremap(void *at, size_t size, size_t new_size, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    void *to = va_arg(list, void *);
    va_end(list);
    note(at, size);
    return (void *)syscall(SYS_mremap, at, size, new_size, flags, to);
}

void *mmap(void *at, size_t size, int protection, int flags, int file, off_t offset)
{
    if ((flags & MAP_FIXED) != 0)
        note(at, size);
    return (void *)syscall(SYS_mmap, at, size, protection, flags, file, offset);
}

/* Whether every page that went since the notes began is in one of them. */
static void require_noted(const char *block, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (uintptr_t at = ((uintptr_t)block + page) & ~(page - 1); at < (uintptr_t)block + size - page; at += page) {
        unsigned char resident = 0;
        bool gone = mincore((void *)at, 1, &resident) != 0 || (resident & 1) == 0, found = false;
        for (int i = 0; gone && !found && i < noted; i++)
            found = at - notes[i].at < notes[i].size;
        REQUIRE(!gone || found);
    }
}

static void case_noted(void)
{
    static const size_t sizes[] = {100 << 10, MIB, 3 * MIB, 8 * MIB, 31 * MIB, 64 * MIB, 200 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *block = filled(sizes[i]);
        noted = 0;
        free(block);
        malloc_trim(0);
        REQUIRE(noted > 0);
        require_noted(block, sizes[i]);
    }
    char *block = filled(40 * MIB);
    noted = 0;
    char *moved = realloc(block, 300 * MIB);
    REQUIRE(moved == block || noted > 0);
    if (moved != block)
        require_noted(block, 40 * MIB);
    noted = 0;
    char *less = realloc(moved, 5 * MIB);
    require_noted(moved + (less == moved ? 6 * MIB : 0), 40 * MIB);
    free(less);
    enum { SMALL = 20000, SIZE = 2000 };
    static char *small[SMALL];
    for (int i = 0; i < SMALL; i++)
        small[i] = filled(SIZE);
    noted = 0;
    for (int i = 0; i < SMALL; i++)
        free(small[i]);
    malloc_trim(0);
    REQUIRE(noted > 0 && noted < NOTES);
    require_noted(small[SMALL / 3], SIZE * 10);
}

static unsigned next(unsigned *state)
{
    return *state = *state * 1664525u + 1013904223u, *state >> 8;
}

static void *churn(void *number)
{
    enum { SLOTS = 150, ROUNDS = 4000 };
    static const size_t largest[] = {100, 2000, 30000, 65536, 300000, 4 * MIB};
    static __thread char *slot[SLOTS];
    static __thread size_t size[SLOTS];
    unsigned state = (unsigned)(size_t)number;
    for (int i = 0; i < ROUNDS; i++) {
        unsigned at = next(&state) % SLOTS;
        if (slot[at] != NULL)
            REQUIRE(slot[at][0] == (char)at && slot[at][size[at] - 1] == (char)at);
        errno = ERANGE;
        free(slot[at]);
        REQUIRE(errno == ERANGE);
        size[at] = 1 + next(&state) % largest[next(&state) % (i % 16 == 0 ? 6 : 4)];
        slot[at] = opaque(malloc(size[at]));
        REQUIRE(slot[at] != NULL && errno == ERANGE);
        slot[at][0] = slot[at][size[at] - 1] = (char)at;
        if (i % 200 == 0)
            malloc_trim(0);
    }
    for (int i = 0; i < SLOTS; i++)
        free(slot[i]);
    return NULL;
}

static void case_allocating(void)
{
    pthread_t thread[3];
    allocating = true;
    for (size_t i = 0; i < 3; i++)
        REQUIRE(pthread_create(&thread[i], NULL, churn, (void *)(i + 1)) == 0);
    churn((void *)7);
    for (int i = 0; i < 3; i++)
        REQUIRE(pthread_join(thread[i], NULL) == 0);
    printf("told %ld times\n", told);
    REQUIRE(told > 100);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"noted", case_noted},
        {"allocating", case_allocating},
    };
    return RUN_CASE(cases, argc > 1 ? argv[1] : NULL);
}

/* SPDX-License-Identifier: MIT */
/* wrong NAME: makes one error, which a checker of memory errors reports and nothing else. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#ifdef TEST_LIBC_NAMES
#include <stdlib.h>
#define hak_malloc malloc
#define hak_realloc realloc
#define hak_aligned_alloc aligned_alloc
#define hak_free free
#else
#include <hakmem/hakmem.h>
#endif

enum { SMALL = 13, LARGE = 200000, HUGE = 40000000 };

/* What the compiler cannot see through. */
static char *volatile block;
static volatile char byte;

static void use_after_free(size_t size)
{
    block = hak_malloc(size);
    char *freed = block;
    hak_free(block);
    byte = freed[size / 2];
}

static void overrun(size_t size)
{
    block = hak_malloc(size);
    block[size] = 1;
    hak_free(block);
}

static void free_small(void)
{
    use_after_free(SMALL);
}

static void free_large(void)
{
    use_after_free(LARGE);
}

static void overrun_small(void)
{
    overrun(SMALL);
}

static void overrun_large(void)
{
    overrun(LARGE);
}

static void overrun_huge(void)
{
    overrun(HUGE);
}

static void overrun_aligned(void)
{
    block = hak_aligned_alloc(256, 1000);
    block[1000] = 1;
    hak_free(block);
}

static void uninitialised(void)
{
    block = hak_malloc(SMALL);
    if (block[3] == 'x')
        puts("x");
    hak_free(block);
}

/* What realloc has kept is known, what is new is not. */
static void uninitialised_grown(void)
{
    block = hak_malloc(SMALL);
    memset(block, 'a', SMALL);
    block = hak_realloc(block, SMALL + 2);
    if (block[SMALL - 1] != 'a')
        puts("lost");
    if (block[SMALL] == 'x')
        puts("x");
    hak_free(block);
}

static void moved(void)
{
    block = hak_malloc(LARGE);
    char *old = block;
    block = hak_realloc(block, 2 * LARGE);
    old[0] = 1;
    hak_free(block);
}

static void *free_it(void *unused)
{
    hak_free(block);
    return unused;
}

static void free_elsewhere(void)
{
    block = hak_malloc(SMALL);
    char *freed = block;
    pthread_t thread;
    pthread_create(&thread, NULL, free_it, NULL);
    pthread_join(thread, NULL);
    byte = freed[1];
}

static void twice(void)
{
    block = hak_malloc(SMALL);
    char *freed = block;
    hak_free(block);
    hak_free(freed);
}

/* Blocks of which several share a slab, and the records of the library point to the first. */
static __attribute__((noinline)) void lose(size_t size)
{
    block = hak_malloc(size);
    memset(block, 1, size);
    block = NULL;
}

static void leak_small(void)
{
    lose(SMALL);
}

static void leak_large(void)
{
    lose(LARGE);
}

#define CASE(name) {#name, name}
static const struct {
    const char *name;
    void (*function)(void);
} cases[] = {
    CASE(free_small),   CASE(free_large),      CASE(overrun_small), CASE(overrun_large),
    CASE(overrun_huge), CASE(overrun_aligned), CASE(uninitialised), CASE(uninitialised_grown),
    CASE(moved),        CASE(free_elsewhere),  CASE(twice),         CASE(leak_small),
    CASE(leak_large)};

/* Deep enough that what a case has left on the stack and in registers is gone. */
static __attribute__((noinline)) void clear_stack(void)
{
    volatile char bytes[8192];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = 0;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof cases / sizeof *cases; i++)
        if (strcmp(cases[i].name, argv[1]) == 0) {
            cases[i].function();
            clear_stack();
            return 0;
        }
    return 2;
}

/* SPDX-License-Identifier: MIT */
/*
 * Hands a pointer that malloc never returned to one of its functions, as foreign KIND CALL.
 * KIND libc is a block of libc's own allocator in its heap, which is to be served; libc-mapped and
 * libc-thread are its blocks elsewhere, which are not known, and the others are mistakes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "../preload/test.h"

extern void *__libc_malloc(size_t size);

static char in_data[64] __attribute__((aligned(16)));

static void *make_libc(void *size)
{
    return __libc_malloc((uintptr_t)size);
}

/* In the arena of another thread. */
static void *make_in_thread(void)
{
    pthread_t thread;
    void *block = NULL;
    REQUIRE(make_libc((void *)200) != NULL); /* or the thread would be the first, and have the heap */
    REQUIRE(pthread_create(&thread, NULL, make_libc, (void *)200) == 0);
    REQUIRE(pthread_join(thread, &block) == 0 && block != NULL);
    return block;
}

static void *make(const char *kind, char *on_stack)
{
    char *block = opaque(malloc(1000));
    char *large = opaque(malloc(400000));
    REQUIRE(block != NULL && large != NULL);
    if (strcmp(kind, "stack") == 0)
        return on_stack;
    if (strcmp(kind, "static") == 0)
        return in_data;
    if (strcmp(kind, "code") == 0)
        return (void *)((uintptr_t)make & ~(uintptr_t)15);
    if (strcmp(kind, "interior") == 0)
        return block + 32;
    if (strcmp(kind, "large-interior") == 0)
        return large + 131072;
    if (strcmp(kind, "misaligned") == 0)
        return block + 1;
    if (strcmp(kind, "null-page") == 0)
        return (void *)16;
    if (strcmp(kind, "beyond") == 0)
        return (void *)(UINTPTR_MAX & ~(uintptr_t)15);
    if (strcmp(kind, "mapped") == 0 || strcmp(kind, "unmapped") == 0) {
        char *page = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(page != MAP_FAILED);
        if (kind[0] == 'u')
            REQUIRE(munmap(page, 65536) == 0);
        return page + 16;
    }
    if (strcmp(kind, "libc-mapped") == 0)
        return memset(make_libc((void *)(1 << 20)), 7, 1 << 20);
    if (strcmp(kind, "libc-thread") == 0)
        return memset(make_in_thread(), 7, 200);
    REQUIRE(strcmp(kind, "libc") == 0);
    return memset(__libc_malloc(200), 7, 200);
}

int main(int count, char **arguments)
{
    char on_stack[64] __attribute__((aligned(16)));
    REQUIRE(count == 3);
    void *block = opaque(make(arguments[1], opaque(on_stack)));
    if (strcmp(arguments[2], "free") == 0) {
        free(block);
    } else if (strcmp(arguments[2], "realloc") == 0) {
        char *moved = opaque(realloc(block, 100000));
        for (int i = 0; i < 200; i++)
            REQUIRE(moved[i] == 7);
        memset(moved, 1, 100000);
        free(moved);
    } else {
        REQUIRE(malloc_usable_size(block) >= 200);
        free(block);
    }
    return 0;
}

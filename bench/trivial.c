/* SPDX-License-Identifier: MIT */
/*
 * libtrivial: the yardstick of bench/scaling, and for blocks that stay with their thread
 * about the limit of speed. A malloc in which threads share nothing at all: each has lists
 * of free blocks by size and takes fresh memory from mappings of its own. A freed block
 * stays with the thread that freed it and is lost with it; nothing is ever given back,
 * split or merged, nothing checked. What threads lose on it they lose to the machine.
 *
 *     header  block                 header   padding   header  aligned block
 *     units   16 * units bytes      units    …         0, to the one before
 *
 * Blocks below 64 KiB have exactly their size in units, larger ones a power of two.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define EXPORT __attribute__((visibility("default")))

enum { UNIT = 16, EXACT = 4096, LISTS = EXACT + 64, CHUNK = 1 << 16, PAGE = 4096 };
enum { FROM_CHUNK = CHUNK / 8 }; /* the largest block in a chunk, with its header */

struct header {
    _Alignas(UNIT) size_t units; /* of the block behind it, itself not counted; 0 before an aligned block */
    union {
        struct header *next;  /* in the list of free blocks */
        struct header *start; /* of the block in which an aligned one lies */
    };
};

_Static_assert(sizeof(struct header) == UNIT, "a header is one unit");

static __thread struct {
    struct header *free[LISTS];
    struct header *at, *end; /* fresh memory in units, each as large as a header */
} own __attribute__((tls_model("initial-exec")));

static struct header **list_of(size_t units)
{
    return &own.free[units < EXACT ? units : EXACT + 63 - (size_t)__builtin_clzll(units)];
}

static struct header *header_of(void *block)
{
    struct header *header = (struct header *)block - 1;
    return header->units != 0 ? header : header->start;
}

static void *mapping(size_t size, int flags)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
    return memory != MAP_FAILED ? memory : NULL;
}

/*
 * A small block is cut from a chunk whose pages are there at once, since faults cost more;
 * a larger one has a mapping, whose pages come when they are touched.
 */
static __attribute__((noinline)) void *fresh(size_t units)
{
    size_t bytes = (units + 1) * UNIT;
    struct header *header;
    if (bytes > FROM_CHUNK) {
        header = mapping(bytes, 0);
    } else {
        if ((size_t)(own.end - own.at) <= units) {
            own.at = mapping(CHUNK, MAP_POPULATE);
            own.end = own.at != NULL ? own.at + CHUNK / UNIT : NULL;
        }
        header = own.at;
        own.at += header != NULL ? units + 1 : 0;
    }
    if (header == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    header->units = units;
    return header + 1;
}

static inline void *take(struct header **list, size_t units)
{
    struct header *header = *list;
    if (header == NULL)
        return fresh(units);
    *list = header->next;
    return header + 1;
}

static __attribute__((noinline)) void *malloc_large(size_t units)
{
    if (units > PTRDIFF_MAX / UNIT) {
        errno = ENOMEM;
        return NULL;
    }
    units = (size_t)2 << (63 - __builtin_clzl(units - 1));
    return take(list_of(units), units);
}

EXPORT void *malloc(size_t size)
{
    size_t units = (size - (size > 0)) / UNIT + 1;
    if (units >= EXACT)
        return malloc_large(units);
    return take(&own.free[units], units);
}

EXPORT void free(void *block)
{
    if (block == NULL)
        return;
    struct header *header = header_of(block), **list = list_of(header->units);
    header->next = *list;
    *list = header;
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

EXPORT size_t malloc_usable_size(void *block)
{
    if (block == NULL)
        return 0;
    struct header *header = header_of(block);
    return (size_t)((char *)(header + 1 + header->units) - (char *)block);
}

EXPORT void *realloc(void *block, size_t size)
{
    size_t held = malloc_usable_size(block);
    if (block != NULL && size <= held && size > 0)
        return block;
    void *moved = malloc(size);
    if (block == NULL || moved == NULL)
        return moved;
    memcpy(moved, block, held < size ? held : size);
    free(block);
    return moved;
}

EXPORT void *memalign(size_t alignment, size_t size)
{
    if (alignment <= UNIT)
        return malloc(size);
    char *block = malloc(size + (size <= PTRDIFF_MAX ? alignment : 0));
    size_t padding = -(uintptr_t)block & (alignment - 1);
    if (block == NULL || padding == 0)
        return block;
    struct header *header = (struct header *)(void *)(block + padding);
    header[-1] = (struct header){.units = 0, .start = (struct header *)(void *)block - 1};
    return header;
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

EXPORT int posix_memalign(void **place, size_t alignment, size_t size)
{
    void *block = memalign(alignment, size);
    if (block == NULL)
        return ENOMEM;
    *place = block;
    return 0;
}

EXPORT void *valloc(size_t size)
{
    return memalign(PAGE, size);
}

EXPORT void *pvalloc(size_t size)
{
    return memalign(PAGE, (size + PAGE - 1) & ~(size_t)(PAGE - 1));
}

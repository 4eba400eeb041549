/* SPDX-License-Identifier: MIT */
/*
 * Another allocator in place of this one: for blocks that libc allocated itself, and for all blocks
 * of a program that is not to be served (HAKMEM_DISABLE, exclude, a sanitizer).
 *
 * All functions go to one allocator: the one that the program would have without this library.
 * That is the program's own, if it sees a malloc other than ours, else the next in the search
 * order, which may be a library's, a sanitizer's or libc's. A function is taken from it only if it
 * lies in the same object as its malloc: an allocator that has no memalign must not be given blocks
 * of libc's. What it lacks is served here, as are the blocks that were allocated before it was
 * found.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/params.h"
#include "core/disabled.h"
#include "front/front.h"
#include "page/huge.h"

/* Exported by the GNU C library for this purpose; absent elsewhere. */
extern void *__libc_malloc(size_t size) __attribute__((weak));
extern void *__libc_calloc(size_t count, size_t size) __attribute__((weak));
extern void *__libc_realloc(void *block, size_t size) __attribute__((weak));
extern void *__libc_memalign(size_t alignment, size_t size) __attribute__((weak));
extern void __libc_free(void *block) __attribute__((weak));

/* The last three may be NULL. */
struct functions {
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t count, size_t size);
    void *(*realloc)(void *block, size_t size);
    void (*free)(void *block);
    void *(*memalign)(size_t alignment, size_t size);
    int (*posix_memalign)(void **out, size_t alignment, size_t size);
    size_t (*usable_size)(void *block);
};

/* Written once, before hak__disabled is set with release. */
static struct functions other;

bool hak__libc_has_malloc(void)
{
    return __libc_malloc != NULL;
}

void *hak__libc_realloc(void *block, size_t size)
{
    return __libc_realloc != NULL ? __libc_realloc(block, size) : NULL;
}

void hak__libc_free(void *block)
{
    if (__libc_free != NULL)
        __libc_free(block);
}

/* There is no __libc_ name for it; the word in front of a block has been the same since 1997. */
size_t hak__libc_usable_size(const void *block)
{
    enum { FLAGS = 7, MAPPED = 2 };
    size_t word = ((const size_t *)block)[-1];
    size_t header = (word & MAPPED) != 0 ? 2 * sizeof word : sizeof word;
    return (word & ~(size_t)FLAGS) - header;
}

/* The object that holds a function, or NULL. */
static void *object_of(void *function)
{
    Dl_info info;
    void *map = NULL; /* not asked for; but this is the function that others here need, too */
    return function != NULL && dladdr1(function, &info, &map, RTLD_DL_LINKMAP) != 0 ? info.dli_fbase : NULL;
}

/* The function of that name, if it is in the object. */
static void *find(void *where, const char *name, void *object)
{
    void *function = dlsym(where, name);
    return object_of(function) == object ? function : NULL;
}

static bool take_functions(void *where)
{
    void *function = dlsym(where, "malloc");
    void *object = object_of(function);
    if (object == NULL)
        return false;
    struct functions found = {
        .malloc = (__typeof__(found.malloc))function,
        .calloc = (__typeof__(found.calloc))find(where, "calloc", object),
        .realloc = (__typeof__(found.realloc))find(where, "realloc", object),
        .free = (__typeof__(found.free))find(where, "free", object),
        .memalign = (__typeof__(found.memalign))find(where, "memalign", object),
        .posix_memalign = (__typeof__(found.posix_memalign))find(where, "posix_memalign", object),
        .usable_size = (__typeof__(found.usable_size))find(where, "malloc_usable_size", object),
    };
    if (found.memalign == NULL)
        found.memalign = (__typeof__(found.memalign))find(where, "aligned_alloc", object);
    if (found.calloc == NULL || found.realloc == NULL || found.free == NULL)
        return false;
    other = found;
    return true;
}

/* Asked before anything is passed on: what is allocated here comes from this library. */
bool hak__malloc_is_ours(void)
{
    void *block = malloc(1);
    hak_opaque(block);
    bool ours = hak__owns(block);
    free(block);
    return ours;
}

bool hak__other_find(bool always)
{
    bool ours = hak__malloc_is_ours();
    if (ours && !always)
        return false;
    if (take_functions(ours ? RTLD_NEXT : RTLD_DEFAULT) || !always)
        return other.malloc != NULL;
    other = (struct functions){
        __libc_malloc, __libc_calloc, __libc_realloc, __libc_free, __libc_memalign, NULL, NULL};
    other.usable_size = (__typeof__(other.usable_size))find(RTLD_NEXT, "malloc_usable_size",
                                                            object_of((void *)__libc_malloc));
    return true;
}

/* Not all allocators set it. */
static void *checked(void *block)
{
    if (block == NULL)
        errno = ENOMEM;
    return block;
}

void *hak__other_malloc(size_t size)
{
    void *block = NULL;
    do {
        block = other.malloc(size);
    } while (block == NULL && hak__oom_retry(size));
    return checked(block);
}

void *hak__other_calloc(size_t count, size_t size)
{
    void *block = NULL;
    do {
        block = other.calloc(count, size);
    } while (block == NULL && hak__oom_retry(count * size));
    return checked(block);
}

void *hak__other_realloc(void *block, size_t size)
{
    if (size == 0) {
        other.free(block);
        return NULL;
    }
    void *moved = NULL;
    do {
        moved = other.realloc(block, size);
    } while (moved == NULL && hak__oom_retry(size));
    return checked(moved);
}

bool hak__other_has_aligned(size_t alignment)
{
    return alignment <= HAK_ALIGNMENT || other.memalign != NULL || other.posix_memalign != NULL;
}

static void *aligned_once(size_t alignment, size_t size)
{
    void *block = NULL;
    if (other.posix_memalign == NULL)
        return other.memalign != NULL ? other.memalign(alignment, size) : other.malloc(size);
    return other.posix_memalign(&block, alignment, size) == 0 ? block : NULL;
}

void *hak__other_aligned(size_t alignment, size_t size)
{
    void *block = NULL;
    do {
        block = aligned_once(alignment, size);
    } while (block == NULL && hak__oom_retry(size));
    return checked(block);
}

void hak__other_free(void *block)
{
    other.free(block);
}

size_t hak__other_usable_size(void *block)
{
    return other.usable_size != NULL ? other.usable_size(block) : 0;
}

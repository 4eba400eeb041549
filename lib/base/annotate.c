/* SPDX-License-Identifier: MIT */
/* Empty without --with-annotations. */
#include "base/annotate.h"

#if HAK_ANNOTATIONS

#include <valgrind/memcheck.h>

/* Weak: they are there in a program that is built with AddressSanitizer. */
extern void __asan_poison_memory_region(const void *start, size_t size) __attribute__((weak));
extern void __asan_unpoison_memory_region(const void *start, size_t size) __attribute__((weak));

static bool has_asan(void)
{
    return __asan_poison_memory_region != NULL && __asan_unpoison_memory_region != NULL;
}

bool hak__is_watched(void)
{
    return RUNNING_ON_VALGRIND || has_asan();
}

void hak__annotate_live(void *block, size_t size, bool zeroed)
{
    if (has_asan())
        __asan_unpoison_memory_region(block, size);
    VALGRIND_MALLOCLIKE_BLOCK(block, size, 0, zeroed);
}

void hak__annotate_free(void *block, size_t usable)
{
    if (has_asan())
        __asan_poison_memory_region(block, usable);
    VALGRIND_FREELIKE_BLOCK(block, 0);
    VALGRIND_MAKE_MEM_NOACCESS(block, usable);
}

/* The size that was asked for is where the accessible bytes end. */
static size_t requested_size(void *block, size_t usable)
{
    HAK_UNSEEN;
    char *end = (char *)VALGRIND_CHECK_MEM_IS_ADDRESSABLE(block, usable);
    return end == NULL ? usable : (size_t)(end - (char *)block);
}

void hak__annotate_rest(void *block, size_t usable)
{
    size_t requested = requested_size(block, usable);
    VALGRIND_MAKE_MEM_UNDEFINED((char *)block + requested, usable - requested);
    if (has_asan())
        __asan_unpoison_memory_region(block, usable);
}

void hak__annotate_whole(void *block, size_t usable)
{
    VALGRIND_RESIZEINPLACE_BLOCK(block, requested_size(block, usable), usable, 0);
    hak__annotate_rest(block, usable);
}

void hak__annotate_hide(void *start, size_t size)
{
    VALGRIND_MAKE_MEM_NOACCESS(start, size);
    if (has_asan())
        __asan_poison_memory_region(start, size);
}

void hak__annotate_lend(void *start, size_t size)
{
    VALGRIND_MAKE_MEM_UNDEFINED(start, size);
    if (has_asan())
        __asan_unpoison_memory_region(start, size);
}

/* AddressSanitizer sees what the C library's functions do to it. */
void hak__annotate_record(void *start, size_t size)
{
    VALGRIND_MAKE_MEM_NOACCESS(start, size);
}

void hak__annotate_known(void *start, size_t size)
{
    VALGRIND_MAKE_MEM_DEFINED(start, size);
}

char hak__unseen_begin(void)
{
    VALGRIND_DISABLE_ERROR_REPORTING;
    return 0;
}

void hak__unseen_end(char *unused)
{
    (void)unused;
    VALGRIND_ENABLE_ERROR_REPORTING;
}

/* One too many does nothing. */
void hak__unseen_leave(void)
{
    enum { DEEPEST = 16 };
    for (int i = 0; i < DEEPEST; i++)
        VALGRIND_ENABLE_ERROR_REPORTING;
}

#endif

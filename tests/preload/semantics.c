/* SPDX-License-Identifier: MIT */
/* Interposition, and the semantics of every entry point of the C library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

static void *volatile sink;

static size_t hide(size_t size)
{
    __asm__ volatile("" : "+r"(size));
    return size;
}

static void interposition(void)
{
    static const char *const names[] = {"malloc", "free", "calloc", "realloc", "posix_memalign",
                                        "mallinfo2", "free_sized", "_Znwm", "hak_malloc"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Dl_info info;
        void *function = dlsym(RTLD_DEFAULT, names[i]);
        if (function == NULL && sizeof(size_t) == 4 && strcmp(names[i], "_Znwm") == 0)
            continue;
        REQUIRE(function != NULL && dladdr(function, &info) != 0);
        REQUIRE(strstr(info.dli_fname, "libhakmem") != NULL);
    }
    bool (*owns)(const void *) = (bool (*)(const void *))dlsym(RTLD_DEFAULT, "hak_owns");
    char *copy = strdup("allocated by libc");
    int local = 0;
    REQUIRE(owns(copy));
    REQUIRE(!owns(&local));
    free(copy);
}

static void fails_with_nomem(void *block)
{
    REQUIRE(opaque(block) == NULL);
    REQUIRE(errno == ENOMEM);
    errno = 0;
}

static void too_large(void)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 15, SIZE_MAX - 4096,
                                   (size_t)PTRDIFF_MAX + 1, SIZE_MAX - 65536, SIZE_MAX / 2 + 2};
    char *block = malloc(10);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = hide(sizes[i]);
        errno = 0;
        fails_with_nomem(malloc(size));
        fails_with_nomem(calloc(1, size));
        fails_with_nomem(calloc(size, 2));
        fails_with_nomem(realloc(opaque(block), size));
        fails_with_nomem(reallocarray(opaque(block), size, 1));
        fails_with_nomem(reallocarray(opaque(block), size, 16));
        fails_with_nomem(memalign(64, size));
        fails_with_nomem(aligned_alloc(64, size));
        fails_with_nomem(valloc(size));
        fails_with_nomem(pvalloc(size));
        void *out = &out;
        REQUIRE(posix_memalign(&out, 64, size) == ENOMEM && out == &out && errno == 0);
    }
    free(block);
}

static void alignment_arguments(void)
{
    void *out = &out;
    static const size_t bad[] = {0, 3, 65, 24, SIZE_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        errno = 0;
        REQUIRE(opaque(aligned_alloc(hide(bad[i]), 8)) == NULL && errno == EINVAL);
        errno = 0;
        REQUIRE(posix_memalign(&out, hide(bad[i]), 8) == EINVAL && out == &out && errno == 0);
    }
    REQUIRE(posix_memalign(&out, 2, 8) == EINVAL);
    void *block = opaque(memalign(hide(65), 10));
    REQUIRE(block != NULL && (uintptr_t)block % 128 == 0);
    free(block);
    errno = 0;
    REQUIRE(opaque(memalign(hide(SIZE_MAX), 10)) == NULL && errno == EINVAL);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    block = pvalloc(0);
    REQUIRE(block != NULL && (uintptr_t)block % page == 0 && malloc_usable_size(block) >= page);
    free(block);
    for (size_t alignment = 1; alignment <= (size_t)8 << 20; alignment *= 2)
        for (size_t size = 0; size < 300000; size = size * 3 + 1) {
            block = opaque(aligned_alloc(alignment, size));
            REQUIRE(block != NULL && (uintptr_t)block % alignment == 0);
            REQUIRE(malloc_usable_size(block) >= size);
            memset(block, 1, size);
            free(block);
        }
}

static void every_size_is_aligned(void)
{
    for (size_t size = 0; size <= (size_t)1 << 20; size += size < 5000 ? 1 : 61) {
        char *block = opaque(malloc(size));
        REQUIRE(block != NULL && (uintptr_t)block % 16 == 0 && malloc_usable_size(block) >= size);
        if (size > 0)
            block[0] = block[size - 1] = 1;
        free(block);
    }
}

static void reallocation(void)
{
    char *block = realloc(NULL, 10);
    REQUIRE(block != NULL);
    REQUIRE(opaque(realloc(block, hide(0))) == NULL);
    size_t size = 1;
    block = calloc(1, 1);
    for (size = 2; size < (size_t)64 << 20; size = size * 5 / 3 + 1) {
        block = realloc(block, size);
        REQUIRE(block != NULL && block[0] == 0);
        memset(block + 1, (int)(size & 127), size - 1);
        char *larger = realloc(block, size + size / 4);
        REQUIRE(larger != NULL && larger[size - 1] == (char)(size & 127));
        block = larger;
    }
    for (; size > 1; size /= 3) {
        block = realloc(block, size);
        REQUIRE(block != NULL && block[0] == 0);
    }
    free(block);
}

static void errors_and_small_things(void)
{
    void *one = malloc(0), *other = malloc(0);
    REQUIRE(one != NULL && other != NULL && one != other);
    free(one);
    free(other);
    void *large = malloc((size_t)64 << 20);
    errno = 1234;
    free(large);
    free(NULL);
    free(malloc(50));
    REQUIRE(errno == 1234);
    REQUIRE(malloc_usable_size(NULL) == 0);
    for (size_t size = 1; size < (size_t)8 << 20; size *= 3) {
        char *zero = calloc(size, 1);
        REQUIRE(zero != NULL);
        for (size_t i = 0; i < size; i++)
            REQUIRE(zero[i] == 0);
        memset(zero, 1, size);
        free(zero);
    }
    void (*sized)(void *, size_t) = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "free_sized");
    void (*aligned)(void *, size_t, size_t) =
        (void (*)(void *, size_t, size_t))dlsym(RTLD_DEFAULT, "free_aligned_sized");
    sized(malloc(100), 100);
    sized(NULL, 5);
    aligned(aligned_alloc(256, 1000), 256, 1000);
}

/* The value of an attribute of the last element that begins so, as parsers of libc's form find it. */
static size_t number_in(const char *text, const char *element, const char *attribute)
{
    const char *found = NULL;
    for (const char *at = text; (at = strstr(at, element)) != NULL; at++)
        found = at;
    REQUIRE(found != NULL);
    const char *value = strstr(found, attribute);
    REQUIRE(value != NULL && value < strstr(found, "/>"));
    return strtoull(value + strlen(attribute), NULL, 10);
}

static int count_of(const char *text, const char *part)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

/* malloc_info(3) in the form of the GNU C library: one heap, and the process. */
static void information_as_xml(void)
{
    static const char *const twice[] = {
        "<total type=\"fast\" count=\"", "<total type=\"rest\" count=\"",
        "<system type=\"current\" size=\"", "<system type=\"max\" size=\"",
        "<aspace type=\"total\" size=\"", "<aspace type=\"mprotect\" size=\""};
    char *text = NULL;
    size_t size = 0, huge = (size_t)50 << 20;
    void *small = freed(100), *large = opaque(malloc(huge));
    FILE *stream = open_memstream(&text, &size);
    REQUIRE(small != NULL && malloc_info(0, stream) == 0);
    fclose(stream);
    free(large);
    REQUIRE(strstr(text, "<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n") == text);
    REQUIRE(count_of(text, "</heap>\n") == 1 && count_of(text, "</sizes>\n") == 1);
    for (size_t i = 0; i < sizeof twice / sizeof twice[0]; i++)
        REQUIRE(count_of(text, twice[i]) == 2);
    size_t current = number_in(text, "<system type=\"current\"", " size=\"");
    REQUIRE(number_in(text, "<total type=\"mmap\"", " count=\"") >= 1);
    REQUIRE(current + number_in(text, "<total type=\"mmap\"", " size=\"") >= huge);
    REQUIRE(number_in(text, "<system type=\"max\"", " size=\"") >= current);
    REQUIRE(number_in(text, "<aspace type=\"mprotect\"", " size=\"") >= current);
    REQUIRE(number_in(text, "<total type=\"fast\"", " size=\"") +
                number_in(text, "<total type=\"rest\"", " size=\"") <=
            current);
    REQUIRE(strcmp(text + strlen(text) - 10, "</malloc>\n") == 0);
    free(text);
    REQUIRE(malloc_info(1, stdout) == -1 && errno == EINVAL);
}

static void information(void)
{
    information_as_xml();
    REQUIRE(mallopt(M_ARENA_MAX, 1) == 1);
    struct mallinfo2 before = mallinfo2();
    sink = malloc((size_t)10 << 20);
    struct mallinfo2 after = mallinfo2();
    REQUIRE(after.uordblks >= before.uordblks + ((size_t)10 << 20));
    free(sink);
    for (int i = 0; i < 100; i++) {
        sink = malloc(60000);
        memset(sink, 1, 60000);
        free(sink);
    }
    malloc_trim(0);
}

/*
 * What small blocks leave in memory says nothing about a large block that begins where one of
 * them did, and that the program does not write to.
 */
static void large_where_small_began(void)
{
    enum { SMALL = 200000, LARGE = 200 };
    static void *small[SMALL], *large[LARGE];
    for (size_t size = 64; size < 200; size += 24) {
        for (int i = 0; i < SMALL; i++)
            small[i] = opaque(malloc(size));
        for (int i = 0; i < SMALL; i++)
            free(small[i]);
        for (int i = 0; i < LARGE; i++)
            large[i] = opaque(malloc(70000));
        for (int i = 0; i < LARGE; i++)
            free(large[i]);
    }
}

int main(void)
{
    REQUIRE(errno == 0);
    interposition();
    too_large();
    alignment_arguments();
    every_size_is_aligned();
    reallocation();
    errors_and_small_things();
    information();
    large_where_small_began();
    return 0;
}

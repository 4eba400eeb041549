/* SPDX-License-Identifier: MIT */
/* Requests that cannot be met: they are refused with an error, and nothing else happens. */
#define _GNU_SOURCE
#include "misuse.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>

enum request {
    MALLOC_ALL, MALLOC_HALF, CALLOC_WRAPS, REALLOC_ALL, REALLOCARRAY_WRAPS, ALIGNED_NO_POWER,
    ALIGNED_ALL, MEMALIGN_NO_POWER, POSIX_NO_POWER, POSIX_NO_POINTER, PVALLOC_WRAPS
};

static size_t asked(size_t number)
{
    opaque(&number);
    return number;
}

/* What the request gets, and what errno has to be. */
static void *request(enum request what, void *block, int *due)
{
    void *out = NULL;
    *due = ENOMEM;
    switch (what) {
    case MALLOC_ALL:
        return malloc(asked(SIZE_MAX));
    case MALLOC_HALF:
        return malloc(asked((size_t)PTRDIFF_MAX + 1));
    case CALLOC_WRAPS:
        return calloc(asked(SIZE_MAX / 16 + 2), asked(16));
    case REALLOC_ALL:
        return realloc(block, asked(SIZE_MAX));
    case REALLOCARRAY_WRAPS:
        return reallocarray(block, asked(SIZE_MAX / 16 + 2), asked(16));
    case ALIGNED_ALL:
        return aligned_alloc(64, asked(SIZE_MAX - 63));
    case PVALLOC_WRAPS:
        return pvalloc(asked(SIZE_MAX - 1));
    case ALIGNED_NO_POWER:
        *due = EINVAL;
        return aligned_alloc(asked(48), 96);
    case MEMALIGN_NO_POWER: /* takes the next power of two, as that of libc does */
        *due = 0;
        out = memalign(asked(48), 96);
        REQUIRE(out != NULL && (uintptr_t)out % 64 == 0);
        return NULL;
    case POSIX_NO_POWER:
        *due = 0;
        REQUIRE(posix_memalign(&out, asked(48), 96) == EINVAL);
        return out;
    default:
        *due = 0;
        REQUIRE(posix_memalign(&out, asked(4), 96) == EINVAL);
        return out;
    }
}

static void refused(const struct kind *kind, size_t what, size_t seed)
{
    enum { SIZE = 100 };
    (void)kind;
    (void)seed;
    int due = 0;
    unsigned char *block = opaque(malloc(SIZE));
    memset(block, 1, SIZE);
    announce_by_row("", NULL, 0);
    errno = 0;
    REQUIRE(request((enum request)what, block, &due) == NULL);
    REQUIRE(errno == due);
    for (int i = 0; i < SIZE; i++) /* what was not moved is as it was */
        REQUIRE(block[i] == 1);
    free(block);
}

#define REFUSED(name, what) {name, NULL, refused, what, NO_KIND, .seeds = 1, BY_BUILD(SILENT, SILENT)}

static const struct row request_rows[] = {
    REFUSED("refused-malloc-all", MALLOC_ALL),
    REFUSED("refused-malloc-half", MALLOC_HALF),
    REFUSED("refused-calloc-wraps", CALLOC_WRAPS),
    REFUSED("refused-realloc-all", REALLOC_ALL),
    REFUSED("refused-reallocarray-wraps", REALLOCARRAY_WRAPS),
    REFUSED("refused-aligned-no-power", ALIGNED_NO_POWER),
    REFUSED("refused-aligned-all", ALIGNED_ALL),
    REFUSED("refused-memalign-no-power", MEMALIGN_NO_POWER),
    REFUSED("refused-posix-no-power", POSIX_NO_POWER),
    REFUSED("refused-posix-no-pointer", POSIX_NO_POINTER),
    REFUSED("refused-pvalloc-wraps", PVALLOC_WRAPS),
};
TABLE(request_table, request_rows);

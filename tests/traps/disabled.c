/* SPDX-License-Identifier: MIT */
/* `disabled WHO`: every entry point works, and malloc is WHO's: libc or hakmem. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>

#include "cases.h"

static bool aligned(void *block, size_t alignment, size_t size)
{
    bool good = block != NULL && (uintptr_t)block % alignment == 0 && malloc_usable_size(block) >= size;
    if (block != NULL)
        memset(block, 7, size);
    free(block);
    return good;
}

static void churn(void)
{
    char *block[256] = {NULL};
    unsigned state = 5;
    for (int i = 0; i < 100000; i++) {
        state = state * 1664525u + 1013904223u;
        char **slot = &block[(state >> 8) % 256];
        size_t size = 1 + (state >> 14) % ((state >> 4) % 100 == 0 ? 300000 : 700);
        *slot = i % 3 == 0 ? realloc(*slot, size) : (free(*slot), filled(size));
        REQUIRE(*slot != NULL && malloc_usable_size(*slot) >= size);
    }
    for (int i = 0; i < 256; i++)
        free(block[i]);
}

static void operators(void)
{
    void *(*new_plain)(size_t) = (void *(*)(size_t))dlsym(RTLD_DEFAULT, "_Znwm");
    void (*delete_plain)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "_ZdlPv");
    void *(*new_aligned)(size_t, size_t) =
        (void *(*)(size_t, size_t))dlsym(RTLD_DEFAULT, "_ZnwmSt11align_val_t");
    void (*delete_aligned)(void *, size_t) =
        (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "_ZdlPvSt11align_val_t");
    if (new_plain == NULL || new_aligned == NULL)
        return;
    char *block = new_plain(100);
    memset(block, 1, 100);
    delete_plain(block);
    block = new_aligned(100, 256);
    REQUIRE((uintptr_t)block % 256 == 0);
    delete_aligned(block, 256);
}

int main(int argc, char **argv)
{
    bool libc = argc > 1 && strcmp(argv[1], "libc") == 0;
    bool (*owns)(const void *) = (bool (*)(const void *))dlsym(RTLD_DEFAULT, "hak_owns");
    REQUIRE(owns != NULL);
    char *block = filled(100);
    REQUIRE(owns(block) == !libc);
    free(block);
    churn();
    operators();
    void *out = NULL;
    volatile size_t half = SIZE_MAX / 2;
    REQUIRE(posix_memalign(&out, 128, 1000) == 0 && aligned(out, 128, 1000));
    REQUIRE(posix_memalign(&out, 3, 1000) == EINVAL);
    REQUIRE(aligned(aligned_alloc(512, 1024), 512, 1024) && aligned(memalign(65, 100), 128, 100));
    REQUIRE(aligned(valloc(100), 4096, 100) && aligned(pvalloc(100), 4096, 4096));
    errno = 0;
    REQUIRE(opaque(aligned_alloc(24, 8)) == NULL && errno == EINVAL);
    errno = 0;
    REQUIRE(opaque(reallocarray(NULL, half, 4)) == NULL && errno == ENOMEM);
    struct mallinfo2 before = mallinfo2();
    block = filled((size_t)50 << 20);
    struct mallinfo2 after = mallinfo2();
    bool counted = after.uordblks + after.hblkhd >= before.uordblks + before.hblkhd + ((size_t)50 << 20);
    REQUIRE(counted);
    free(block);
    malloc_trim(0);
    REQUIRE(mallopt(M_ARENA_MAX, 1) == 1);
    return 0;
}

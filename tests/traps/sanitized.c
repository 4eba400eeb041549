/* SPDX-License-Identifier: MIT */
/*
 * `sanitized right|leak|after-free`: a program for builds with a sanitizer, which has to see all
 * blocks: none is hakmem's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../preload/test.h"

static void leak(void)
{
    memset(opaque(malloc(54321)), 1, 54321);
}

int main(int count, char **arguments)
{
    const char *what = count > 1 ? arguments[1] : "";
    bool (*owns)(const void *) = (bool (*)(const void *))dlsym(RTLD_DEFAULT, "hak_owns");
    for (size_t size = 1; size < 3000000; size *= 3) {
        char *block = opaque(malloc(size)), *zeroes = opaque(calloc(size, 2));
        void *aligned = NULL;
        REQUIRE(posix_memalign(&aligned, 256, size) == 0);
        REQUIRE(owns == NULL || (!owns(block) && !owns(zeroes) && !owns(aligned)));
        memset(block, 1, size);
        block = opaque(realloc(block, 2 * size));
        REQUIRE(block != NULL && block[size - 1] == 1 && zeroes[2 * size - 1] == 0);
        free(block);
        free(zeroes);
        free(aligned);
    }
    if (strcmp(what, "leak") == 0)
        leak();
    if (strcmp(what, "after-free") == 0) {
        char *block = opaque(malloc(100));
        free(block);
        block = opaque(block);
        return block[10];
    }
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Uses all that the functions of hakmem.h allow of a block, under the compiler's checks of sizes.
 * The sizes come from outside, or the checks would be made when this is compiled.
 */
#include <hakmem/hakmem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USE(block)                                                                                 \
    do {                                                                                           \
        void *used = (block);                                                                      \
        if (used == NULL)                                                                          \
            return 1;                                                                              \
        memset(used, 1, hak_usable_size(used));                                                    \
        hak_free(used);                                                                            \
    } while (0)

int main(int count, char **arguments)
{
    for (int i = 1; i < count; i++) {
        size_t size = strtoul(arguments[i], NULL, 0);
        USE(hak_malloc(size));
        USE(hak_calloc(size, 3));
        USE(hak_realloc(hak_malloc(1), size));
        USE(hak_reallocarray(NULL, size, 3));
        USE(hak_aligned_alloc(64, size));
        USE(hak_alloc(size, HAK_ALLOC_ZERO));
        void *block = NULL;
        if (hak_posix_memalign(&block, 32, size) != 0)
            return 1;
        USE(block);
        block = hak_malloc(size);
        size_t usable = hak_resize_in_place(block, 0, 2 * size);
        memset(block, 1, usable);
        hak_free(block);
        if (hak_alloc_batch(size, 1, &block) != 1)
            return 1;
        USE(block);
    }
    puts("all of it was used");
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* Large blocks under limits of memory (of the environment): what is purged leaves room for others. */
#include <malloc.h>
#include <string.h>

#include "../preload/test.h"

int main(void)
{
    enum { ROUNDS = 3, BLOCKS = 8, SIZE = 5000000, USED = 1000000 };
    for (size_t round = 0; round < ROUNDS; round++) {
        void *block[BLOCKS];
        for (size_t i = 0; i < BLOCKS; i++) {
            block[i] = opaque(malloc(SIZE - round * 1000));
            if (block[i] != NULL) /* the limit allows for half of them */
                memset(block[i], 1, USED);
        }
        for (size_t i = 0; i < BLOCKS; i += 2)
            free(block[i]);
        malloc_trim(0);
        for (size_t i = 1; i < BLOCKS; i += 2)
            free(block[i]);
        malloc_trim(0);
    }
    return 0;
}

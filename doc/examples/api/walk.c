/* SPDX-License-Identifier: MIT */
/*
 * walk: every live block of the process by size, the largest, and what one of them is.
 *
 *     cc walk.c $(pkg-config --cflags --libs hakmem)
 */
#include <hakmem/hakmem.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLASSES = 100 };

struct tally {
    size_t blocks[CLASSES], size[CLASSES]; /* of each size class */
    size_t beyond;                         /* blocks that are in none */
    hak_block_info_t largest;
};

static bool count(const hak_block_info_t *block, void *context)
{
    struct tally *tally = (struct tally *)context;

    if (block->class_index >= 0 && block->class_index < CLASSES) {
        tally->blocks[block->class_index]++;
        tally->size[block->class_index] = block->usable_size;
    } else
        tally->beyond++;
    if (block->usable_size > tally->largest.usable_size)
        tally->largest = *block;
    return true;
}

int main(void)
{
    static struct tally tally;
    char *text = (char *)malloc(100), *table = (char *)malloc(3000000);

    if (text == NULL || table == NULL || hak_heap_walk(count, &tally) != 0) {
        perror("walk");
        return EXIT_FAILURE;
    }
    for (int i = 0; i < CLASSES; i++)
        if (tally.blocks[i] > 0)
            printf("%6zu bytes: %zu live\n", tally.size[i], tally.blocks[i]);
    printf("larger: %zu live, the largest at %p of %zu bytes\n", tally.beyond, tally.largest.start,
           tally.largest.usable_size);

    hak_block_info_t info;
    info.struct_size = sizeof info;
    if (hak_block_info(text + 50, &info) != 0)
        return EXIT_FAILURE;
    printf("%p is %td bytes into a block of %zu, %s, of heap %u\n", (void *)(text + 50),
           text + 50 - (char *)info.start, info.usable_size,
           info.state == HAK_BLOCK_LIVE ? "live" : "free", (unsigned)info.owner);
    free(table);
    free(text);
    return EXIT_SUCCESS;
}

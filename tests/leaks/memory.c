/* SPDX-License-Identifier: MIT */
/* Blocks of all kinds, and what is left of blocks in freed memory. */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"

enum { LARGEST = 5 << 20 };

static void *volatile kept, *volatile stale[6], *volatile old;

/* The next larger block is of the next size class, or a sixteenth larger. */
static size_t next_size(void *pointer)
{
    size_t usable = malloc_usable_size(pointer);
    return usable + usable / 16 + 1;
}

static void lose_sizes(void)
{
    lost(DIRECT, block(0));
    for (size_t size = 1; size <= LARGEST;)
        size = next_size(lost(DIRECT, block(size)));
}

static void keep_sizes(void)
{
    char **all = block(4096 * sizeof *all);
    size_t count = 0;
    all[count++] = block(0);
    for (size_t size = 1; size <= LARGEST;) {
        char *one = block(size);
        all[count] = one + (size - 1) * (count % 8) / 7;
        count++;
        size = next_size(one);
    }
    kept = all;
}

/* Lost blocks beside kept ones of the same slab, and beside freed ones. */
static void lose_every_third(void)
{
    void **all = block(3000 * sizeof *all);
    for (size_t i = 0; i < 3000; i++)
        all[i] = block(i % 50 * 40);
    for (size_t i = 0; i < 3000; i++) {
        if (i % 3 == 1)
            free(all[i]);
        if (i % 3 == 2)
            lost(DIRECT, all[i]);
        if (i % 3 != 0)
            all[i] = NULL;
    }
    kept = all;
}

static void lose_by_realloc(void)
{
    old = block(16);
    void *moved = realloc(old, 5000);
    memset(moved, 0, malloc_usable_size(moved));
    lost(DIRECT, moved);
    char *large = realloc(block(300000), 9000000);
    lost(DIRECT, memset(large, 0, 9000000));
}

static void lose_huge(void)
{
    lost(DIRECT, block(LARGEST));
    void **other = lost(DIRECT, block(20 << 20));
    other[(16 << 20) / sizeof *other] = lost(INDIRECT, block(3 << 20));
}

static void keep_huge(void)
{
    char *huge = block(20 << 20);
    void **link = (void **)(huge + (17 << 20));
    *link = (char *)block(9 << 20) + (8 << 20) + 1;
    kept = huge + (18 << 20) + 5;
}

static void *aligned(size_t alignment, size_t size)
{
    void *pointer;
    if (posix_memalign(&pointer, alignment, size) != 0)
        abort();
    return memset(pointer, 0, malloc_usable_size(pointer));
}

static void lose_aligned(void)
{
    for (size_t alignment = 16; alignment <= 4 << 20; alignment *= 4) {
        lost(DIRECT, aligned(alignment, 10));
        lost(DIRECT, aligned(alignment, 100000));
    }
    lost(DIRECT, memset(valloc(5000), 0, 5000));
}

static void keep_aligned(void)
{
    for (size_t alignment = 16; alignment <= 4 << 20; alignment *= 4) {
        for (size_t size = 100; size <= 1000000; size *= 10) {
            char **link = aligned(alignment, size);
            *link = kept;
            kept = (char *)link + size / 2;
        }
    }
}

/* What is reachable from a freed block alone, whatever its memory still says. */
static void lose_in_freed(void)
{
    static const size_t sizes[] = {128, 4000, 60000, 300000, 5000000, 20000000};
    for (size_t i = 0; i < 6; i++) {
        void **holder = block(sizes[i]);
        holder[8] = lost(DIRECT, block(64));
        holder[sizes[i] / 16] = holder[8];
        stale[i] = holder;
    }
    for (size_t i = 0; i < 6; i++)
        free(stale[i]);
}

/* 300 blocks are freed, and what only they led to is lost: none of them is in use */
static void lose_after_freed(void)
{
    void *block_of[300];
    for (size_t i = 0; i < 300; i++) {
        void **holder = block(200);
        holder[10] = i % 10 == 0 ? lost(DIRECT, block(200)) : NULL;
        block_of[i] = holder;
    }
    for (size_t i = 0; i < 300; i++)
        free(block_of[i]);
}

/* What a thread frees that did not allocate it is on its way back, and in use no more. */
static void *sent[2000];

static void allocate_and_stay(void)
{
    for (size_t i = 0; i < 2000; i++)
        sent[i] = block(i % 400 * 50);
    held();
    stay();
}

static void free_of_other_thread(void)
{
    on_thread_that_stays(allocate_and_stay);
    for (size_t i = 0; i < 2000; i++)
        free(sent[i]);
    memset(sent, 0, sizeof sent);
}

static void free_all(void)
{
    enum { COUNT = 5000 };
    static void *all[COUNT];
    for (size_t round = 0; round < 4; round++) {
        for (size_t i = 0; i < COUNT; i++)
            all[i] = block((i + round) * 37 % 3000);
        for (size_t i = 0; i < COUNT; i++)
            free(all[i]);
    }
    memset(all, 0, sizeof all);
}

static void allocate_for_others(void)
{
    for (int i = 0; i < 10; i++)
        lost(DIRECT, block(200));
}

static void lose_by_ended(void)
{
    on_thread_that_ends(allocate_for_others);
    on_thread_that_ends(allocate_for_others);
}

const struct leak_case memory_cases[] = {
    {"sizes", lose_sizes, NULL, "blocks of all sizes to 5 MiB are lost"},
    {"sizes-kept", keep_sizes, NULL, "blocks of all sizes are kept, by pointers into them"},
    {"third", lose_every_third, NULL, "a third is kept, a third freed, a third lost"},
    {"realloc", lose_by_realloc, NULL, "what realloc moved is lost, and the old pointer is not"},
    {"huge", lose_huge, NULL, "huge blocks are lost, one in another"},
    {"huge-kept", keep_huge, NULL, "huge blocks are kept by pointers far into them"},
    {"aligned", lose_aligned, NULL, "aligned blocks are lost"},
    {"aligned-kept", keep_aligned, NULL, "aligned blocks are kept by pointers into them"},
    {"in-freed", lose_in_freed, NULL, "the only pointers are in blocks that were freed"},
    {"after-freed", lose_after_freed, NULL, "blocks are lost whose owners were freed"},
    {"sent", free_of_other_thread, NULL, "blocks of a thread that waits were freed by another"},
    {"freed", free_all, NULL, "all blocks were freed"},
    {"by-ended", lose_by_ended, NULL, "blocks are lost whose threads have ended"},
    {NULL, NULL, NULL, NULL},
};

/* SPDX-License-Identifier: MIT */
/* Old pointers are freed once their slab was purged, given back, or serves other blocks. */
#define _GNU_SOURCE
#include "attack.h"

#include <malloc.h>
#include <pthread.h>

enum { BLOCKS = 4000, OTHERS = 1000, AFTER = 300, FREES = 3 };
static const size_t sizes[] = {16, 32, 48, 64, 112, 128, 256, 512, 1024, 1536, 4096, 8192, 20000};
static unsigned char *old[BLOCKS];
static size_t size, other_size;

static size_t any_size(void)
{
    return sizes[random_below(sizeof sizes / sizeof *sizes)];
}

/* Blocks that all die, in order or not; some stay behind if the slabs are to stay. */
static void let_die(unsigned left_of)
{
    size = any_size();
    other_size = any_size();
    for (int i = 0; i < BLOCKS; i++) {
        old[i] = take(size);
        if (size < 64 || i % 4 == 0)
            old[i][0] = 1;
    }
    for (int i = 0; i < BLOCKS; i++)
        if (left_of == 0 || (unsigned)i % left_of != 0)
            give(old[i]);
        else
            old[i] = NULL;
}

static unsigned char *any_old(void)
{
    unsigned char *block = NULL;
    while (block == NULL)
        block = old[random_below(BLOCKS)];
    return block;
}

/* A live block that starts there now is lost to its owner: that is no secret. A free one is not. */
static void free_and_look(void)
{
    for (int i = 0; i < FREES; i++) {
        give(any_old());
        for (int j = 0; j < AFTER; j++) {
            take(size);
            take(other_size);
        }
    }
}

static void after_trim(void)
{
    let_die(0);
    malloc_trim(0);
    free_and_look();
}

static void after_purge_of_pages(void)
{
    let_die(500);
    malloc_trim(0);
    free_and_look();
}

static void after_flush(void)
{
    let_die(random_below(2) * 7);
    flush();
    free_and_look();
}

static void same_class_again(void)
{
    let_die(0);
    malloc_trim(0);
    for (int i = 0; i < OTHERS; i++)
        take(size);
    free_and_look();
}

static void another_class(void)
{
    let_die(0);
    malloc_trim(0);
    for (int i = 0; i < OTHERS; i++)
        memset(take(other_size), (int)random_below(256), other_size);
    free_and_look();
}

static void *die_here(void *unused)
{
    let_die(0);
    return unused;
}

static void of_an_ended_thread(void)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, die_here, NULL) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    if (random_below(2) == 0)
        malloc_trim(0);
    for (int i = 0; i < OTHERS; i++)
        take(other_size);
    free_and_look();
}

/* By realloc in place of free, whose copy would come from an old block. */
static void realloc_old(void)
{
    let_die(0);
    malloc_trim(0);
    for (int i = 0; i < OTHERS; i++)
        take(other_size);
    for (int i = 0; i < FREES; i++) {
        unsigned char *block = any_old();
        forget(block);
        taken(realloc(block, any_size() + 1), 1);
        for (int j = 0; j < AFTER; j++)
            take(other_size);
    }
}

const struct attempt attempts[] = {
    {"after a trim", after_trim, false},
    {"after a purge of some pages", after_purge_of_pages, false},
    {"after a flush", after_flush, false},
    {"the slab serves again", same_class_again, false},
    {"the slab serves another size", another_class, false},
    {"a slab of an ended thread", of_an_ended_thread, false},
    {"realloc of an old block", realloc_old, false},
};
const size_t attempt_count = sizeof attempts / sizeof *attempts;

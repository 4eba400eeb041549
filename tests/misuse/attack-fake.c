/* SPDX-License-Identifier: MIT */
/* Pointers that never were blocks are freed, with contents before and behind that look like one. */
#define _GNU_SOURCE
#include "attack.h"

#include <malloc.h>
#include <pthread.h>

enum { BLOCKS = 50, AFTER = 300, GRANULE = 65536, ALIGNMENT = 16 };
static const size_t sizes[] = {24, 48, 96, 112, 120, 176, 208, 240, 320, 704, 960};
static unsigned char *block[BLOCKS];
static size_t size;

static void set_up(void)
{
    size = sizes[random_below(sizeof sizes / sizeof *sizes)];
    for (int i = 0; i < BLOCKS; i++)
        block[i] = take(size);
}

/* What is returned must be blocks that no other one overlaps; a fake is in a target, or inside of one. */
static void free_and_take(void *fake)
{
    static const size_t again[] = {24, 48, 100, 120, 240, 700, 1000, 4000, 100000};
    free(opaque(fake));
    for (int i = 0; i < AFTER; i++) {
        take(size);
        take(again[(size_t)i % (sizeof again / sizeof *again)]);
    }
}

static void in_target(void)
{
    set_up();
    free_and_take(target[random_below(3)] + ALIGNMENT * (1 + random_below(8)));
}

static void in_live_block(void)
{
    set_up();
    unsigned char *around = take(2000);
    uint64_t fake = 0x81;
    for (int i = 0; i < 2000; i += 8)
        memcpy(around + i, &fake, sizeof fake);
    free_and_take(around + ALIGNMENT * (1 + random_below(100)));
}

static void in_large_block(void)
{
    set_up();
    unsigned char *around = take(300000);
    memset(around, 0x41, 300000);
    free_and_take(around + ALIGNMENT * (1 + random_below(300000 / ALIGNMENT - 2)));
}

static void in_huge_block(void)
{
    enum { SIZE = 80 << 20 };
    set_up();
    unsigned char *around = take(SIZE);
    memset(around, 0x41, SIZE / 256);
    free_and_take(around + ALIGNMENT * (1 + random_below(SIZE / ALIGNMENT - 2)));
}

/* Behind the last block of the slab; it would reach into the next one. */
static void in_tail(void)
{
    set_up();
    size_t usable = malloc_usable_size(block[0]);
    uintptr_t slab = (uintptr_t)block[0] & ~(uintptr_t)(GRANULE - 1);
    uintptr_t tail = slab + GRANULE / usable * usable;
    if (tail == slab + GRANULE)
        tail -= ALIGNMENT;
    unsigned char *fake = (unsigned char *)tail + ALIGNMENT * random_below((uint32_t)((slab + GRANULE - tail) / ALIGNMENT));
    free(opaque(fake));
    for (int i = 0; i < AFTER; i++)
        if (take(size) == fake)
            taken(target[0], 1);
}

/* A place of the slab that nobody has had: what comes from it later must come once. */
static void not_handed_out(void)
{
    set_up();
    unsigned char *highest = block[0];
    for (int i = 0; i < BLOCKS; i++)
        highest = block[i] > highest ? block[i] : highest;
    size_t usable = malloc_usable_size(block[0]);
    size_t left = ((uintptr_t)highest % GRANULE + usable) / usable;
    left = GRANULE / usable > left ? GRANULE / usable - left : 1;
    free_and_take(highest + usable * (1 + random_below((uint32_t)left)));
}

static void *fake_in_thread;

static void *free_fake(void *unused)
{
    free(opaque(fake_in_thread));
    return unused;
}

/* By a thread that has no cache, whose frees take another way. */
static void by_a_thread(void)
{
    set_up();
    fake_in_thread = random_below(2) == 0 ? target[random_below(3)] + ALIGNMENT
                                          : block[random_below(BLOCKS)] + ALIGNMENT / 2 * (1 + random_below(2));
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, free_fake, NULL) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    for (int i = 0; i < AFTER; i++)
        take(size);
}

/* A block is given back as one of another size. */
static void another_size(void)
{
    set_up();
    unsigned char *small = block[random_below(BLOCKS)];
    forget(small);
    unsigned char *shrunk = realloc(small, 1);
    if (shrunk == NULL)
        not_made();
    taken(shrunk, 1);
    free_and_take(shrunk + ALIGNMENT);
}

const struct attempt attempts[] = {
    {"fake in a target", in_target, false},
    {"fake in a live block", in_live_block, false},
    {"fake in a large block", in_large_block, false},
    {"fake in a huge block", in_huge_block, false},
    {"tail of a slab", in_tail, false},
    {"never handed out", not_handed_out, false},
    {"fake, by a thread", by_a_thread, false},
    {"inside of a shrunk block", another_size, false},
};
const size_t attempt_count = sizeof attempts / sizeof *attempts;

/* SPDX-License-Identifier: MIT */
/* Blocks are freed twice, with what tells a second free overwritten, forged or taken from elsewhere. */
#define _GNU_SOURCE
#include "attack.h"

enum { AFTER = 300, OTHERS = 8 };
static unsigned char *other[OTHERS];
static size_t size;

static unsigned char *set_up(void)
{
    static const size_t sizes[] = {24, 32, 48, 64, 100, 128, 256, 512, 1000};
    size = sizes[random_below(sizeof sizes / sizeof *sizes)];
    unsigned char *block = take(size);
    for (int i = 0; i < OTHERS; i++)
        other[i] = take(size);
    for (int i = 0; i < OTHERS; i += 2)
        give(other[i]);
    give(block);
    return block;
}

static void overwrite(unsigned char *block)
{
    for (int i = 8; i < 16; i++)
        block[i] = (unsigned char)random_below(256);
    opaque(block);
}

static void take_many(void)
{
    for (int i = 0; i < AFTER; i++)
        take(size);
}

static void overwritten(void)
{
    unsigned char *block = set_up();
    overwrite(block);
    free(block);
    take_many();
}

/* The mark of another free block, and one that is mixed with another address. */
static void of_another(void)
{
    unsigned char *block = set_up();
    memcpy(opaque(block + 8), opaque(other[0] + 8), 8);
    free(block);
    take_many();
}

static void xored(void)
{
    unsigned char *block = set_up();
    uint64_t mark;
    memcpy(&mark, opaque(other[0] + 8), sizeof mark);
    mark ^= (uintptr_t)other[0] ^ (uintptr_t)block;
    memcpy(opaque(block + 8), &mark, sizeof mark);
    free(block);
    take_many();
}

/* Once it is in two places it is taken from one, and written to while it is free in the other. */
static void then_link(bool shift, bool flushes)
{
    unsigned char *block = set_up();
    overwrite(block);
    free(block);
    if (flushes)
        flush();
    unsigned char *again = opaque(malloc(size));
    uintptr_t word = (uintptr_t)target[random_below(TARGETS)] + 16;
    if (shift)
        word ^= (uintptr_t)block >> 12;
    memcpy(opaque(again), &word, sizeof word);
    take_many();
}

static void then_plain_link(void)
{
    then_link(false, false);
}

static void then_shifted_link(void)
{
    then_link(true, false);
}

static void flushed_then_link(void)
{
    then_link(random_below(2) == 0, true);
}

/* Flushed in between: the first is on the list of its slab, the second in the cache. */
static void in_both(void)
{
    unsigned char *block = set_up();
    flush();
    overwrite(block);
    free(block);
    take_many();
}

const struct attempt attempts[] = {
    {"mark overwritten", overwritten, true},
    {"mark of another block", of_another, true},
    {"mark XOR addresses", xored, true},
    {"then a plain link", then_plain_link, true},
    {"then a shifted link", then_shifted_link, true},
    {"flushed, then a link", flushed_then_link, true},
    {"on a list and in the cache", in_both, true},
};
const size_t attempt_count = sizeof attempts / sizeof *attempts;

/* SPDX-License-Identifier: MIT */
/* What a free block of a list holds is overwritten, as by an overflow or an old pointer. */
#define _GNU_SOURCE
#include "attack.h"

#include <malloc.h>

enum { BLOCKS = 64, AFTER = 300, GRANULE = 65536 };
static unsigned char *block[BLOCKS], *victim;
static size_t size;

/* Some blocks that are free and on a list, one of them chosen, between others that live. */
static void set_up(void)
{
    enum { FREED = 6 };
    static const size_t sizes[] = {24, 32, 48, 64, 100, 128, 256, 512, 1000, 2000};
    size = sizes[random_below(sizeof sizes / sizeof *sizes)];
    for (int i = 0; i < BLOCKS; i++)
        block[i] = take(size);
    for (int i = 0; i < FREED; i++) {
        victim = block[i * 10 + (int)random_below(10)];
        give(victim);
    }
    flush();
}

static void take_many(void)
{
    for (int i = 0; i < AFTER; i++)
        take(size);
}

static void write_word(unsigned char *at, uintptr_t word, size_t bytes)
{
    memcpy(opaque(at), &word, bytes);
}

static uintptr_t any_target(void)
{
    return (uintptr_t)target[random_below(TARGETS)] + 16 * random_below(8);
}

/* As in lists of plain pointers. */
static void plain(void)
{
    set_up();
    write_word(victim, any_target(), 8);
    take_many();
}

/* As in glibc's lists, whose links are mixed with their own address. */
static void shifted(void)
{
    set_up();
    write_word(victim, any_target() ^ (uintptr_t)victim >> 12, 8);
    take_many();
}

static void plain_number(void)
{
    set_up();
    write_word(victim, random_below(8191), 4);
    take_many();
}

/* A number as it would be without a key. */
static void spread_number(void)
{
    set_up();
    write_word(victim, random_below(8191) * 0x9e376001u, 4);
    take_many();
}

static void anything(void)
{
    set_up();
    write_word(victim, (uintptr_t)random_below(UINT32_MAX) << 31 ^ random_below(UINT32_MAX), 1 + random_below(8));
    take_many();
}

/* ---- with links that were read ----------------------------------------- */

/*
 * What a link is mixed with is known once it was read and the number is known that it holds: blocks
 * that were freed one after the other are handed out in the order of their list.
 */
enum { SPREAD_BITS = 0x9e376001, NUMBER = 0x1fff, LISTED = 8, ONE_MORE = LISTED + 1 };
static unsigned char *listed[LISTED]; /* in the order of the list */
static uint32_t mask[LISTED];

static uintptr_t slab_of(const void *p)
{
    return (uintptr_t)p & ~(uintptr_t)(GRANULE - 1);
}

static uint32_t number_of(const void *p)
{
    return (uint32_t)(((uintptr_t)p - slab_of(p)) / malloc_usable_size(block[0]));
}

static uint32_t read_link(const unsigned char *at)
{
    uint32_t link;
    memcpy(&link, at, sizeof link);
    return link;
}

static void write_link(int at, uint32_t number)
{
    write_word(listed[at], number * (uint32_t)SPREAD_BITS ^ mask[at], 4);
}

static uint32_t decode(int at)
{
    return (read_link(listed[at]) ^ mask[at]) & NUMBER;
}

/* Frees blocks of one slab, reads their links, and takes them again; where the last one led is unknown. */
static void learn_masks(void)
{
    unsigned char *some[ONE_MORE], *again[ONE_MORE];
    uint32_t link[ONE_MORE];
    int count = 0;
    for (int i = 0; i < BLOCKS; i++)
        block[i] = take(size);
    for (int i = 1; i < BLOCKS && count < ONE_MORE; i++)
        if (slab_of(block[i]) == slab_of(block[0]) && random_below(2) == 0)
            some[count++] = block[i];
    if (count < ONE_MORE)
        not_made();
    for (int i = 0; i < ONE_MORE; i++)
        give(some[i]);
    flush();
    for (int i = 0; i < ONE_MORE; i++)
        link[i] = read_link(some[i]);
    for (int i = 0; i < ONE_MORE; i++)
        again[i] = take(size);
    for (int i = 0; i < LISTED; i++) {
        listed[i] = again[i];
        for (int j = 0; j < ONE_MORE; j++)
            if (some[j] == again[i])
                mask[i] = link[j] ^ number_of(again[i + 1]) * (uint32_t)SPREAD_BITS;
    }
}

/* The first block of the list of all but one of them; *second and *third are the next ones. */
static int list_again(int kept, int *second, int *third)
{
    int next_of[LISTED], head = -1;
    bool is_next[LISTED] = {false};
    for (int i = 0; i < LISTED; i++)
        if (i != kept)
            give(listed[i]);
    flush();
    for (int i = 0; i < LISTED; i++) {
        next_of[i] = -1;
        for (int j = 0; j < LISTED; j++)
            if (i != kept && number_of(listed[j]) == decode(i)) {
                next_of[i] = j;
                is_next[j] = true;
            }
    }
    for (int i = 0; i < LISTED; i++)
        if (i != kept && !is_next[i])
            head = i;
    if (head < 0 || (*second = next_of[head]) < 0 || (*third = next_of[*second]) < 0)
        not_made();
    return head;
}

static void learn(int kept, int *head, int *second, int *third)
{
    static const size_t sizes[] = {24, 32, 48, 64, 100, 128, 256, 512};
    size = sizes[random_below(sizeof sizes / sizeof *sizes)];
    learn_masks();
    *head = list_again(kept, second, third);
}

/* A number behind the blocks that were handed out, or behind the slab. */
static void outside(void)
{
    int head, second, third;
    learn(0, &head, &second, &third);
    size_t usable = malloc_usable_size(block[0]);
    uint32_t number = BLOCKS * 4 + random_below(NUMBER - BLOCKS * 4);
    uintptr_t due = slab_of(block[0]) + number * usable;
    write_link(head, number);
    for (int i = 0; i < AFTER; i++)
        if ((uintptr_t)take(size) == due && due - slab_of(block[0]) >= GRANULE)
            taken(target[0], 1);
}

/* The list would go on in a live block, of which the same is known. */
static void live_block(void)
{
    int head, second, third;
    learn(0, &head, &second, &third);
    write_link(head, number_of(listed[0]));
    write_link(0, number_of(listed[third]));
    take_many();
}

/* The list ends early, or goes in a circle. */
static void circle(void)
{
    int head, second, third;
    learn(0, &head, &second, &third);
    write_link(second, random_below(2) == 0 ? NUMBER : number_of(listed[head]));
    take_many();
}

const struct attempt attempts[] = {
    {"plain pointer", plain, false},
    {"shifted pointer", shifted, false},
    {"plain number", plain_number, false},
    {"spread number", spread_number, false},
    {"anything", anything, false},
    {"number outside, by links read", outside, false},
    {"live block, by links read", live_block, true},
    {"circle, by links read", circle, true},
};
const size_t attempt_count = sizeof attempts / sizeof *attempts;

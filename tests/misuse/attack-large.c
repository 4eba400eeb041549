/* SPDX-License-Identifier: MIT */
/* Large blocks: what is in them, in front and behind is overwritten, live and free. */
#define _GNU_SOURCE
#include "attack.h"

#include <malloc.h>

enum { BLOCKS = 12, ROUNDS = 60 };
static unsigned char *block[BLOCKS];
static size_t block_size[BLOCKS];

static size_t any_size(void)
{
    enum { LEAST = 70000, MOST = 3 << 20 };
    return LEAST + random_below(MOST - LEAST);
}

static void set_up(void)
{
    for (int i = 0; i < BLOCKS; i++) {
        block_size[i] = any_size();
        block[i] = take(block_size[i]);
        if (block[i] == NULL)
            not_made();
    }
}

/* Pointers as in lists of free blocks: next and previous, or sizes. */
static void fill(unsigned char *at, size_t bytes)
{
    for (size_t i = 0; i + 8 <= bytes; i += 8) {
        uint64_t word = random_below(4) != 0 ? (uintptr_t)target[random_below(TARGETS)] + 16 * random_below(4)
                                             : 0x10001;
        memcpy(at + i, &word, sizeof word);
    }
    opaque(at);
}

/* Allocates and frees, and asks for growth: whatever is led astray shows. */
static void use(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        int at = (int)random_below(BLOCKS);
        size_t size = any_size();
        if (block[at] != NULL && random_below(3) != 0) {
            give(block[at]);
            block[at] = NULL;
        } else if (block[at] != NULL) {
            forget(block[at]);
            block[at] = taken(realloc(block[at], size), size);
        } else {
            block[at] = take(size);
        }
        if (random_below(16) == 0)
            malloc_trim(0);
    }
}

/* Written by an old pointer. */
static void written_after(void)
{
    set_up();
    for (int i = 0; i < BLOCKS; i += 2) {
        unsigned char *old = block[i];
        give(old);
        block[i] = NULL;
        fill(old, 4096);
    }
    use();
}

/* All in front that the block's first page has, where a header would be. */
static void in_front(void)
{
    set_up();
    for (int i = 0; i < BLOCKS; i++) {
        size_t before = (uintptr_t)block[i] % 4096;
        fill(block[i] - before, before);
    }
    use();
}

/* To the end of what is usable; and beyond, if a neighbour of ours is there. */
static void behind(void)
{
    set_up();
    for (int i = 0; i < BLOCKS; i++) {
        unsigned char *end = block[i] + malloc_usable_size(block[i]);
        fill(end - 64, 64);
        for (int j = 0; j < BLOCKS; j++)
            if (block[j] >= end && block[j] < end + 65536 && ((uintptr_t)end & 65535) == 0)
                fill(end, (size_t)(block[j] - end) + 64);
    }
    use();
}

/* Freed twice, at once or when others came and went. */
static void twice(void)
{
    set_up();
    unsigned char *old = block[random_below(BLOCKS)];
    give(old);
    for (int i = 0; i < BLOCKS; i++)
        if (block[i] == old)
            block[i] = NULL;
    if (random_below(2) == 0)
        use();
    give(old); /* another one that starts there now is lost */
    use();
}

/* The middle of a block becomes free when it shrinks; the old end is freed. */
static void shrunk_end(void)
{
    set_up();
    int at = (int)random_below(BLOCKS);
    forget(block[at]);
    block[at] = taken(realloc(block[at], 66000), 66000);
    give(block[at] + (1 + random_below(4)) * 65536);
    use();
}

const struct attempt attempts[] = {
    {"written after free", written_after, false},
    {"written in front", in_front, false},
    {"written behind", behind, false},
    {"large block freed twice", twice, false},
    {"end of a shrunk block", shrunk_end, false},
};
const size_t attempt_count = sizeof attempts / sizeof *attempts;

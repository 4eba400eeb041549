/* SPDX-License-Identifier: MIT */
/*
 * Writes to blocks that are free, wrong sizes, and blocks that are twice in a batch. hakmem(3) says
 * which writes go unnoticed; then what is handed out must be apart all the same.
 */
#define _GNU_SOURCE
#include "misuse.h"

#include <stdint.h>

enum { MOST = 3000, BLOCKS = 64, PAGE = 4096 };
static unsigned char *taken[MOST];

/* Writes a number to each and looks whether each still has its own: two that share memory do not. */
void take_apart(const struct kind *kind)
{
    size_t count = kind->usable < PAGE ? MOST : kind->slab != 0 ? 6 * BLOCKS : BLOCKS;
    size_t end = (kind->slab != 0 ? kind->usable : kind->request) & ~(size_t)7;
    for (size_t i = 0; i < count; i++) {
        taken[i] = get(kind);
        for (size_t at = 0; at < end; at += 8)
            memcpy(taken[i] + at, &i, sizeof i);
    }
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; at < end; at += 8)
            REQUIRE(memcmp(taken[i] + at, &i, sizeof i) == 0);
}

/* Bit 0 or another of each byte: a link that is a plain number then leads to a neighbour. */
static void change(unsigned char *from, size_t bytes, size_t bit)
{
    for (size_t i = 0; i < bytes; i++)
        from[i] ^= (unsigned char)(1u << bit);
}

/* The first bytes of the mark are overwritten. */
static void mark(const struct kind *kind, size_t bytes, size_t seed)
{
    (void)seed;
    unsigned char *block = get(kind);
    free(block);
    change(opaque(block + 8), bytes, 0);
    announce_by_row("malloc", block, kind->usable);
    take_apart(kind);
}

/* The mark is all that free can tell by in a size class: the second free is taken for a first one. */
static void mark_and_double(const struct kind *kind, size_t bytes, size_t seed)
{
    (void)seed;
    unsigned char *block = get(kind);
    free(block);
    change(opaque(block + 8), bytes, 0);
    if (family(kind) != SMALL) {
        announce("free", block, family(kind) == SPAN ? TWICE_LARGE : NOT_OURS, 0);
        free(opaque(block));
        return;
    }
    announce_by_row("malloc", block, kind->usable);
    free(opaque(block));
    size_t times = 0;
    for (size_t i = 0; i < MOST / 10; i++) {
        unsigned char *got = get(kind);
        times += got == block;
        memset(got, 1, kind->usable);
    }
    REQUIRE(times == 2); /* and nothing else happens */
}

/* What is neither link nor mark. */
static void contents(const struct kind *kind, size_t at, size_t seed)
{
    (void)seed;
    unsigned char *block = get(kind);
    free(block);
    change(opaque(block + (at < kind->usable ? at : kind->usable - 1)), 1, 0);
    announce_by_row("malloc", block, kind->usable);
    take_apart(kind);
}

/*
 * Bytes of a link are overwritten while its block is on the free list of its slab. The list is left
 * at that block: always if one or two bytes were, else but for 1 case in 2^32 / blocks of a slab.
 */
static void link_of(const struct kind *kind, size_t form, size_t seed)
{
    static unsigned char *block[BLOCKS];
    void (*flush)(void) = (void (*)(void))function("hak_thread_flush");
    size_t at = form >> 4, bytes = form & 15;
    for (size_t i = 0; kind->usable < PAGE && i < 1000; i++)
        get(kind); /* a link may lead to one of these */
    for (size_t i = 0; i < BLOCKS; i++)
        block[i] = get(kind);
    for (size_t i = 0; i < BLOCKS; i++)
        if (i % 8 != 0) /* these live, so that no slab goes back */
            free(block[i]);
    flush();
    unsigned char *victim = block[seed * 16 + 3];
    change(opaque(victim + at), bytes, seed * 2);
    char reason[200];
    snprintf(reason, sizeof reason, BROKEN_LIST, kind->usable);
    announce("heap", victim, reason, 0);
    take_apart(kind);
}

/* In a thread's cache no link is used. */
static void link_in_cache(const struct kind *kind, size_t bytes, size_t seed)
{
    (void)seed;
    unsigned char *block = get(kind);
    free(block);
    change(opaque(block), bytes, 0);
    announce_silence();
    take_apart(kind);
}

static const char *const sized_names[] = {"free_sized", "hak_free_sized", "free_aligned_sized",
                                          "hak_free_aligned_sized"};
enum { SIZED = 4, ALIGNED = 2 };

static void free_sized_by(const char *name, void *block, size_t alignment, size_t size)
{
    void *f = function(name);
    if (strstr(name, "aligned") != NULL)
        ((void (*)(void *, size_t, size_t))f)(block, alignment, size);
    else
        ((void (*)(void *, size_t))f)(block, size);
}

static void announce_given(const char *call, const void *block, const char *format, size_t given,
                           size_t size)
{
    char reason[100];
    snprintf(reason, sizeof reason, format, given);
    announce(call, block, reason, size);
}

static void size_above(const struct kind *kind, size_t above, size_t call)
{
    void *block = get(kind);
    announce_given(sized_names[call], block, WRONG_SIZE, usable(kind, block) + above, usable(kind, block));
    free_sized_by(sized_names[call], block, 16, usable(kind, block) + above);
}

/* Not noticed, and the block is freed as a whole. */
static void size_below(const struct kind *kind, size_t size, size_t call)
{
    announce_silence();
    free_sized_by(sized_names[call], get(kind), 16, size);
    if (family(kind) == SMALL)
        take_apart(kind);
}

static void wrong_alignment(const struct kind *kind, size_t alignment, size_t call)
{
    void *block = get(kind);
    if (alignment != 0) /* the least that the address does not have */
        alignment = ((uintptr_t)block & -(uintptr_t)block) * 2;
    announce_given(sized_names[ALIGNED + call], block, WRONG_ALIGNMENT, alignment, usable(kind, block));
    free_sized_by(sized_names[ALIGNED + call], block, alignment, 1);
}

/* A block is twice in a batch, at places from each other that are in one run of the fast path, or not. */
static void batch_twice(const struct kind *kind, size_t apart, size_t seed)
{
    (void)seed;
    void *blocks[BLOCKS];
    void (*free_batch)(void *const *, size_t) = (void (*)(void *const *, size_t))function("hak_free_batch");
    get(kind);
    for (size_t i = 0; i <= apart; i++) {
        blocks[i] = get(kind);
        get(kind);
    }
    blocks[apart] = blocks[0];
    if (family(kind) == SMALL)
        announce("hak_free_batch", blocks[0], TWICE, kind->usable);
    else
        announce("hak_free_batch", blocks[0], family(kind) == SPAN ? TWICE_LARGE : NOT_OURS, 0);
    free_batch(blocks, apart + 1);
}

#define DAMAGE(name, run, argument, families, ...) {name, NULL, run, argument, families, __VA_ARGS__}
#define LINK(name, at, bytes) DAMAGE(name, link_of, (at) << 4 | (bytes), SMALL, .seeds = 3)

static const struct row damage_rows[] = {
    DAMAGE("mark-1", mark, 1, SMALL, BY_BUILD(SILENT, WRITTEN)),
    DAMAGE("mark-4", mark, 4, SMALL, BY_BUILD(SILENT, WRITTEN)),
    DAMAGE("mark-8", mark, 8, SMALL, BY_BUILD(SILENT, WRITTEN)),
    DAMAGE("mark-1-double", mark_and_double, 1, SMALL | SPAN, BY_BUILD(HARM, WRITTEN)),
    DAMAGE("mark-4-double", mark_and_double, 4, SMALL | SPAN, BY_BUILD(HARM, WRITTEN)),
    DAMAGE("mark-8-double", mark_and_double, 8, SMALL | SPAN, BY_BUILD(HARM, WRITTEN)),
    DAMAGE("contents-16", contents, 16, SMALL, .least = 32, BY_BUILD(SILENT, WRITTEN)),
    DAMAGE("contents-last", contents, SIZE_MAX, SMALL, .least = 32, BY_BUILD(SILENT, WRITTEN)),
    DAMAGE("link-cached-1", link_in_cache, 1, SMALL, .least = 0),
    DAMAGE("link-cached-8", link_in_cache, 8, SMALL, .least = 0),
    LINK("link-1", 0, 1),
    LINK("link-2", 0, 2),
    LINK("link-3", 0, 3),
    LINK("link-4", 0, 4),
    LINK("link-8", 0, 8),
    LINK("link+1", 1, 1),
    LINK("link+2", 2, 1),
    LINK("link+3", 3, 1),
    DAMAGE("size-above-1", size_above, 1, ALL | FIRST, .seeds = SIZED),
    DAMAGE("size-above-max", size_above, (size_t)PTRDIFF_MAX, ALL | FIRST, .seeds = 1),
    DAMAGE("size-below-1", size_below, 1, ALL | FIRST, .seeds = SIZED),
    DAMAGE("size-below-0", size_below, 0, ALL | FIRST, .seeds = 1),
    DAMAGE("alignment-0", wrong_alignment, 0, ALL | FIRST, .seeds = ALIGNED),
    DAMAGE("alignment-above", wrong_alignment, 1, ALL | FIRST, .seeds = ALIGNED),
    DAMAGE("batch-twice-1", batch_twice, 1, ALL, .least = 0),
    DAMAGE("batch-twice-2", batch_twice, 2, ALL, .least = 0),
    DAMAGE("batch-twice-40", batch_twice, 40, SMALL | SPAN, .least = 0),
};
TABLE(damage_table, damage_rows);

/* SPDX-License-Identifier: MIT */
/*
 * Accesses in front of blocks, behind them and to freed ones, and what of old contents can be read.
 * No allocator sees an access that hits memory of the program: what these rows show is which of them
 * do harm, which are found later, and which end the process at once.
 */
#define _GNU_SOURCE
#include "misuse.h"

#include <malloc.h>
#include <stdint.h>

enum { PAGE = 4096, MOST = 2000, SPARE = 64, OLD = 's', NEW = 'n' };
static unsigned char *held[MOST];
static size_t held_count;

/* Live blocks of which each ends where the next one begins. */
static unsigned char **side_by_side(const struct kind *kind, size_t count)
{
    held_count = count + (kind->usable < PAGE ? SPARE : count);
    REQUIRE(held_count <= MOST);
    for (size_t i = 0; i < held_count; i++) {
        unsigned char *block = get(kind);
        size_t at = i;
        for (; at > 0 && held[at - 1] > block; at--)
            held[at] = held[at - 1];
        held[at] = block;
    }
    size_t in_row = 1;
    for (size_t i = 1; i < held_count; i++) {
        in_row = held[i] == held[i - 1] + kind->usable ? in_row + 1 : 1;
        if (in_row == count)
            return &held[i + 1 - count];
    }
    not_there("neighbours");
}

static void free_held(void)
{
    for (size_t i = 0; i < held_count; i++)
        free(held[i]);
}

/* How many blocks so many bytes behind a block's end are in. */
static size_t blocks_of(const struct kind *kind, size_t bytes)
{
    return (bytes + kind->usable - 1) / kind->usable;
}

/* Bytes at an end of a block that an access across the end can reach; the rest of a huge block is not touched. */
static size_t filled(const struct kind *kind)
{
    return kind->usable < PAGE ? kind->usable : PAGE;
}

/* No value that a byte has stays. */
static void damage(unsigned char *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        from[i] = (unsigned char)~from[i];
}

/* ---- behind a block, and in front of it ------------------------------- */

static void overflow(const struct kind *kind, size_t bytes, size_t seed)
{
    (void)seed;
    size_t hit = blocks_of(kind, bytes);
    unsigned char **block = side_by_side(kind, hit + 1);
    for (size_t i = 1; i <= hit; i++)
        memset(block[i], NEW, filled(kind));
    announce_by_row("", NULL, 0);
    damage(opaque(block[0] + kind->usable), bytes);
    REQUIRE((block[1][0] != NEW) == does_harm());
    free_held();
}

/* The zero behind a string that is as long as its block. */
static void string_overflow(const struct kind *kind, size_t unused, size_t seed)
{
    (void)unused;
    (void)seed;
    unsigned char **block = side_by_side(kind, 2);
    memset(block[0], OLD, kind->usable);
    memset(block[1], NEW, kind->usable);
    announce_by_row("", NULL, 0);
    ((volatile char *)block[0])[kind->usable] = '\0';
    REQUIRE((block[1][0] != NEW) == does_harm());
    free_held();
}

/* More than was asked for, but no more than is usable. */
static void in_the_rest(const struct kind *kind, size_t unused, size_t seed)
{
    enum { ASKED = 100 };
    (void)kind;
    (void)unused;
    (void)seed;
    char *block = opaque(malloc(ASKED));
    announce_by_row("", NULL, 0);
    ((volatile char *)block)[ASKED] = 1;
    free(block);
}

/* The neighbours are free, in the thread's cache, and the first one is handed out next. */
static void overflow_cached(const struct kind *kind, size_t bytes, size_t seed)
{
    (void)seed;
    size_t hit = blocks_of(kind, bytes);
    unsigned char **block = side_by_side(kind, hit + 1);
    for (size_t i = hit; i > 0; i--)
        free(block[i]);
    announce_by_row("malloc", block[1], kind->usable);
    damage(opaque(block[0] + kind->usable), bytes);
    take_apart(kind);
}

/* The neighbour is free, on the list of its slab. */
static void overflow_listed(const struct kind *kind, size_t bytes, size_t seed)
{
    (void)seed;
    void (*flush)(void) = (void (*)(void))function("hak_thread_flush");
    unsigned char **block = side_by_side(kind, blocks_of(kind, bytes) + 2);
    free(block[1]);
    flush();
    announce_by_row("heap", block[1], kind->usable);
    damage(opaque(block[0] + kind->usable), bytes);
    take_apart(kind);
}

static void underflow(const struct kind *kind, size_t bytes, size_t seed)
{
    (void)seed;
    unsigned char **block = side_by_side(kind, 2);
    unsigned char *end = block[0] + kind->usable;
    memset(end - filled(kind), NEW, filled(kind));
    announce_by_row("", NULL, 0);
    damage(opaque(block[1] - bytes), bytes);
    REQUIRE((end[-1] != NEW) == does_harm());
    free_held();
}

static void underflow_cached(const struct kind *kind, size_t bytes, size_t seed)
{
    (void)seed;
    unsigned char **block = side_by_side(kind, 2);
    free(block[0]);
    announce_by_row("malloc", block[0], kind->usable);
    damage(opaque(block[1] - bytes), bytes);
    take_apart(kind);
}

static void zero_size(const struct kind *kind, size_t writes, size_t seed)
{
    (void)kind;
    (void)seed;
    unsigned char *block = opaque(malloc(0));
    announce_by_row("", NULL, 0);
    if (writes != 0)
        ((volatile unsigned char *)block)[0] = 1;
    else
        (void)((volatile unsigned char *)block)[0];
    free(block);
}

/* ---- freed blocks ------------------------------------------------------ */

/* Allocates and frees in no order, of any sizes but those of a kind. The plain kinds stand for the others. */
static void many_operations(const struct kind *kind)
{
    enum { MANY = 1000000, FEWER = 10000, PLACES = 256, LEAST = 1500, SIZES = 1000 };
    static void *place[PLACES];
    size_t least = kind->usable < LEAST ? LEAST : 1;
    unsigned random = 1;
    for (int i = 0; i < (kind->plain ? MANY : FEWER); i++) {
        random = random * 1103515245u + 12345u;
        void **at = &place[(random >> 8) % PLACES];
        if (*at != NULL) {
            free(*at);
            *at = NULL;
        } else {
            *at = opaque(malloc(least + (random >> 16) % SIZES));
        }
    }
    for (int i = 0; i < PLACES; i++)
        free(place[i]);
}

/* Takes blocks until an old pointer's place is in use again, and writes to it. */
static void use_again(const struct kind *kind, const unsigned char *block)
{
    for (int i = 0; i < MOST; i++) {
        unsigned char *other = get(kind);
        memset(other, NEW, kind->usable < PAGE ? kind->usable : PAGE);
        if (other == block)
            return;
    }
    not_there("a block that is used again");
}

static void read_freed(const struct kind *kind, size_t at, size_t seed)
{
    (void)seed;
    unsigned char *block = get(kind);
    memset(block, OLD, kind->request);
    announce_by_row("", NULL, 0);
    free(block);
    REQUIRE((((volatile unsigned char *)block)[at] == OLD) == does_harm());
}

/* Its place is another block's by then. */
static void read_late(const struct kind *kind, size_t at, size_t seed)
{
    (void)seed;
    unsigned char *block = get(kind);
    memset(block, OLD, kind->request);
    free(block);
    many_operations(kind);
    use_again(kind, block);
    announce_by_row("", NULL, 0);
    REQUIRE((((volatile unsigned char *)block)[at] == NEW) == does_harm());
}

static void write_late(const struct kind *kind, size_t at, size_t seed)
{
    (void)seed;
    unsigned char *block = get(kind);
    free(block);
    many_operations(kind);
    use_again(kind, block);
    announce_by_row("", NULL, 0);
    damage(opaque(block + at), 1);
    REQUIRE((block[at] != NEW) == does_harm());
}

/* The place is still free. */
static void write_late_free(const struct kind *kind, size_t at, size_t seed)
{
    (void)seed;
    unsigned char *block = get(kind);
    free(block);
    many_operations(kind);
    announce_by_row("malloc", block, kind->usable);
    damage(opaque(block + at), 1);
    take_apart(kind);
}

static void write_freed(const struct kind *kind, size_t at, size_t seed)
{
    (void)seed;
    unsigned char *block = get(kind);
    memset(block, NEW, kind->request);
    announce_by_row("", NULL, 0);
    free(block);
    damage(opaque(block + at), 8);
    if (family(kind) != HUGE)
        take_apart(kind);
}

/* ---- what blocks hold when they are handed out ------------------------ */

/* Whether a byte of the last owner is left, behind the first 16, which always change. */
static bool has_old(const unsigned char *block, size_t size)
{
    for (size_t i = 16; i < size; i++)
        if (block[i] == OLD)
            return true;
    return false;
}

enum way { MALLOC, CALLOC, REALLOC, ALIGNED };

static unsigned char *get_by(enum way way, size_t size)
{
    switch (way) {
    case MALLOC:
        return opaque(malloc(size));
    case CALLOC:
        return opaque(calloc(1, size));
    case REALLOC:
        return opaque(realloc(opaque(malloc(size / 2)), size));
    default:
        return opaque(aligned_alloc(16, size));
    }
}

/* A secret is freed, and its place is asked for in a way; blocks that grew may be elsewhere. */
static void secret(const struct kind *kind, size_t way, size_t seed)
{
    enum { TRIES = 8 };
    (void)seed;
    unsigned char *block[TRIES];
    for (int i = 0; i < TRIES; i++) {
        block[i] = get(kind);
        memset(block[i], OLD, kind->request);
    }
    announce_by_row("", NULL, 0);
    bool old = false;
    for (int i = 0; i < TRIES; i++)
        free(block[i]);
    for (int i = 0; i < TRIES; i++) {
        unsigned char *fresh = get_by((enum way)way, kind->request);
        REQUIRE(fresh != NULL);
        old |= has_old(fresh, kind->request);
    }
    REQUIRE(old == does_harm());
}

/* ---- marks and links that are known ----------------------------------- */

/* The mark that a block had when it was free is written to it while it is live: a free is refused. */
static void true_mark(const struct kind *kind, size_t unused, size_t seed)
{
    (void)unused;
    (void)seed;
    uint64_t mark;
    unsigned char *block = get(kind);
    free(block);
    memcpy(&mark, opaque(block + 8), sizeof mark);
    use_again(kind, block);
    announce_by_row("free", block, kind->usable);
    memcpy(opaque(block + 8), &mark, sizeof mark);
    free(opaque(block));
}

/* That of another block is none. */
static void mark_of_another(const struct kind *kind, size_t unused, size_t seed)
{
    (void)unused;
    (void)seed;
    unsigned char **block = side_by_side(kind, 2);
    free(block[0]);
    announce_by_row("", NULL, 0);
    memcpy(opaque(block[1] + 8), opaque(block[0] + 8), sizeof(uint64_t));
    free(block[1]);
    take_apart(kind);
}

/* The link of a free block is that of another one. */
static void link_of_another(const struct kind *kind, size_t unused, size_t seed)
{
    (void)unused;
    (void)seed;
    void (*flush)(void) = (void (*)(void))function("hak_thread_flush");
    unsigned char **block = side_by_side(kind, 5);
    free(block[1]);
    free(block[3]);
    flush();
    announce_by_row("heap", block[1], kind->usable);
    memcpy(opaque(block[1]), opaque(block[3]), sizeof(uint32_t));
    take_apart(kind);
}

#define ACCESS(name, run, argument, families, ...) {name, NULL, run, argument, families, __VA_ARGS__}

static const struct row access_rows[] = {
    /*                                                               release, debug */
    ACCESS("overflow-1", overflow, 1, SMALL, BY_BUILD(HARM, HARM)),
    ACCESS("overflow-8", overflow, 8, SMALL, BY_BUILD(HARM, HARM)),
    ACCESS("overflow-16", overflow, 16, SMALL, BY_BUILD(HARM, HARM)),
    ACCESS("overflow-4K", overflow, PAGE, SMALL, BY_BUILD(HARM, HARM)),
    ACCESS("overflow-string", string_overflow, 0, SMALL, BY_BUILD(HARM, HARM)),
    ACCESS("overflow-rest", in_the_rest, 0, NO_KIND, BY_BUILD(SILENT, SILENT)),
    ACCESS("overflow-cached-1", overflow_cached, 1, SMALL, BY_BUILD(SILENT, SILENT)),
    ACCESS("overflow-cached-8", overflow_cached, 8, SMALL, BY_BUILD(SILENT, SILENT)),
    ACCESS("overflow-cached-16", overflow_cached, 16, SMALL, BY_BUILD(SILENT, WRITTEN)),
    ACCESS("overflow-cached-4K", overflow_cached, PAGE, SMALL, .least = 1024, BY_BUILD(SILENT, WRITTEN)),
    ACCESS("overflow-listed-1", overflow_listed, 1, SMALL, BY_BUILD(BROKEN_LIST, BROKEN_LIST)),
    ACCESS("overflow-listed-8", overflow_listed, 8, SMALL, BY_BUILD(BROKEN_LIST, BROKEN_LIST)),
    ACCESS("overflow-listed-16", overflow_listed, 16, SMALL, BY_BUILD(BROKEN_LIST, BROKEN_LIST)),
    ACCESS("overflow-listed-4K", overflow_listed, PAGE, SMALL, BY_BUILD(BROKEN_LIST, BROKEN_LIST)),
    ACCESS("overflow-listed-by-thread", overflow_listed, 8, SMALL, .who = ANOTHER_THREAD,
           BY_BUILD(BROKEN_LIST, BROKEN_LIST)),
    ACCESS("underflow-1", underflow, 1, SMALL, BY_BUILD(HARM, HARM)),
    ACCESS("underflow-8", underflow, 8, SMALL, BY_BUILD(HARM, HARM)),
    ACCESS("underflow-16", underflow, 16, SMALL, BY_BUILD(HARM, HARM)),
    ACCESS("underflow-cached-1", underflow_cached, 1, SMALL, BY_BUILD(SILENT, WRITTEN)),
    ACCESS("underflow-cached-16", underflow_cached, 16, SMALL, BY_BUILD(SILENT, WRITTEN)),
    ACCESS("overflow-huge-1", overflow, 1, HUGE, .least = 80 << 20, BY_BUILD(HARM, HARM)),
    ACCESS("overflow-huge-4K", overflow, PAGE, HUGE, .least = 80 << 20, BY_BUILD(HARM, HARM)),
    ACCESS("underflow-huge-8", underflow, 8, HUGE, .least = 80 << 20, BY_BUILD(HARM, HARM)),
    ACCESS("zero-size-read", zero_size, 0, NO_KIND, BY_BUILD(SILENT, SILENT)),
    ACCESS("zero-size-write", zero_size, 1, NO_KIND, BY_BUILD(SILENT, SILENT)),
    ACCESS("read-freed-0", read_freed, 0, SMALL, BY_BUILD(HARM, HARM)),
    ACCESS("read-freed-16", read_freed, 16, SMALL, .least = 32, BY_BUILD(HARM, SILENT)),
    ACCESS("read-freed-large", read_freed, 100, SPAN, BY_BUILD(HARM, HARM)),
    ACCESS("read-freed-huge", read_freed, 100, HUGE, .least = 64 << 20, BY_BUILD(CRASH, CRASH)),
    ACCESS("read-late", read_late, 16, SMALL, .least = 32, BY_BUILD(HARM, HARM)),
    ACCESS("write-late", write_late, 16, SMALL, .least = 32, BY_BUILD(HARM, HARM)),
    ACCESS("write-late-free", write_late_free, 16, SMALL, .least = 32, BY_BUILD(SILENT, WRITTEN)),
    ACCESS("write-freed-large", write_freed, 100, SPAN, BY_BUILD(SILENT, SILENT)),
    ACCESS("write-freed-huge", write_freed, 100, HUGE, .least = 64 << 20, BY_BUILD(CRASH, CRASH)),
    ACCESS("secret-malloc", secret, MALLOC, SMALL, .least = 32, BY_BUILD(HARM, SILENT)),
    ACCESS("secret-calloc", secret, CALLOC, SMALL | SPAN, .least = 32, BY_BUILD(SILENT, SILENT)),
    ACCESS("secret-realloc", secret, REALLOC, SMALL, .least = 32, BY_BUILD(HARM, SILENT)),
    ACCESS("secret-aligned", secret, ALIGNED, SMALL, .least = 32, BY_BUILD(HARM, SILENT)),
    ACCESS("secret-large", secret, MALLOC, SPAN, BY_BUILD(HARM, HARM)),
    ACCESS("mark-true", true_mark, 0, SMALL, BY_BUILD(TWICE, TWICE)),
    ACCESS("mark-of-another", mark_of_another, 0, SMALL, BY_BUILD(SILENT, SILENT)),
    ACCESS("link-of-another", link_of_another, 0, SMALL, BY_BUILD(BROKEN_LIST, BROKEN_LIST)),
};
TABLE(access_table, access_rows);

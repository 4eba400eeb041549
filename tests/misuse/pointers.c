/* SPDX-License-Identifier: MIT */
/* Pointers that are not the start of a live block. */
#define _GNU_SOURCE
#include "misuse.h"

#include <hakmem/hakmem.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>

static void *free_it(void *block)
{
    free(block);
    return NULL;
}

static struct mistake twice(const struct kind *kind, void *block)
{
    if (kind->slab != 0)
        return (struct mistake){block, TWICE, kind->usable};
    return (struct mistake){block, family(kind) == SPAN ? TWICE_LARGE : NOT_OURS, 0};
}

/* ---- freed before ------------------------------------------------------ */

/*
 * A number of others are freed after the block: of the same kind, if that is no great matter. Their
 * neighbours live, so that no slab goes back and no free span grows together with another.
 */
static struct mistake freed_before(const struct kind *kind, size_t others)
{
    enum { MOST = 5000, GREAT = 1 << 29 };
    static void *other[MOST];
    size_t step = kind->usable * 2 * (others + 1) <= GREAT ? 2 : 0;
    void *before = get(kind), *block = get(kind), *after = get(kind);
    for (size_t i = 0; i < others; i++) {
        other[i] = step != 0 ? get(kind) : opaque(malloc(100));
        if (step != 0)
            get(kind);
    }
    opaque(before);
    opaque(after);
    free(block);
    for (size_t i = 0; i < others; i++)
        free(other[i]);
    return twice(kind, block);
}

static struct mistake freed_after_trim(const struct kind *kind, size_t unused)
{
    struct mistake mistake = freed_before(kind, unused);
    /* what is in front of one that has grown may be free and grow together with it: two lines are due */
    if (kind->how != BY_REALLOC || family(kind) != SPAN)
        malloc_trim(0);
    return mistake;
}

/* The block is on the list of its slab by then. */
static struct mistake freed_and_flushed(const struct kind *kind, size_t others)
{
    struct mistake mistake = freed_before(kind, others);
    ((void (*)(void))function("hak_thread_flush"))();
    return mistake;
}

static struct mistake freed_and_purged(const struct kind *kind, size_t others)
{
    struct mistake mistake = freed_before(kind, others);
    ((size_t(*)(void))function("hak_purge"))();
    return mistake;
}

/* Size 0 frees it; any other moves it to where there is room, or leaves it. */
static struct mistake freed_by_realloc(const struct kind *kind, size_t size)
{
    struct mistake mistake = twice(kind, NULL);
    char *before = get(kind);
    mistake.pointer = get(kind);
    opaque(before);
    opaque(get(kind));
    REQUIRE(opaque(realloc(mistake.pointer, size)) != mistake.pointer);
    return mistake;
}

static struct mistake freed_by_thread(const struct kind *kind, size_t unused)
{
    struct mistake mistake = twice(kind, (void *)unused);
    void *before = get(kind);
    mistake.pointer = get(kind);
    opaque(before);
    opaque(get(kind));
    in_thread(free_it, mistake.pointer);
    return mistake;
}

static void *thread_block;
static void *take_and_free(void *kind)
{
    void *before = get(kind);
    thread_block = get(kind);
    opaque(before);
    opaque(get(kind));
    free(thread_block);
    return NULL;
}

static struct mistake freed_by_ended_thread(const struct kind *kind, size_t unused)
{
    (void)unused;
    in_thread(take_and_free, (void *)(uintptr_t)kind);
    return twice(kind, thread_block);
}

enum { OLD = 4000 };
static char *old[OLD];

/* Slabs' worth of blocks that are all freed, and given back. */
static size_t give_slabs_back(const struct kind *kind)
{
    size_t count = 3 * kind->slab / kind->usable;
    if (count > OLD)
        count = OLD;
    for (size_t i = 0; i < count; i++)
        old[i] = get(kind);
    for (size_t i = 0; i < count; i++)
        free(old[i]);
    malloc_trim(0);
    return count;
}

/* No slab is where the block was. */
static struct mistake slab_gone(const struct kind *kind, size_t unused)
{
    (void)unused;
    size_t count = give_slabs_back(kind);
    return (struct mistake){old[count / 2], GONE, 0};
}

/* The slab serves the class again, but this block has not been handed out since. */
static struct mistake slab_reborn(const struct kind *kind, size_t unused)
{
    (void)unused;
    size_t count = give_slabs_back(kind);
    uintptr_t base = (uintptr_t)get(kind) & ~(uintptr_t)(kind->slab - 1);
    char *last = NULL;
    for (size_t i = 0; i < count; i++)
        if (((uintptr_t)old[i] & ~(uintptr_t)(kind->slab - 1)) == base && old[i] > last)
            last = old[i];
    REQUIRE(last != NULL);
    return (struct mistake){last, NEVER, kind->usable};
}

/* The slab's memory serves blocks of another size, which start elsewhere. */
static struct mistake slab_of_others(const struct kind *kind, size_t size)
{
    enum { GRANULE = 65536, OTHERS = 4000 };
    size_t count = give_slabs_back(kind);
    for (int other = 0; other < OTHERS; other++) {
        uintptr_t base = (uintptr_t)opaque(malloc(size)) & ~(uintptr_t)(GRANULE - 1);
        for (size_t i = 0; i < count; i++)
            if ((uintptr_t)old[i] - base < GRANULE && ((uintptr_t)old[i] - base) % size != 0)
                return (struct mistake){old[i], INSIDE, size};
    }
    not_there("memory that is used again");
}

/* The same, and it would be the start of one of these, but that has not been handed out. */
static struct mistake slab_of_others_start(const struct kind *kind, size_t size)
{
    enum { GRANULE = 65536 };
    size_t count = give_slabs_back(kind);
    char *last = NULL;
    for (int other = 0; last == NULL && other < OLD; other++) {
        uintptr_t base = (uintptr_t)opaque(malloc(size)) & ~(uintptr_t)(GRANULE - 1);
        for (size_t i = 0; i < count; i++)
            if ((uintptr_t)old[i] - base < GRANULE / size * size &&
                ((uintptr_t)old[i] - base) % size == 0 && old[i] > last)
                last = old[i];
    }
    if (last == NULL || ((uintptr_t)last & (GRANULE - 1)) < GRANULE / 2)
        not_there("a block that was not handed out");
    return (struct mistake){last, NEVER, size};
}

/* The same, and it is the start of a live one: hakmem(3) says that this is freed then. */
static void slab_of_others_live(const struct kind *kind, size_t size, size_t seed)
{
    (void)seed;
    size_t count = give_slabs_back(kind);
    for (int other = 0; other < OLD; other++) {
        char *block = opaque(malloc(size));
        for (size_t i = 0; i < count; i++)
            if (old[i] == block) {
                announce_by_row("", NULL, 0);
                free(block);
                REQUIRE((opaque(malloc(size)) == block) == does_harm());
                return;
            }
    }
    not_there("a block where another one was");
}

/* ---- never a block ----------------------------------------------------- */

enum { MIDDLE = SIZE_MAX / 2 / 16, LAST };

static struct mistake interior(const struct kind *kind, size_t offset)
{
    char *block = get(kind);
    if (offset == MIDDLE)
        offset = kind->usable / 32 * 16;
    else if (offset == LAST)
        offset = usable(kind, block) - 1;
    if (kind->slab != 0)
        return (struct mistake){block + offset, INSIDE, kind->usable};
    return (struct mistake){block + offset, INSIDE_LARGE, 0};
}

/* Of neighbours the second one is freed, then the place where the first one ends. */
static struct mistake end_of_block(const struct kind *kind, size_t unused)
{
    (void)unused;
    for (size_t i = 0; i < OLD; i++) {
        old[i] = get(kind);
        for (size_t j = 0; j < i; j++)
            if (old[j] == old[i] + kind->usable || old[i] == old[j] + kind->usable) {
                char *second = old[j] > old[i] ? old[j] : old[i];
                free(second);
                return twice(kind, second);
            }
    }
    not_there("neighbours");
}

/* In the granule of a large block, which does not begin with it. */
static struct mistake in_front(const struct kind *kind, size_t unused)
{
    (void)unused;
    for (int i = 0; i < 64; i++) {
        char *block = get(kind);
        if (((uintptr_t)block & 0xffff) != 0)
            return (struct mistake){block - 16, INSIDE_LARGE, 0};
    }
    not_there("a block that does not begin with a granule");
}

static char *slab_of(const struct kind *kind, const void *block)
{
    int (*block_info)(const void *, hak_block_info_t *) =
        (int (*)(const void *, hak_block_info_t *))function("hak_block_info");
    hak_block_info_t info = {.struct_size = sizeof info};
    REQUIRE(block_info(block, &info) == 0 && info.slab_size == kind->slab);
    return info.slab;
}

/* Behind the last block of a slab, at its start and just before the slab's end. */
static struct mistake tail(const struct kind *kind, size_t from_end)
{
    char *slab = slab_of(kind, get(kind));
    size_t offset = from_end != 0 ? kind->slab - from_end : kind->slab / kind->usable * kind->usable;
    return (struct mistake){slab + offset, INSIDE, kind->usable};
}

/* The last place of the slab, while blocks are taken from its beginning. */
static struct mistake never_carved(const struct kind *kind, size_t live)
{
    char *block = get(kind);
    for (size_t i = 1; i < live; i++)
        get(kind);
    char *slab = slab_of(kind, block);
    size_t last = kind->slab / kind->usable - 1;
    return (struct mistake){slab + last * kind->usable, NEVER, kind->usable};
}

static void *take_one(void *kind)
{
    thread_block = get(kind);
    return NULL;
}

/* The same in a slab of a thread that has ended: no heap holds it. */
static struct mistake never_carved_by_ended_thread(const struct kind *kind, size_t unused)
{
    (void)unused;
    in_thread(take_one, (void *)(uintptr_t)kind);
    size_t last = kind->slab / kind->usable - 1;
    return (struct mistake){slab_of(kind, thread_block) + last * kind->usable, NEVER, kind->usable};
}

/* The next place: in the thread's cache already, unless blocks are so large that they come one by one. */
static struct mistake never_taken(const struct kind *kind, size_t unused)
{
    enum { PAGE = 4096 };
    (void)unused;
    return (struct mistake){(char *)get(kind) + kind->usable,
                            kind->usable < PAGE ? TWICE : NEVER, kind->usable};
}

/* ---- memory of others -------------------------------------------------- */

static char global[64] __attribute__((aligned(16))) = "not zero";
static _Thread_local char of_thread[64] __attribute__((aligned(16)));

enum place {
    STACK, GLOBAL, CONSTANT, CODE, THREAD_LOCAL, ENVIRONMENT, MAPPING, UNMAPPED, ARENA, LIBRARY,
    RECORDS, NUMBER
};

/* A mapping that is writable, has no file, and holds no blocks: records of the library. */
static void *records(void)
{
    bool (*owns)(const void *) = (bool (*)(const void *))function("hak_owns");
    static char text[65536];
    int file = open("/proc/self/maps", O_RDONLY);
    size_t length = 0;
    ssize_t got = 0;
    while ((got = read(file, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    close(file);
    for (char *line = text; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
        unsigned long start = 0, end = 0, inode = 1;
        char access[5] = "", path[2] = "";
        line += *line == '\n';
        if (sscanf(line, "%lx-%lx %4s %*x %*x:%*x %lu%*[ ]%1[^\n]", &start, &end, access, &inode, path) >= 4 &&
            strcmp(access, "rw-p") == 0 && inode == 0 && path[0] != '[' && !owns((void *)start))
            return (void *)(start + (end - start) / 32 * 16);
    }
    not_there("a mapping of records");
}

static void *map(void)
{
    void *pages = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(pages != MAP_FAILED);
    return pages;
}

static void *place(enum place where, char *on_stack)
{
    char *pages = NULL;
    switch (where) {
    case STACK:
        return on_stack;
    case GLOBAL:
        return global;
    case CONSTANT:
        return (void *)(uintptr_t) "a constant";
    case CODE:
        return (void *)(uintptr_t)place;
    case THREAD_LOCAL:
        return of_thread;
    case ENVIRONMENT:
        return getenv("PATH");
    case MAPPING:
        return map();
    case UNMAPPED:
        pages = map();
        munmap(pages, 65536);
        return pages;
    case ARENA:
        pages = map(); /* a block of the program's own allocator, behind a header of its own */
        memset(pages, 'h', 64);
        return pages + 64;
    case LIBRARY:
        return function("malloc");
    default:
        return records();
    }
}

static struct mistake foreign(const struct kind *kind, size_t where)
{
    static char *on_stack;
    char here[64] __attribute__((aligned(16)));
    (void)kind;
    on_stack = opaque(here);
    void *pointer = where >= NUMBER ? (void *)(where - NUMBER) : place((enum place)where, on_stack);
    return (struct mistake){pointer, NOT_OURS, 0};
}

/* Blocks of 80 MiB that were unmapped. */
static struct mistake unmapped(const struct kind *kind, size_t unused)
{
    (void)unused;
    void *block = get(kind);
    free(block);
    malloc_trim(0);
    return (struct mistake){block, NOT_OURS, 0};
}

#define ADDRESS(number) (NUMBER + (size_t)(number))
#define POINTER(name, make, argument, families, ...) {name, make, NULL, argument, families, __VA_ARGS__}

static const struct row pointer_rows[] = {
    POINTER("double-0", freed_before, 0, ALL | FIRST, .every_call = true),
    POINTER("double-1", freed_before, 1, ALL | FIRST, .least = 0),
    POINTER("double-40", freed_before, 40, ALL, .least = 0),
    POINTER("double-5000", freed_before, 5000, ALL, .least = 0),
    POINTER("double-trimmed", freed_after_trim, 40, ALL, .least = 0),
    POINTER("double-flushed", freed_and_flushed, 0, ALL, .least = 0),
    POINTER("double-purged", freed_and_purged, 0, SMALL, .every_call = true),
    POINTER("double-by-realloc", freed_by_realloc, 256 << 10, SMALL, .least = 0),
    POINTER("double-by-realloc-0", freed_by_realloc, 0, ALL | FIRST, .least = 0),
    POINTER("double-unmapped", unmapped, 0, HUGE, .least = 0),
    POINTER("double-by-thread", freed_before, 0, ALL | FIRST, .who = ANOTHER_THREAD),
    POINTER("double-after-thread", freed_by_thread, 0, ALL | FIRST, .least = 0),
    POINTER("double-by-threads", freed_by_thread, 0, ALL | FIRST, .who = ANOTHER_THREAD),
    POINTER("double-after-end", freed_by_ended_thread, 0, ALL, .every_call = true),
    POINTER("double-in-child", freed_before, 0, ALL | FIRST, .who = CHILD),
    POINTER("slab-gone", slab_gone, 0, SMALL, .every_call = true),
    POINTER("slab-reborn", slab_reborn, 0, SMALL, .every_call = true),
    POINTER("slab-reborn-by-thread", slab_reborn, 0, SMALL, .who = ANOTHER_THREAD),
    POINTER("slab-of-others", slab_of_others, 1536, SMALL, .most = 32768),
    POINTER("slab-of-others-start", slab_of_others_start, 1536, SMALL, .most = 1024),
    {"slab-of-others-live", NULL, slab_of_others_live, 1536, SMALL, .most = 32768, BY_BUILD(HARM, HARM)},
    POINTER("inside+1", interior, 1, ALL | FIRST, .least = 0),
    POINTER("inside+8", interior, 8, ALL | FIRST, .every_call = true),
    POINTER("inside+16", interior, 16, ALL | FIRST, .least = 17),
    POINTER("inside-middle", interior, MIDDLE, ALL | FIRST, .least = 32, .every_call = true),
    POINTER("inside-last", interior, LAST, ALL | FIRST, .least = 0),
    POINTER("inside-by-thread", interior, 8, ALL | FIRST, .who = ANOTHER_THREAD),
    POINTER("inside+64K", interior, 65536, SPAN | HUGE, .least = 0),
    POINTER("end", end_of_block, 0, SMALL, .least = 0),
    POINTER("in-front", in_front, 0, SPAN, .most = 128 << 10),
    POINTER("tail", tail, 0, SMALL, .needs_tail = true, .every_call = true),
    POINTER("tail-end", tail, 16, SMALL, .needs_tail = true),
    POINTER("tail-by-thread", tail, 0, SMALL, .needs_tail = true, .who = ANOTHER_THREAD),
    POINTER("never-carved", never_carved, 1, SMALL, .every_call = true),
    POINTER("never-carved-2", never_carved, 2, SMALL, .least = 0),
    POINTER("never-carved-by-thread", never_carved, 1, SMALL, .who = ANOTHER_THREAD),
    POINTER("never-carved-after-end", never_carved_by_ended_thread, 0, SMALL, .least = 0),
    POINTER("never-taken", never_taken, 0, SMALL, .least = 0),
    POINTER("stack", foreign, STACK, NO_KIND, .every_call = true),
    POINTER("global", foreign, GLOBAL, NO_KIND, .least = 0),
    POINTER("constant", foreign, CONSTANT, NO_KIND, .least = 0),
    POINTER("code", foreign, CODE, NO_KIND, .least = 0),
    POINTER("thread-local", foreign, THREAD_LOCAL, NO_KIND, .least = 0),
    POINTER("environment", foreign, ENVIRONMENT, NO_KIND, .least = 0),
    POINTER("mapping", foreign, MAPPING, NO_KIND, .least = 0),
    POINTER("unmapped", foreign, UNMAPPED, NO_KIND, .every_call = true),
    POINTER("other-allocator", foreign, ARENA, NO_KIND, .least = 0),
    POINTER("library", foreign, LIBRARY, NO_KIND, .least = 0),
    POINTER("records", foreign, RECORDS, NO_KIND, .least = 0),
    POINTER("number-1", foreign, ADDRESS(1), NO_KIND, .every_call = true),
    POINTER("number-16", foreign, ADDRESS(16), NO_KIND, .least = 0),
    POINTER("number-4080", foreign, ADDRESS(4080), NO_KIND, .least = 0),
    POINTER("not-canonical", foreign, ADDRESS(SIZE_MAX / 2 - 15), NO_KIND, .least = 0),
    POINTER("kernel-half", foreign, ADDRESS(SIZE_MAX - 0xffff), NO_KIND, .every_call = true),
};
TABLE(pointer_table, pointer_rows);

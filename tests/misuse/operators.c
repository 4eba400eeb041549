/* SPDX-License-Identifier: MIT */
/* Blocks of one family of functions that are freed by one of another, and sizes and alignments that differ. */
#define _GNU_SOURCE
#include "misuse.h"

enum { SIZE = 100, USABLE = 112, ALIGNMENT = 4096 };

typedef void *new_fn(size_t size);
typedef void *aligned_new_fn(size_t size, size_t alignment);
typedef void delete_fn(void *block);
typedef void sized_delete_fn(void *block, size_t size);
typedef void sized_aligned_delete_fn(void *block, size_t size, size_t alignment);

enum maker { BY_C, BY_NEW, BY_NEW_ARRAY, BY_NEW_ALIGNED, BY_HAK };
enum ender { C_FREE, HAK_FREE, DELETE, DELETE_ARRAY, DELETE_ALIGNED, DELETE_SIZED, DELETE_SIZED_ARRAY,
             DELETE_SIZED_ALIGNED };

/* By their mangled names: nothing here needs a C++ compiler. */
#if __SIZEOF_SIZE_T__ == __SIZEOF_LONG__ && __SIZEOF_LONG__ == 8
#define MANGLED(before, after) before "m" after
#else
#define MANGLED(before, after) before "j" after
#endif

static void *make(enum maker how)
{
    static const char *const names[] = {"malloc", MANGLED("_Znw", ""), MANGLED("_Zna", ""),
                                        MANGLED("_Znw", "St11align_val_t"), "hak_malloc"};
    void *f = function(names[how]);
    void *block = how == BY_NEW_ALIGNED ? ((aligned_new_fn *)f)(SIZE, ALIGNMENT) : ((new_fn *)f)(SIZE);
    REQUIRE(block != NULL);
    return block;
}

static void end(enum ender how, void *block, size_t size, size_t alignment)
{
    static const char *const names[] = {"free", "hak_free", "_ZdlPv", "_ZdaPv", "_ZdlPvSt11align_val_t",
                                        MANGLED("_ZdlPv", ""), MANGLED("_ZdaPv", ""),
                                        MANGLED("_ZdlPv", "St11align_val_t")};
    void *f = function(names[how]);
    if (how == DELETE_SIZED_ALIGNED)
        ((sized_aligned_delete_fn *)f)(block, size, alignment);
    else if (how == DELETE_SIZED || how == DELETE_SIZED_ARRAY)
        ((sized_delete_fn *)f)(block, size);
    else if (how == DELETE_ALIGNED)
        ((sized_delete_fn *)f)(block, alignment);
    else
        ((delete_fn *)f)(block);
}

/* What a row's argument holds. */
#define PAIR(maker, ender, size) ((size_t)(maker) | (size_t)(ender) << 4 | (size_t)(size) << 8)

static void mismatch(const struct kind *kind, size_t pair, size_t seed)
{
    (void)kind;
    (void)seed;
    make(BY_C); /* the first block of a slab has any alignment */
    void *block = make((enum maker)(pair & 15));
    announce_by_row("operator delete", block, USABLE);
    end((enum ender)(pair >> 4 & 15), block, pair >> 8, ALIGNMENT);
}

/* A second delete. */
static void twice(const struct kind *kind, size_t pair, size_t seed)
{
    (void)kind;
    (void)seed;
    void *block = make((enum maker)(pair & 15));
    enum ender how = (enum ender)(pair >> 4 & 15);
    end(how, block, pair >> 8, ALIGNMENT);
    announce_by_row("operator delete", block, USABLE);
    end(how, opaque(block), pair >> 8, ALIGNMENT);
}

#define TOO_LARGE "wrong size 113: this is a block"
#define MISALIGNED "wrong alignment 4096: this is a block"

#define MISMATCH(name, maker, ender, size, release, debug)                                              \
    {name, NULL, mismatch, PAIR(maker, ender, size), NO_KIND, .seeds = 1, BY_BUILD(release, debug)}
#define SECOND(name, maker, ender, size, release, debug)                                                \
    {name, NULL, twice, PAIR(maker, ender, size), NO_KIND, .seeds = 1, BY_BUILD(release, debug)}

static const struct row operator_rows[] = {
    /*                                                                       release, debug */
    MISMATCH("new-free", BY_NEW, C_FREE, 0, SILENT, SILENT),
    MISMATCH("new-hak_free", BY_NEW, HAK_FREE, 0, SILENT, SILENT),
    MISMATCH("new-array-free", BY_NEW_ARRAY, C_FREE, 0, SILENT, SILENT),
    MISMATCH("malloc-delete", BY_C, DELETE, 0, SILENT, SILENT),
    MISMATCH("malloc-delete-array", BY_C, DELETE_ARRAY, 0, SILENT, SILENT),
    MISMATCH("hak_malloc-delete", BY_HAK, DELETE, 0, SILENT, SILENT),
    MISMATCH("new-delete-array", BY_NEW, DELETE_ARRAY, 0, SILENT, SILENT),
    MISMATCH("new-array-delete", BY_NEW_ARRAY, DELETE, 0, SILENT, SILENT),
    MISMATCH("aligned-new-delete", BY_NEW_ALIGNED, DELETE, 0, SILENT, SILENT),
    MISMATCH("new-aligned-delete", BY_NEW, DELETE_ALIGNED, 0, SILENT, SILENT),
    MISMATCH("delete-larger", BY_NEW, DELETE_SIZED, USABLE + 1, TOO_LARGE, TOO_LARGE),
    MISMATCH("delete-array-larger", BY_NEW_ARRAY, DELETE_SIZED_ARRAY, USABLE + 1, TOO_LARGE, TOO_LARGE),
    MISMATCH("delete-smaller", BY_NEW, DELETE_SIZED, 1, SILENT, SILENT),
    MISMATCH("delete-rest", BY_NEW, DELETE_SIZED, USABLE, SILENT, SILENT),
    MISMATCH("delete-alignment", BY_NEW, DELETE_SIZED_ALIGNED, SIZE, MISALIGNED, MISALIGNED),
    SECOND("delete-twice", BY_NEW, DELETE, 0, TWICE, TWICE),
    SECOND("delete-array-twice", BY_NEW_ARRAY, DELETE_ARRAY, 0, TWICE, TWICE),
    SECOND("delete-sized-twice", BY_NEW, DELETE_SIZED, SIZE, TWICE, TWICE),
    SECOND("free-delete-twice", BY_C, DELETE, 0, TWICE, TWICE),
};
TABLE(operator_table, operator_rows);

/* SPDX-License-Identifier: MIT */
/* The record of a run of granules. */
#ifndef HAK_PAGE_SPAN_H
#define HAK_PAGE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/params.h"

/*
 * A span of the arena from here on may have been advised. Blocks of less hold no whole huge page, or
 * one that nobody would ask for.
 */
enum { HAK_ADVISED_UNITS = 32 };

/* The most granules that a span in a thread's span cache has. */
enum { HAK_SPAN_CACHE_UNITS = 16 };

static_assert(HAK_GROWN_MAX < HAK_ADVISED_UNITS * HAK_GRANULE, "what grew serves others that grow");

enum hak_span_state { HAK_SPAN_UNUSED, HAK_SPAN_FREE, HAK_SPAN_LIVE };

/*
 * A free span is on one list of the page arena and its first and last granule
 * lead to it; a live one belongs to whoever allocated it. All fields change
 * under the lock of the arena, or of the cache of huge mappings for those.
 */
struct hak_span {
    struct hak_span *next;
    union {
        struct hak_span *prev;
        size_t requested; /* of a live one, in the hardened variant: bytes of its block; by whoever has that */
    };
    uintptr_t base;
    size_t units;         /* granules */
    size_t size;          /* usable bytes of a live block; as offset */
    union {
        /* Of a live mapping of its own: what was asked for last, in whole pages; of a guarded block in bytes. */
        size_t asked;
        /*
         * Of one of the arena: bytes that do not count as memory. Of a live one whole pages in front of
         * its block and behind, which nobody may touch; of a free one so many, anywhere.
         */
        size_t uncounted;
    };
    /*
     * Where that begins, from the base on; less than a granule. Whoever has a block changes it before
     * the program gets it; others read it under the lock, as a guess.
     */
    _Atomic uint32_t offset;
    uint8_t state;        /* hak_span_state */
    bool dirty;           /* may hold something else than zeroes */
    bool pinned;          /* a free one that is dirty: the system has refused to take it (purge.h) */
    bool bare;            /* free, and neither readable nor writable */
    bool room;            /* free, and the block in front of it may grow into it */
    bool lacking;         /* a live one that is dirty: parts of it had no memory when it was taken */
    _Atomic bool cached;  /* a live one: freed, and in a thread's span cache; by whoever frees or takes it */
    _Atomic bool sampled; /* a live one: the profiler has a record of its block; by whoever has the block */
    bool advised;         /* the program may have given wishes about its pages, by madvise or mlock */
    bool guarded;         /* a guarded block's, and part of a record of its own (guarded.h) */
    uint8_t kind;         /* enum hak_kind of a live one, in the hardened variant; as requested */
};

HAK_INLINE void *hak__span_block(const struct hak_span *span)
{
    return (void *)(span->base + hak_load_relaxed(&span->offset));
}

/*
 * What the program may use of a live block. A guarded block may have nothing; its record then has a byte,
 * since readers take a block without for a record that is changing.
 */
HAK_INLINE size_t hak__span_usable(const struct hak_span *span)
{
    return hak_unlikely(span->guarded) ? span->asked : span->size;
}

HAK_INLINE size_t hak__span_bytes(const struct hak_span *span)
{
    return span->units << HAK_GRANULE_SHIFT;
}

HAK_INLINE uintptr_t hak__span_end(const struct hak_span *span)
{
    return span->base + hak__span_bytes(span);
}

HAK_INLINE size_t hak__span_counted(const struct hak_span *span)
{
    return hak__span_bytes(span) - span->uncounted;
}

#endif

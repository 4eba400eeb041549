/* SPDX-License-Identifier: MIT */
/* Statistics of a process, read along its statistics block from inside or outside. */
#ifndef HAK_API_SNAPSHOT_H
#define HAK_API_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/stats_block.h"

struct hak_class_snapshot {
    uint64_t slabs, capacity, free;
    uint64_t bytes;  /* of the slabs' pages that have memory */
    uint64_t out;    /* handed out by slabs and the starter: live, cached or in a chain */
    uint64_t cached; /* in bins and chains */
    uint64_t starter; /* live ones of the starter, which has room for no other of the class */
};

struct hak_snapshot {
    uint64_t value[HAK_STAT_COUNT];
    struct hak_class_snapshot class[HAK_CLASS_COUNT];
    uint64_t starter_bytes; /* of the pages of the starter that have memory */
    struct {
        uint64_t acquisitions, waits;
    } lock[HAK_LOCK_COUNT];
};

/* Copies memory of the process; false when it cannot be read. Sizes and addresses: words. */
typedef bool hak_peek(const void *context, const void *from, void *to, size_t size);

/*
 * Reads all, by no more than so many calls of peek; false when they do not suffice, or when memory
 * cannot be read or leads astray. The block is a copy or the own.
 */
bool hak__snapshot_read(const struct hak_stats_block *block, hak_peek *peek, const void *context,
                        uint64_t reads, struct hak_snapshot *snapshot);

/* A heap, which a thread has, or which waits for one. */
struct hak_heap_snapshot {
    uint32_t id;
    uint32_t thread;           /* the one that has it, as its gettid(2) says; 0: none */
    uint64_t requested_bytes;  /* of it so far; of these, by threads that had it before: */
    uint64_t requested_before;
    uint64_t cached_bytes;
};

typedef void hak_heap_visit(const struct hak_heap_snapshot *heap, void *visitor);

/* The same, and calls visit for each heap, the newest first, if it is not NULL. */
bool hak__snapshot_read_heaps(const struct hak_stats_block *block, hak_peek *peek, const void *context,
                              uint64_t reads, struct hak_snapshot *snapshot, hak_heap_visit *visit,
                              void *visitor);

/* What of a class is live; what changed meanwhile may hide some. */
uint64_t hak__class_live(const struct hak_class_snapshot *class);

#endif

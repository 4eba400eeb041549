/* SPDX-License-Identifier: MIT */
/*
 * The page arena: spans of whole granules for large blocks and SuperSlabs.
 *
 *     warm     free spans with memory behind them, by size: 1 to 32 granules, more
 *     advised  the same of blocks of 2 MiB and more, to whose pages the program may have given
 *              wishes, as for huge pages: these would outlive the block
 *     pinned   warm ones of which the system has refused to take memory back (purge.h)
 *     cold     free spans that are zero
 *     bare     the same, without memory, commit charge or wishes: PROT_NONE
 *     fresh    what no span had yet (region.h)
 *
 * They are looked through in this order, for zeroed memory from cold on. Advised ones only serve
 * blocks of 2 MiB and more again; for all others they become bare first, which is what a purge makes
 * of them and of spans of 1 MiB and more. Smaller ones become cold. Where address space is wanted by
 * others a purge unmaps spans of 1 MiB and more, and once the system has refused any, all.
 *
 * Neighbours of one kind are joined, unless they were freed while spans were kept whole. A block of
 * 2 MiB or more that fits into no warm span takes warm memory and what is free beside it, before it is
 * all of one of the other kinds.
 */
#ifndef HAK_PAGE_ARENA_H
#define HAK_PAGE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/lock.h"
#include "page/span.h"

extern struct hak_lock hak__arena_lock;

/*
 * Whether spans stay as they are, neither joined when they are freed nor cut: blocks use little of them.
 * Written by fill.c, read by any thread; it only steers.
 */
extern _Atomic bool hak__arena_keeps_whole;

/*
 * A span of that many granules, aligned to a power of two of granules, or NULL.
 * span->dirty tells whether it may hold something else than zeroes; with zero set one that
 * does not is looked for first. Any thread.
 */
struct hak_span *hak__arena_alloc(size_t units, size_t align_units, bool zero);

/*
 * The same for a block that will grow: with address space behind it that others take last, and from
 * its far end. NULL where there is none without fresh memory, if fresh is false. Any thread.
 */
struct hak_span *hak__arena_alloc_to_grow(size_t units, bool fresh);

/*
 * Gives a span back that the page map no longer shows as live; span->dirty says
 * whether it may hold something else than zeroes. Any thread.
 */
void hak__arena_free(struct hak_span *span);

/* Enlarges a live span where it is; false when its neighbour is not free. Any thread. */
bool hak__arena_grow(struct hak_span *span, size_t units);

/* How many granules a live span may have where it is, as of now. Any thread. */
size_t hak__arena_room(const struct hak_span *span);

/* Gives the end of a live span back; false when that cannot be recorded. Any thread. */
bool hak__arena_shrink(struct hak_span *span, size_t units);

/* A span record for other users, recycled by hak__span_release. NULL when there is none. */
struct hak_span *hak__span_acquire(void);
void hak__span_release(struct hak_span *span);

/* Sees to address space for SuperSlabs of so many bytes, if the system gives it. Any thread. */
void hak__arena_reserve(size_t bytes);

/* Whether an address is in a region, where no span has been yet. Any thread. */
bool hak__arena_is_fresh(uintptr_t address);

/* Bytes of free spans that may have memory behind them, counted anew. Any thread. */
size_t hak__arena_warm(void);

#endif

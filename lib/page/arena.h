/* SPDX-License-Identifier: MIT */
/*
 * The page arena: spans of whole granules for large blocks and SuperSlabs.
 *
 *     warm   free spans with memory behind them, by size: 1 to 32 granules, more
 *     pinned the same of which the system has refused to take memory back (purge.h)
 *     cold   free spans without memory behind them, by size
 *     fresh  the untouched middle of a region:
 *
 *            region [ SuperSlabs ►  |   fresh, PROT_NONE   |  ◄ large blocks ]
 *                   base          low                     high            end
 *
 * Warm comes before pinned, then cold, fresh, a new region. Equal neighbours (both
 * warm, both pinned or both cold) are joined. Regions are address space
 * set aside: the first has 3 MiB, each further one as much as all before, less
 * when the system refuses. Once it has refused, cold spans are unmapped.
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
 * A span of that many granules, aligned to a power of two of granules, or NULL.
 * span->dirty tells whether it may hold something else than zeroes; with zero set one that
 * does not is looked for first. Any thread.
 */
struct hak_span *hak__arena_alloc(size_t units, size_t align_units, bool zero);

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

/*
 * Returns warm memory to the system until that many bytes have gone or the time is past, until
 * then in steps of HAK_PURGE_STEP; how many went. With pinned_too all that is pinned is tried again.
 */
size_t hak__arena_purge(size_t bytes, int64_t until, bool pinned_too);

/* What hak__arena_purge is made of. The largest warm span, or so many granules of it, or NULL. */
struct hak_span *hak__arena_take_warm(size_t most);
/* It is listed again; so many granules from the first one on could not be purged. How many could. */
size_t hak__arena_put_purged(struct hak_span *span, size_t first, size_t stay);
/* It is listed again, as it was. */
void hak__arena_put_warm(struct hak_span *span);
/* What is pinned is warm again. */
void hak__arena_unpin(void);

/* A span record for other users, recycled by hak__span_release. NULL when there is none. */
struct hak_span *hak__span_acquire(void);
void hak__span_release(struct hak_span *span);

/* Bytes of free spans that may have memory behind them, counted anew. Any thread. */
size_t hak__arena_warm(void);

/* Bytes of regions that are readable and writable; written under the lock, read by any thread. */
extern _Atomic size_t hak__committed_bytes;

#endif

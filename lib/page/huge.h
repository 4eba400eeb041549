/* SPDX-License-Identifier: MIT */
/*
 * Huge blocks: a mapping each, starting on a granule so that the page map can show it, by a few
 * words however long it is (pieces.h). A freed one is kept for reuse within the retention bound,
 * since fresh pages cost far more than the block's administration.
 */
#ifndef HAK_PAGE_HUGE_H
#define HAK_PAGE_HUGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/atomic.h"
#include "os/lock.h"
#include "page/span.h"

extern struct hak_lock hak__huge_lock;

/* A live mapping of at least that many bytes, shown in the page map, or NULL. Any thread. */
struct hak_span *hak__huge_alloc(size_t size, size_t alignment);

/*
 * The start of the largest mapping that is kept, for a block that will grow: the rest stays kept, as
 * its room. NULL where none has at least so many bytes, which is no less than the size.
 */
struct hak_span *hak__huge_reuse_to_grow(size_t size, size_t least);
/* Whether there is one, as of now. Any thread. */
bool hak__huge_has_to_grow(size_t least);

/*
 * As hak__huge_alloc, for a fresh mapping from 2 MiB on that shall lie in huge pages, or shall not; once freed
 * it is not kept, since the wish would stay with it. Any thread.
 */
struct hak_span *hak__huge_alloc_advised(size_t size, size_t alignment, bool huge_pages);

/* Takes the mapping out of the page map and keeps or unmaps it. Any thread. */
void hak__huge_free(struct hak_span *span);

/*
 * Makes a live mapping larger or smaller, moving its pages, not its bytes, when
 * it cannot stay and may move; span->base then changes. False leaves everything as it was.
 */
bool hak__huge_resize(struct hak_span *span, size_t size, bool may_move);

/*
 * Whether an address lies in a live mapping; the page map alone does not tell, see pieces.h. Any
 * thread, without the lock.
 */
bool hak__huge_covers(const void *address);
/* Whether the library holds the memory at an address. */
bool hak__owns(const void *address);

/* Unmaps kept mappings, the oldest first; otherwise as hak__arena_purge. */
size_t hak__huge_purge(size_t bytes, int64_t until, bool pinned_too);

/* Bytes of kept mappings that may have memory behind them, counted anew. Any thread. */
size_t hak__huge_cached_bytes(void);

/* Bytes of live huge blocks, and their number; any thread adds, they are only reported. */
extern _Atomic size_t hak__huge_bytes, hak__huge_blocks;
/* Mappings that serve no block, newest first; under hak__huge_lock. */
extern struct hak_span *hak__huge_newest;

#endif

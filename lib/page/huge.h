/* SPDX-License-Identifier: MIT */
/*
 * Huge blocks: a mapping each, starting on a granule so that the page map can
 * show it. A freed one is kept for reuse within the retention bound, since
 * fresh pages cost far more than the block's administration.
 */
#ifndef HAK_PAGE_HUGE_H
#define HAK_PAGE_HUGE_H

#include <stdbool.h>
#include <stddef.h>

#include "os/lock.h"
#include "page/span.h"

extern struct hak_lock hak__huge_lock;

/* A live mapping of at least that many bytes, shown in the page map, or NULL. Any thread. */
struct hak_span *hak__huge_alloc(size_t size, size_t alignment);

/* Takes the mapping out of the page map and keeps or unmaps it. Any thread. */
void hak__huge_free(struct hak_span *span);

/*
 * Makes a live mapping larger or smaller, moving its pages, not its bytes, when
 * it cannot stay; span->base then changes. False leaves everything as it was.
 */
bool hak__huge_resize(struct hak_span *span, size_t size);

/* Unmaps kept mappings, the oldest first, until that many bytes have gone; how many went. */
size_t hak__huge_purge(size_t bytes);

/* Bytes of kept mappings that may have memory behind them, counted anew. Any thread. */
size_t hak__huge_kept(void);

/* Bytes of live huge blocks, and their number. */
size_t hak__huge_live(size_t *count);

#endif

/* SPDX-License-Identifier: MIT */
/* Free spans of the arena on their way to a purge (purge.h) and back. */
#ifndef HAK_PAGE_ARENA_PURGE_H
#define HAK_PAGE_ARENA_PURGE_H

#include <stdbool.h>
#include <stddef.h>

#include "page/span.h"

/*
 * The largest span that is advised, else of the warm ones, or so
 * many granules of it; the largest bare or cold one. NULL when there is none. ways: what may be done
 * with it when it is zero. added: bytes of it that have no memory, and count from now on.
 */
enum { HAK_BY_UNMAPPING = 1, HAK_BY_STRIPPING = 2 };
struct hak_span *hak__arena_take_dirty(size_t most, unsigned *ways, size_t *added);
struct hak_span *hak__arena_take_zero(bool bare, unsigned *ways);
/* Bytes of the bare spans, or of the cold ones. */
size_t hak__arena_zero(bool bare);
/*
 * It is listed again; so many granules from the first one on could not be purged. How many could.
 * fate: what has become of one that is zero.
 */
enum hak_fate { HAK_PURGED, HAK_STRIPPED, HAK_UNMAPPED };
size_t hak__arena_put_purged(struct hak_span *span, size_t first, size_t stay, enum hak_fate fate);
/* It is listed again, as it was. */
void hak__arena_put_back(struct hak_span *span);
/* What is pinned is warm again. */
void hak__arena_unpin(void);
/* Learns whether address space is limited; and gives up what is fresh, if others want it. */
void hak__arena_read_limit(void);
void hak__arena_give_back_fresh(void);

#endif

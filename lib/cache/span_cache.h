/* SPDX-License-Identifier: MIT */
/*
 * The span cache: a few large blocks that a thread has freed and will likely
 * want again, of just the size they had.
 *
 * It spares the arena's lock, the page map's granules and the retention bound for
 * programs that allocate and free one large buffer after the other. What is kept
 * counts as live, is shown in the page map by its first granule alone, and goes
 * to the arena when its place is needed, when the thread flushes, and when it ends.
 */
#ifndef HAK_CACHE_SPAN_CACHE_H
#define HAK_CACHE_SPAN_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "page/span.h"

struct hak_heap;

/* A span that a thread keeps has at most so many granules; all of them together as many bytes. */
enum { HAK_SPAN_CACHE_UNITS = 16, HAK_SPAN_CACHE_BYTES = 2 << 20 };

/* A kept span of that many granules, live again, or NULL. Owner thread only. */
struct hak_span *hak__span_cache_take(struct hak_heap *heap, size_t units);

/* Keeps a live span of the page arena that its holder frees; false when it is not kept. Owner thread only. */
bool hak__span_cache_put(struct hak_heap *heap, struct hak_span *span);

/* Gives all that is kept to the arena. Owner thread only. */
void hak__span_cache_flush(struct hak_heap *heap);

/* Gives a live span back to the arena. Any thread. */
void hak__span_free(struct hak_span *span);

#endif

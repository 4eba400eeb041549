/* SPDX-License-Identifier: MIT */
/*
 * The free spans of the page arena, on lists by kind (arena.h) and size: 1 to 32 granules, more.
 *
 * All functions and variables are used under hak__arena_lock.
 */
#ifndef HAK_PAGE_SPANS_H
#define HAK_PAGE_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "page/span.h"

enum hak_span_kind {
    HAK_SPAN_WARM,
    HAK_SPAN_ADVISED,
    HAK_SPAN_PINNED,
    HAK_SPAN_COLD,
    HAK_SPAN_BARE,
    HAK_SPAN_KINDS
};

/* A record, or NULL without memory; and one that is not needed any more. */
struct hak_span *hak__spans_record_locked(void);
void hak__spans_spare_locked(struct hak_span *span);

/* Lists a free span as it is, and takes one off its list. */
void hak__spans_list_locked(struct hak_span *span);
void hak__spans_unlist_locked(struct hak_span *span);

/* Joins a span that is on no list with its equals, and lists what they are together. */
struct hak_span *hak__spans_join_locked(struct hak_span *span);

/* All of a free span counts as memory from now on; whether limit_hard allows it. */
bool hak__spans_count_locked(struct hak_span *span);

/*
 * Cuts a part out of a listed span, which counts as a whole then; NULL, and nothing else has changed,
 * without a record for the rest or where limit_hard forbids it.
 */
struct hak_span *hak__spans_cut_locked(struct hak_span *span, uintptr_t start, size_t units);
/* The same for an aligned part: at the start, or where that is another's room, at the end. */
struct hak_span *hak__spans_take_locked(struct hak_span *span, size_t units, size_t align_units);

/* The smallest listed span of the kind that fits, or NULL; and the largest, or NULL. */
struct hak_span *hak__spans_find_locked(enum hak_span_kind kind, size_t units, size_t align_units);
struct hak_span *hak__spans_largest_locked(enum hak_span_kind kind);
/* One of units to most granules, of about the smallest the one that was listed last; or NULL. */
struct hak_span *hak__spans_find_near_locked(enum hak_span_kind kind, size_t units, size_t most);
/* A warm one for a block that will grow to so much: it may do so in what is free behind, too. */
struct hak_span *hak__spans_find_to_grow_locked(size_t units, size_t wanted);

/*
 * Warm memory, at least a quarter of so much, with what is free around it, of any kind: the span in
 * which the whole begins, and where; or NULL.
 */
struct hak_span *hak__spans_find_mixed_locked(size_t units, size_t align_units,
                                               uintptr_t *start);

/* Which free spans may follow each other: all, or those up to the first one that is advised. */
enum hak_spans_in_a_row { HAK_ANY_SPANS, HAK_UNADVISED_SPANS };

/* How many granules from an address on are free in such a row: all, or at least as many as wanted. */
size_t hak__spans_free_from_locked(uintptr_t address, size_t wanted, enum hak_spans_in_a_row which);

/* What is pinned is as what is warm again, and joined with it; false when nothing was. */
bool hak__spans_unpin_locked(void);

/* The bytes of all spans of a kind, counted anew. */
size_t hak__spans_bytes_locked(enum hak_span_kind kind);

/* How many of the spans are bare. */
extern size_t hak__bare_spans;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * All blocks of a process, from outside, as hak_heap_walk gives them from inside; free ones, too.
 *
 *     page map ──► slab records ──► words and marks of blocks ──┐
 *         └──────► spans and mappings ──────────────────────────┼──► visit, by rising address
 *     heaps ─────► caches, chains, mail (places.h) ─────────────┘
 *
 * Of what changes meanwhile the walk gives what it finds. Nothing is believed: a record that does
 * not agree with the page map is passed over and counted, and the reads are bounded.
 */
#ifndef HAK_TOOLS_READER_WALK_H
#define HAK_TOOLS_READER_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "reader/block.h"
#include "reader/reader.h"

/* Enough for 256 GiB of small blocks. */
enum { READER_READS_MOST = 1 << 22 };

/* The block is a copy that remote_block_read has found good. */
enum reader_result reader_walk(const struct remote_memory *memory, const struct hak_stats_block *block,
                               uint64_t reads, reader_visit *visit, void *context,
                               struct reader_summary *summary);

/*
 * The same without looking at blocks that are in use for sure: a slab is visited as a whole, by `slabs`, and is
 * read only where some of its blocks are free, or with `unread` not at all. Blocks that are moving may be given as
 * live, and then those as well that are chained or on the lists of slabs: all of them have marks, if there are marks.
 * `visit` gets all that is in no such slab.
 */
enum reader_result reader_walk_slabs(const struct remote_memory *memory, const struct hak_stats_block *block,
                                     bool unread, reader_slab_visit *slabs, reader_visit *visit,
                                     void *context, struct reader_summary *summary);

#endif

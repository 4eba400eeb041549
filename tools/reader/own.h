/* SPDX-License-Identifier: MIT */
/*
 * The memory of the library in a process: its heap, its page map and its records. What leads from there to
 * a block is the library's bookkeeping, and no use that the program has for it.
 */
#ifndef HAK_TOOLS_READER_OWN_H
#define HAK_TOOLS_READER_OWN_H

#include "reader/live.h"
#include "reader/mappings.h"

/*
 * Adds it to ranges, sorted. The live blocks are of the same memory; the library's block is at an address.
 * Of a library that is part of the program its variables are not told from those of the program.
 */
enum reader_result own_read(struct reader_ranges *own, const struct remote_memory *memory,
                            const struct hak_stats_block *block, uintptr_t address, const struct live *live,
                            const struct reader_mappings *mappings);

/* Adds its records alone: of slabs and threads, the page map, and the profiler's samples. */
enum reader_result own_read_records(struct reader_ranges *own, const struct remote_memory *memory,
                                    const struct hak_stats_block *block);

/* Adds the freed mappings that it keeps for reuse, which the page map does not show; the ranges are sorted then. */
enum reader_result own_read_kept(struct reader_ranges *kept, const struct remote_memory *memory,
                                 const struct hak_stats_block *block);

#endif

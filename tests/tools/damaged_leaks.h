/* SPDX-License-Identifier: MIT */
/* The search for leaks in memory that is damaged, for snapshot_damaged. */
#ifndef HAK_TESTS_DAMAGED_LEAKS_H
#define HAK_TESTS_DAMAGED_LEAKS_H

#include <stdint.h>

#include "reader/memory.h"

/*
 * Searches memory for leaks, as hakmem leaks does. What the memory does not have, the contents of blocks in
 * particular, is made of the bytes. Aborts when what is found keeps to no bounds; else the blocks in use, lost
 * or not.
 */
uint64_t damaged_search(const struct remote_memory *memory, const struct hak_stats_block *block, uintptr_t address,
                        const uint8_t *bytes, size_t size);

#endif

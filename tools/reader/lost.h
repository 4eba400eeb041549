/* SPDX-License-Identifier: MIT */
/*
 * Which of the lost blocks are lost by themselves, and which because what led to them is lost.
 *
 *     A ──► B ──► C      A is the first, B and C are lost with it
 *     D ◄─► E            the larger one is the first
 */
#ifndef HAK_TOOLS_READER_LOST_H
#define HAK_TOOLS_READER_LOST_H

#include "reader/reach.h"

/*
 * The lost blocks are those that are WANTED. Sets FIRST for as few of them as lead to all others. Of each
 * group of blocks that lead to each other, and to which no other one leads, it is the largest one, of equal
 * ones that with the lowest address: so it is the same in each run. Each first block is visited, and then those
 * that are lost with it and with no other one before. False without memory.
 */
typedef void lost_visit(const struct live_block *block, bool first, void *context);
bool lost_find_first(struct reach *reach, lost_visit *visit, void *context);

#endif

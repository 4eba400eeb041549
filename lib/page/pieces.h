/* SPDX-License-Identifier: MIT */
/*
 * Mappings in the page map: a few words each, however long they are.
 *
 * The granules behind a mapping's first are cut into pieces, runs of 2^k granules that start at a
 * multiple of 2^k, each as long as fits. The map shows the first granule of each piece, with the
 * code HAK_CODE_INSIDE + k, and has nothing for the others:
 *
 *     granule    5      6         8                       16        18
 *              | HUGE | INSIDE+1 | INSIDE+3              | INSIDE+1 | INSIDE+0 |   14 granules
 *
 * A mapping of n granules has at most 2 log2 n pieces. A granule lies in a piece if for some k the
 * granule at the next lower multiple of 2^k is shown with HAK_CODE_INSIDE + k or more. The pieces
 * of a mapping follow each other, so these look-ups lead from any address to the first granule.
 *
 * Spans of the page arena show each granule, by hak__pagemap_show, since each is used again alone;
 * their further granules are pieces of one.
 *
 * While pieces change, a look-up may miss what is covered all the time. Whoever has to be right
 * holds the lock under which they change, hak__huge_lock.
 */
#ifndef HAK_PAGE_PIECES_H
#define HAK_PAGE_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Makes sure that the map can show a mapping of so many granules, which then cannot fail. */
bool hak__pieces_ensure(uintptr_t base, size_t units);

/* Shows a mapping by its pieces, and then its first granule with this word and record. */
void hak__pieces_show(uintptr_t base, size_t units, uint32_t word, void *record);

/* Hides all of a mapping of so many granules. */
void hak__pieces_hide(uintptr_t base, size_t units);

/* Changes how many granules are shown; the first one stays as it is. */
void hak__pieces_resize(uintptr_t base, size_t old_units, size_t units);

/* The first granule of what covers an address: its own one if that lies in no piece. Any thread. */
uintptr_t hak__pieces_first(uintptr_t address);

#endif

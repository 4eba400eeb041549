/* SPDX-License-Identifier: MIT */
#include "page/pieces.h"

#include "base/bits.h"
#include "page/pagemap.h"

/* Addresses here are numbers of granules. A run is what is behind a mapping's first granule. */
struct run {
    uintptr_t start, end;
};

static struct run behind_first(uintptr_t base, size_t units)
{
    uintptr_t first = base >> HAK_GRANULE_SHIFT;
    struct run run = {first + 1, first + units};
    return run;
}

/* The k of the piece that starts at a granule of a run that ends there. */
static unsigned level_at(uintptr_t start, uintptr_t end)
{
    unsigned aligned = hak__lowest_bit(start), fits = hak__highest_bit(end - start);
    return aligned < fits ? aligned : fits;
}

static uintptr_t next_piece(uintptr_t start, uintptr_t end)
{
    return start + ((uintptr_t)1 << level_at(start, end));
}

static void set(uintptr_t granule, uint32_t word)
{
    hak__pagemap_set_words(granule << HAK_GRANULE_SHIFT, 1, word);
}

bool hak__pieces_ensure(uintptr_t base, size_t units)
{
    struct run run = behind_first(base, units);
    bool ensured = hak__pagemap_ensure(base, HAK_GRANULE);
    for (uintptr_t at = run.start; ensured && at < run.end; at = next_piece(at, run.end))
        ensured = hak__pagemap_ensure(at << HAK_GRANULE_SHIFT, HAK_GRANULE);
    return ensured;
}

/* Each old piece lies in a new one, or the other way round: only where one began can another. */
void hak__pieces_resize(uintptr_t base, size_t old_units, size_t units)
{
    struct run old = behind_first(base, old_units), run = behind_first(base, units);
    for (uintptr_t at = old.start; at < old.end; at = next_piece(at, old.end))
        set(at, HAK_CODE_NONE);
    for (uintptr_t at = run.start; at < run.end; at = next_piece(at, run.end))
        set(at, HAK_CODE_INSIDE + level_at(at, run.end));
}

void hak__pieces_show(uintptr_t base, size_t units, uint32_t word, void *record)
{
    hak__pieces_resize(base, 1, units);
    hak__pagemap_set(base, word, record);
}

void hak__pieces_hide(uintptr_t base, size_t units)
{
    hak__pieces_resize(base, units, 1);
    hak__pagemap_set_words(base, 1, HAK_CODE_NONE);
}

/*
 * Moves a granule to the start of the piece in which it lies; false if it lies in none. The search
 * ends at the first granule with a word: a longer piece would cover that one, too.
 */
static bool find_piece(uintptr_t *granule)
{
    for (unsigned level = 0; level < HAK_INSIDE_LEVELS; level++) {
        uintptr_t start = *granule >> level << level;
        uint32_t word = hak__pagemap_word(start << HAK_GRANULE_SHIFT);
        if (word == HAK_CODE_NONE)
            continue;
        *granule = start;
        return hak__is_inside(word) && word - HAK_CODE_INSIDE >= level;
    }
    return false;
}

uintptr_t hak__pieces_first(uintptr_t address)
{
    uintptr_t granule = address >> HAK_GRANULE_SHIFT;
    for (uintptr_t start = granule; find_piece(&start); start = granule)
        granule = start - 1;
    return granule << HAK_GRANULE_SHIFT;
}

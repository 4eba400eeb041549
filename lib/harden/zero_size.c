/* SPDX-License-Identifier: MIT */
#include "harden/zero_size.h"

#include "base/bits.h"
#include "os/os.h"

enum { WORD_BITS = 64, PLACES = HAK_ZERO_SIZE_BYTES / HAK_ALIGNMENT, WORDS = PLACES / WORD_BITS };

_Atomic uintptr_t hak__zero_size_base;

/*
 * A bit is set while its place is live: by any thread that finds it clear, and cleared by whoever frees
 * the block. Nothing but the bit belongs to a place, so no order is needed.
 */
static _Atomic uint32_t turn; /* the word to look at next; wraps */

/* The range, and behind it the bits: whoever comes second gives his own back. */
static uintptr_t begin(void)
{
    size_t bits = WORDS * sizeof(uint64_t), all = HAK_ZERO_SIZE_BYTES + bits;
    char *range = hak__os_reserve(all, HAK_GRANULE);
    uintptr_t none = 0;
    if (range == NULL)
        return 0;
    if (!hak__os_commit(range + HAK_ZERO_SIZE_BYTES, bits) ||
        !hak_cas_acq_rel(&hak__zero_size_base, &none, (uintptr_t)range)) {
        hak__os_unmap_unused(range, all);
        return none;
    }
    return (uintptr_t)range;
}

static _Atomic uint64_t *word_of(uintptr_t base, size_t word)
{
    return (_Atomic uint64_t *)(base + HAK_ZERO_SIZE_BYTES) + word;
}

void *hak__zero_size_alloc(void)
{
    uintptr_t base = hak_load_acquire(&hak__zero_size_base);
    if (base == 0 && (base = begin()) == 0)
        return NULL;
    for (uint32_t tried = 0; tried < WORDS; tried++) {
        uint32_t at = hak_add_relaxed(&turn, 1) % WORDS;
        _Atomic uint64_t *word = word_of(base, at);
        uint64_t clear = ~hak_load_relaxed(word);
        if (clear == 0)
            continue;
        unsigned bit = hak__lowest_bit(clear);
        if ((hak_or_relaxed(word, (uint64_t)1 << bit) >> bit & 1) == 0)
            return (void *)(base + ((uintptr_t)at * WORD_BITS + bit) * HAK_ALIGNMENT);
    }
    return NULL;
}

static size_t place_of(uintptr_t base, const void *block)
{
    return ((uintptr_t)block - base) / HAK_ALIGNMENT;
}

bool hak__zero_size_is_live(const void *block)
{
    uintptr_t base = hak_load_acquire(&hak__zero_size_base);
    size_t place = place_of(base, block);
    return (uintptr_t)block % HAK_ALIGNMENT == 0 &&
           (hak_load_relaxed(word_of(base, place / WORD_BITS)) >> place % WORD_BITS & 1) != 0;
}

bool hak__zero_size_free(const void *block)
{
    uintptr_t base = hak_load_acquire(&hak__zero_size_base);
    size_t place = place_of(base, block);
    uint64_t bit = (uint64_t)1 << place % WORD_BITS;
    return (uintptr_t)block % HAK_ALIGNMENT == 0 &&
           (hak_and_relaxed(word_of(base, place / WORD_BITS), ~bit) & bit) != 0;
}

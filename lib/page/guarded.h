/* SPDX-License-Identifier: MIT */
/*
 * Guarded blocks: alone in the pages they lie in, between pages that nobody can read or write.
 *
 *     | gap | slot: 1 MiB          | gap | slot                 | gap | ...        one reservation
 *           ^inaccessible [ | block]     ^[block | ]inaccessible
 *
 * A gap is a granule. A block lies at the end of its slot, where reading on meets the gap, or at the start; what
 * is left of its first or last page holds a pattern that is looked at when the block is freed. Nothing
 * else of the slot is accessible, and nothing at all once the block is freed. A slot serves again when
 * no other one is left, the one that was freed first before the others; so that some are always freed, a quarter
 * of them is never live.
 *
 * For the page map and for readers a guarded block is a huge block: its word is HAK_CODE_HUGE in the granule in
 * which it begins, and the record there is the span that a slot's record begins with.
 *
 *     word of a slot = when it was freed, counted in frees << 2 | state
 *
 * It changes by compare-and-swap, which makes one thread of several the one that takes a slot, or frees its
 * block; what is in the record belongs to that thread until it stores the next word with release. No ABA:
 * whatever comes of the same word again is as good. A thread that is gone with a fork leaves its slot TAKEN.
 */
#ifndef HAK_PAGE_GUARDED_H
#define HAK_PAGE_GUARDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "page/span.h"

enum hak_guard_state { HAK_GUARD_UNUSED, HAK_GUARD_TAKEN, HAK_GUARD_LIVE, HAK_GUARD_FREED };
enum { HAK_GUARD_STATES = 4, HAK_GUARD_FRAMES = 32 };

/* Who has allocated or freed a block. */
struct hak_guard_stack {
    uint32_t thread; /* as gettid(2) says */
    uint32_t depth;
    uint64_t frame[HAK_GUARD_FRAMES]; /* where calls return to, the innermost first */
};

struct hak_guard {
    /*
     * Of a freed block as it was. bare: the slot is a reservation but for the pages of a live block, else all of it
     * is marked but for those; dirty: it may be accessible though it has no block.
     */
    struct hak_span span;
    _Atomic uint64_t word;
    struct hak_guard_stack allocated, freed;
};

/* All slots; nothing before the first block. */
struct hak_guards {
    uintptr_t start;         /* of the first slot; in front of it is a gap */
    size_t stride;           /* from slot to slot */
    struct hak_guard *slots;
    uint32_t count;
};

/* Set once, with release; read by any thread. */
extern _Atomic(struct hak_guards *) hak__guards;

HAK_INLINE enum hak_guard_state hak__guard_state(const struct hak_guard *guard)
{
    return (enum hak_guard_state)(hak_load_acquire(&guard->word) % HAK_GUARD_STATES);
}

HAK_INLINE uintptr_t hak__guard_block(const struct hak_guard *guard)
{
    return (uintptr_t)hak__span_block(&guard->span);
}

/*
 * A live block of up to HAK_GUARDED_MAX bytes, all zero, at the end of its slot or at the start. It is shown
 * by hak__guard_show. NULL where no slot serves, the alignment does not fit, or memory is refused or locked.
 * Any thread, without locks held.
 */
struct hak_guard *hak__guard_take(size_t size, size_t alignment, bool at_end);
/* From now on the page map shows the block. */
void hak__guard_show(struct hak_guard *guard);

/* Makes a live block the caller's to free; false where it is another's. */
bool hak__guard_claim(struct hak_guard *guard);
/* What was written beside a block that the caller has claimed, or NULL. */
const void *hak__guard_written(const struct hak_guard *guard);
/* Makes a claimed block inaccessible. */
void hak__guard_free(struct hak_guard *guard);

/* The slot whose block an address belongs to, or is nearest to; NULL for one that is in none. Any thread. */
struct hak_guard *hak__guard_near(uintptr_t address);

/* How far an address is from the nearest byte of a slot's block; below 0: in front of it, 0: in it. */
ptrdiff_t hak__guard_distance(const struct hak_guard *guard, uintptr_t address);

#endif

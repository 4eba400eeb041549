/* SPDX-License-Identifier: MIT */
#include "page/fill.h"

#include "base/annotate.h"
#include "base/bits.h"
#include "core/options.h"
#include "os/os.h"
#include "page/locked.h"
#include "page/pagemap.h"
#include "page/retain.h"

/* Any thread, in any order: all of this only steers. */
static _Atomic uintptr_t last_end;    /* eight bytes near the end of the last block with fresh memory */
static _Atomic unsigned filled;       /* one more for each that was filled, half for each that was not */
static _Atomic int64_t no_huge_until; /* ms */
static HAK_WRITTEN_OFTEN _Atomic unsigned freed; /* blocks, since the arena keeps spans whole */
static _Atomic unsigned unfilled;     /* one more for each that was not, half for each that was */

enum { CERTAIN = 8 };

/*
 * What is locked has all its memory, and under a limit what is retained has to serve all blocks: who
 * locks or limits ends it (locked.c, hak_control.c).
 */
static void note(bool written)
{
    enum { LIKELY = 4 };
    unsigned count = hak_load_relaxed(&unfilled);
    /* what was filled with zeroes looks the same, but then all that was taken is resident */
    written = written || hak__os_peak() > hak_load_relaxed(&hak__taken_bytes) / 2;
    count = written ? count / 2 : count + (count < CERTAIN);
    hak_store_relaxed(&unfilled, count);
    hak_store_relaxed(&hak__arena_keeps_whole,
                      count >= LIKELY && hak__option(HAK_OPTION_LIMIT_HARD) == 0 &&
                          hak__option(HAK_OPTION_LIMIT_SOFT) == 0 &&
                          !hak__locked_in_future());
}

/*
 * Learns from the last one, of which more than once that it is filled. One that serves no block any more
 * may have lost its memory.
 */
static void learn(bool again)
{
    uintptr_t end = hak_load_relaxed(&last_end);
    uint32_t word = hak__pagemap_word(end);
    unsigned count = hak_load_relaxed(&filled);
    if (word == HAK_CODE_NONE)
        return;
    bool written = hak__os_is_written((void *)end);
    if (written || (!again && (word == HAK_CODE_LARGE || word == HAK_CODE_INSIDE)))
        note(written);
    count = written ? count + (count < CERTAIN) : count / 2;
    hak_store_relaxed(&filled, count);
}

/*
 * With huge pages, which the arena takes care to keep apart (arena.h). If the system has to work for
 * them, or the host of a virtual machine, they are not worth it.
 */
static void populate(uintptr_t start, uintptr_t end)
{
    enum { HUGE_LEAST = 2, PAUSE_MS = 10000, SLOW = 1 << 19 /* bytes a ms */, PREEMPTED_MS = 8 };
    uintptr_t first = hak__align_up(start, HAK_SUPERSLAB), behind = hak__align_down(end, HAK_SUPERSLAB);
    int64_t now = 0;
    bool huge = first < behind && behind - first >= HUGE_LEAST * HAK_SUPERSLAB &&
                (now = hak__os_now_ms()) >= hak_load_relaxed(&no_huge_until);
    if (huge)
        hak__os_huge_pages((void *)first, behind - first, true);
    hak__os_populate((void *)start, end - start);
    if (huge && hak__os_now_ms() - now > PREEMPTED_MS + (int64_t)((end - start) / SLOW))
        hak_store_relaxed(&no_huge_until, now + PAUSE_MS);
}

void hak__fill_expect_slow(const struct hak_span *span, size_t size)
{
    enum { LIKELY = 2 };
    size_t page = hak__os_page_size();
    uintptr_t block = (uintptr_t)hak__span_block(span);
    if (hak__is_watched() || hak_load_relaxed(&hak__memory_is_locked) || hak__os_is_sandboxed())
        return;
    learn(span->dirty);
    if (hak_load_relaxed(&filled) >= LIKELY && span->units >= HAK_FILL_UNITS &&
        hak__option(HAK_OPTION_POPULATE) != 0)
        populate(hak__align_down(block, page), hak__align_up(block + size, page));
    if (!span->dirty)
        hak_store_relaxed(&last_end, block + hak__align_down(size - sizeof(uint64_t), page));
}

/*
 * Within the quarter of it that the program has asked for at least (arena.c), and not where another block
 * may have begun. Seldom as long as it is certain.
 */
void hak__fill_observe_slow(const struct hak_span *span)
{
    enum { PERIOD = 64, SHARE = 4, LEAST = 2 * SHARE };
    uintptr_t at = (uintptr_t)hak__span_block(span) + hak__align_down(span->size / SHARE, hak__os_page_size());
    if (span->units < LEAST || at % hak__os_page_size() == 0)
        return; /* who asks for whole pages may have wishes about them: one that waits for userfaultfd(2) */
    unsigned count = hak_load_relaxed(&freed) + 1;
    hak_store_relaxed(&freed, count);
    bool certain = hak_load_relaxed(&unfilled) == CERTAIN;
    if ((!certain || count % PERIOD == 0) && !hak__os_is_sandboxed())
        note(hak__os_is_written((void *)at));
}

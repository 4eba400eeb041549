/* SPDX-License-Identifier: MIT */
#include "page/fill.h"

#include "base/annotate.h"
#include "base/bits.h"
#include "core/options.h"
#include "os/os.h"
#include "page/locked.h"
#include "page/pagemap.h"

/* Any thread, in any order: all of this only steers. */
static _Atomic uintptr_t last_end;    /* eight bytes near the end of the last block with fresh memory */
static _Atomic unsigned filled;       /* one more for each that was filled, half for each that was not */
static _Atomic int64_t no_huge_until; /* ms */

/* Whether new blocks are likely to be filled; learns from the last one. */
static bool is_likely(void)
{
    enum { LIKELY = 2, CERTAIN = 8 };
    uintptr_t end = hak_load_relaxed(&last_end);
    unsigned count = hak_load_relaxed(&filled);
    if (hak__pagemap_word(end) == HAK_CODE_NONE)
        return false;
    if (!hak__os_is_written((void *)end))
        count /= 2;
    else if (count < CERTAIN)
        count++;
    hak_store_relaxed(&filled, count);
    return count >= LIKELY;
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
    size_t page = hak__os_page_size();
    uintptr_t block = (uintptr_t)hak__span_block(span);
    if (hak__is_watched() || hak__option(HAK_OPTION_POPULATE) == 0 ||
        hak_load_relaxed(&hak__memory_is_locked))
        return;
    if (is_likely())
        populate(hak__align_down(block, page), hak__align_up(block + size, page));
    if (!span->dirty)
        hak_store_relaxed(&last_end, block + hak__align_down(size - sizeof(uint64_t), page));
}

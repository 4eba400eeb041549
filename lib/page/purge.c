/* SPDX-License-Identifier: MIT */
#include "page/purge.h"

#include "base/params.h"
#include "base/probe.h"
#include "core/stats.h"
#include "os/deadline.h"
#include "os/os.h"
#include "page/arena.h"
#include "page/arena_purge.h"
#include "page/locked.h"
#include "page/pagemap.h"
#include "page/retain.h"

_Atomic size_t hak__purges_refused;

static bool purge(uintptr_t base, size_t first, size_t units)
{
    hak__locked_drop(base + first * HAK_GRANULE, units * HAK_GRANULE);
    if (hak__os_purge((void *)(base + first * HAK_GRANULE), units * HAK_GRANULE))
        return true;
    hak_add_relaxed(&hak__purges_refused, 1);
    return false;
}

/*
 * By halves, as long as one of them goes: six calls fail for a locked page in a SuperSlab, three
 * where all is locked.
 */
size_t hak__purge_around(uintptr_t base, size_t units, size_t *first)
{
    size_t start = 0;
    bool gone = purge(base, 0, units);
    while (!gone && units > 1) {
        size_t half = units / 2;
        bool low = purge(base, start, half), high = purge(base, start + half, units - half);
        if (!low && !high)
            break;
        gone = low && high; /* unlocked meanwhile */
        start += low ? half : 0;
        units = low ? units - half : half;
    }
    *first = start;
    return gone ? 0 : units;
}

void hak__purge_count(size_t bytes)
{
    hak__count(HAK_COUNTER_PURGES, 1);
    hak__count(HAK_COUNTER_PURGED_BYTES, bytes);
    HAK_PROBE1(hakmem, purge, bytes);
}

/*
 * The memory is zero, or shall go with all that was asked for its pages. Address space may be
 * another's at once, so the page map forgets it before.
 */
static enum hak_fate shed(const struct hak_span *span, unsigned ways)
{
    void *base = (void *)span->base;
    size_t size = span->units * HAK_GRANULE;
    if (hak_load_relaxed(&hak__memory_is_locked))
        return HAK_PURGED; /* see shed_rest */
    if ((ways & HAK_BY_UNMAPPING) != 0) {
        hak__pagemap_set_words(span->base, span->units, HAK_CODE_NONE);
        if (hak__os_unmap(base, size))
            return HAK_UNMAPPED;
        hak__pagemap_set_words(span->base, span->units, HAK_CODE_SPAN_INSIDE);
    }
    return (ways & HAK_BY_STRIPPING) != 0 && hak__os_strip(base, size) ? HAK_STRIPPED : HAK_PURGED;
}

/*
 * A span that may be more than a SuperSlab is put back when it is refused: from then on the steps
 * are small, so that little stays around what is pinned. How many bytes went.
 */
static size_t purge_span(struct hak_span *span, unsigned ways, size_t *most)
{
    uintptr_t base = span->base;
    size_t units = span->units, first = 0, stay = 0;
    enum hak_fate fate = HAK_PURGED;
    if (span->advised)
        fate = shed(span, ways);
    if (fate != HAK_PURGED)
        return hak__arena_put_purged(span, 0, 0, fate) * HAK_GRANULE;
    if (units <= HAK_SUPERSLAB_UNITS) {
        stay = hak__purge_around(base, units, &first);
    } else if (!purge(base, 0, units)) {
        *most = HAK_SUPERSLAB_UNITS;
        hak__arena_put_back(span);
        return 0;
    }
    if (stay == 0 && !span->advised)
        fate = shed(span, ways);
    return hak__arena_put_purged(span, first, stay, fate) * HAK_GRANULE;
}

/*
 * What is zero already: its charge goes, and its address space where others want that. Where what
 * is mapped is locked, and counts at once, address space is the better the older it is. Not more
 * than there was at the start: what functions in front of mmap free meanwhile would keep it going.
 */
static void shed_rest(void)
{
    if (hak_load_relaxed(&hak__memory_is_locked))
        return;
    for (int bare = 0; bare < 2; bare++) {
        enum hak_fate fate = HAK_STRIPPED;
        size_t done = 0, most = hak__arena_zero(bare);
        unsigned ways = 0;
        struct hak_span *span = NULL;
        while (fate != HAK_PURGED && done < most &&
               (span = hak__arena_take_zero(bare, &ways)) != NULL) {
            done += span->units * HAK_GRANULE;
            fate = shed(span, ways);
            hak__arena_put_purged(span, 0, 0, fate);
        }
    }
    hak__arena_give_back_fresh();
}

size_t hak__arena_purge(size_t bytes, int64_t until, bool pinned_too)
{
    bool all = bytes == SIZE_MAX && until == HAK_NEVER;
    size_t done = 0, most = until == HAK_NEVER ? SIZE_MAX : HAK_PURGE_STEP / HAK_GRANULE;
    if (all)
        hak__arena_read_limit();
    if (pinned_too && hak_load_relaxed(&hak__pinned_bytes) != 0)
        hak__arena_unpin();
    /* not what is freed meanwhile: a function in front of mmap that allocates would never let it end */
    size_t kept = hak_load_relaxed(&hak__retained_bytes);
    bytes = bytes < kept ? bytes : kept;
    for (int refused = 0; done < bytes && refused < HAK_PURGE_REFUSALS && !hak__os_is_past(until);) {
        unsigned ways = 0;
        size_t added = 0;
        struct hak_span *span = hak__arena_take_dirty(most, &ways, &added);
        if (span == NULL)
            break;
        size_t gone = purge_span(span, ways, &most);
        refused = gone != 0 ? 0 : refused + 1;
        if (gone == 0)
            continue;
        hak__retained_sub(gone);
        hak__memory_return(gone);
        gone = gone > added ? gone - added : 0; /* what had memory */
        hak__purge_count(gone);
        done += gone;
    }
    if (all)
        shed_rest();
    return done;
}

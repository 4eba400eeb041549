/* SPDX-License-Identifier: MIT */
#include "page/purge.h"

#include "base/params.h"
#include "core/stats.h"
#include "os/os.h"
#include "page/arena.h"
#include "page/retain.h"

_Atomic size_t hak__pinned_bytes;
_Atomic size_t hak__purges_refused;

static bool purge(uintptr_t base, size_t first, size_t units)
{
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

/*
 * A span that may be more than a SuperSlab is put back when it is refused: from then on the steps
 * are small, so that little stays around what is pinned. How many bytes went.
 */
static size_t purge_span(struct hak_span *span, size_t *most)
{
    uintptr_t base = span->base;
    size_t units = span->units, first = 0, stay = 0;
    if (units <= HAK_SUPERSLAB_UNITS) {
        stay = hak__purge_around(base, units, &first);
    } else if (!purge(base, 0, units)) {
        *most = HAK_SUPERSLAB_UNITS;
        hak__arena_put_warm(span);
        return 0;
    }
    return hak__arena_put_purged(span, first, stay) * HAK_GRANULE;
}

size_t hak__arena_purge(size_t bytes, int64_t until, bool pinned_too)
{
    size_t done = 0, most = until == HAK_NEVER ? SIZE_MAX : HAK_PURGE_STEP / HAK_GRANULE;
    if (pinned_too && hak_load_relaxed(&hak__pinned_bytes) != 0)
        hak__arena_unpin();
    for (int refused = 0; done < bytes && refused < HAK_PURGE_REFUSALS && !hak__os_is_past(until);) {
        struct hak_span *span = hak__arena_take_warm(most);
        if (span == NULL)
            break;
        size_t gone = purge_span(span, &most);
        refused = gone != 0 ? 0 : refused + 1;
        if (gone == 0)
            continue;
        hak__retained_sub(gone);
        hak__memory_return(gone);
        hak__count(HAK_COUNTER_PURGES, 1);
        hak__count(HAK_COUNTER_PURGED_BYTES, gone);
        done += gone;
    }
    return done;
}

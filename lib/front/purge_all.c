/* SPDX-License-Identifier: MIT */
/* What threads and the process keep ready goes back on request. */
#include "base/annotate.h"
#include "cache/heap.h"
#include "cache/heap_flush.h"
#include "cache/heap_life.h"
#include "cache/heap_poll.h"
#include "cache/heap_pool.h"
#include "cache/reclaim.h"
#include "cache/sampled.h"
#include "front/front.h"
#include "os/deadline.h"
#include "page/retain.h"

void hak__thread_flush(void)
{
    HAK_UNSEEN;
    if (!hak__heap_is_real(hak__heap))
        return;
    hak__heap_flush(hak__heap);
    hak__heap_poll(hak__heap);
}

/* What this thread keeps, and for the process what threads without a heap share or ended ones left. */
static void flush_own(bool process)
{
    if (hak__heap_is_real(hak__heap))
        hak__heap_flush(hak__heap);
    if (process) {
        hak__heap_flush_shared();
        hak__sampled_flush();
        hak__heap_flush_orphans(HAK_NEVER);
    }
}

size_t hak__purge_until(bool process, int64_t until)
{
    HAK_UNSEEN;
    size_t before = hak_load_relaxed(&hak__retained_bytes);
    if (process)
        hak__reclaim_request_flush();
    flush_own(process);
    size_t now = hak_load_relaxed(&hak__retained_bytes);
    size_t more = now > before ? now - before : 0;
    return hak__reclaim(process ? SIZE_MAX : more, until, true);
}

size_t hak__purge(void)
{
    return hak__purge_until(true, HAK_NEVER);
}

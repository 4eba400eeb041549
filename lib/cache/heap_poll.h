/* SPDX-License-Identifier: MIT */
/* The look at the bound on unused memory, which all that may have made memory unused ends in. */
#ifndef HAK_CACHE_HEAP_POLL_H
#define HAK_CACHE_HEAP_POLL_H

#include <stdbool.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "cache/heap.h"
#include "cache/heap_list.h"
#include "cache/reclaim.h"

/*
 * Looks at the bound (reclaim.h), which a heap's slow paths take often: at the time only now and
 * then.
 */
HAK_INLINE void hak__heap_poll(struct hak_heap *heap)
{
    bool look_at_time = hak__heap_is_real(heap) && ++heap->polls % HAK_POLLS_A_CLOCK == 0;
    hak__reclaim_poll(look_at_time, hak_load_relaxed(&heap->cached_span_bytes) + heap->taken_down_bytes);
    hak__reclaim_request_purger(hak__heap_count(), look_at_time);
}

#endif

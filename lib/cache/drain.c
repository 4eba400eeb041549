/* SPDX-License-Identifier: MIT */
/* From a thread cache back to slabs. */
#include "cache/drain.h"

#include "cache/bins.h"
#include "cache/enter.h"
#include "cache/heap_life.h"

void hak__cache_drain(struct hak_heap *heap, unsigned class_idx)
{
    bool busy = hak__heap_enter(heap);
    hak__heap_handle_requests(heap);
    hak__bin_make_room(heap, class_idx);
    hak__heap_leave(heap, busy);
}

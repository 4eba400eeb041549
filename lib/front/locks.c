/* SPDX-License-Identifier: MIT */
#include "front/locks.h"

#include "cache/heap.h"
#include "cache/heap_life.h"
#include "cache/heap_pool.h"
#include "cache/idle.h"
#include "cache/reclaim.h"
#include "cache/sampled.h"
#include "core/meta.h"
#include "page/arena.h"
#include "page/huge.h"
#include "profile/tables.h"
#include "slab/slab_holes.h"
#include "slab/superslab.h"

const struct hak_named_lock hak__locks[HAK_LOCK_COUNT] = {
#define HAK_LOCK(lock, name) {&lock, name},
#include "front/locks.def"
#undef HAK_LOCK
};

uint64_t hak__lock_waits(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < HAK_LOCK_COUNT; i++)
        sum += hak_load_relaxed(&hak__locks[i].lock->waits);
    return sum;
}

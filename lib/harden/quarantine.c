/* SPDX-License-Identifier: MIT */
#include "harden/quarantine.h"

#include <string.h>

#include "base/bits.h"
#include "os/os.h"
#include "page/retain.h"
#include "page/span.h"

/* Stands in for the quarantine of a class that has none, for example because memory ran out. */
static struct hak_rest none;

/*
 * How many places each half of a quarantine of blocks of a size has: one at least. Each block may be the last of
 * its page, so tiny ones count as more than they have.
 */
static uint32_t half_of(size_t size)
{
    enum { SIZE_LEAST = 128 };
    size_t places = hak__harden.rests / 2 / (size < SIZE_LEAST ? SIZE_LEAST : size);
    return places < 2 ? 1 : 1u << (hak__log2_ceil(places + 1) - 1);
}

static struct hak_rest *begin(size_t size)
{
    if (hak__harden.rests == 0)
        return &none;
    uint32_t half = half_of(size);
    struct hak_rest *rest = hak__record_alloc(sizeof *rest + 2 * half * sizeof(void *), HAK_CACHE_LINE);
    if (rest == NULL)
        return &none;
    rest->half = half;
    return rest;
}

void hak__rests_begin(struct hak_rests *rests)
{
    rests->random = hak__os_random();
}

void *hak__rest_put(struct hak_rests *rests, unsigned class_idx, void *block)
{
    if (rests->of[class_idx] == NULL)
        rests->of[class_idx] = begin(hak__class_size(class_idx));
    return hak__rest_swap(rests, rests->of[class_idx], block);
}

void hak__rests_forget(struct hak_rests *rests)
{
    memset(rests->of, 0, sizeof rests->of);
    rests->large_count = 0;
    rests->large_bytes = 0;
}

/* One that the system does not make accessible again is nobody's from then on. */
struct hak_span *hak__rests_take_large(struct hak_rests *rests)
{
    while (rests->large_count > 0) {
        struct hak_span *span = rests->large[rests->large_turn % HAK_LARGE_RESTS];
        rests->large_turn++;
        rests->large_count--;
        rests->large_bytes -= hak__span_bytes(span);
        if (hak_unlikely(!hak__os_commit((void *)span->base, hak__span_bytes(span))))
            continue;
        hak_store_relaxed(&span->cached, false);
        return span;
    }
    return NULL;
}

struct hak_span *hak__rests_swap_large(struct hak_rests *rests, struct hak_span *span)
{
    if (span != NULL) {
        size_t bytes = hak__span_bytes(span);
        if (bytes > hak__harden.large_rests || rests->large_count == HAK_LARGE_RESTS ||
            hak_unlikely(!hak__os_forbid((void *)span->base, bytes)))
            return span;
        hak_store_relaxed(&span->cached, true);
        rests->large[(rests->large_turn + rests->large_count++) % HAK_LARGE_RESTS] = span;
        rests->large_bytes += bytes;
    }
    bool over = rests->large_bytes > hak__harden.large_rests || rests->large_count == HAK_LARGE_RESTS;
    return over ? hak__rests_take_large(rests) : NULL;
}

void *hak__rest_take(struct hak_rests *rests, unsigned class_idx)
{
    struct hak_rest *rest = rests->of[class_idx];
    for (uint32_t i = 0; rest != NULL && i < 2 * rest->half; i++) {
        void *block = rest->place[i];
        rest->place[i] = NULL;
        if (block != NULL) {
            rest->used--;
            return block;
        }
    }
    return NULL;
}

void hak__rests_shuffle(struct hak_rests *rests, void **blocks, size_t count)
{
    for (size_t left = count; left > 1; left--) {
        size_t chosen = (size_t)((uint64_t)hak__rest_random(rests) * left >> 32);
        void *block = blocks[chosen];
        blocks[chosen] = blocks[left - 1];
        blocks[left - 1] = block;
    }
}

/* SPDX-License-Identifier: MIT */
/* Many blocks in one call: what of malloc and free is the same for all of them is done once. */
#include "base/annotate.h"
#include "base/params.h"
#include "cache/enter.h"
#include "front/fast.h"
#include "harden/blocks.h"

/* How many blocks come before the next one to sample, which comes by itself. */
static size_t before_sample(const struct hak_heap *heap, size_t size, size_t count)
{
    size_t left = heap->until_sample > 0 ? (size_t)heap->until_sample : 0;
    return size == 0 || left / size >= count ? count : left / size;
}

/* Takes blocks of a class from the thread's cache, as many as it has; they are live. */
static size_t take(struct hak_heap *heap, size_t size, size_t count, void **blocks)
{
    unsigned class_idx = hak__class_of(hak__harden_padded(size));
    count = before_sample(heap, size, count);
    if (!hak__heap_is_real(heap))
        return 0;
    bool busy = hak__heap_enter(heap); /* nobody else takes a part of them */
    void **top = heap->top[class_idx];
    size_t held = (size_t)(top - heap->base[class_idx]);
    if (count > held)
        count = held;
    heap->top[class_idx] = top - count;
    heap->until_sample -= (ptrdiff_t)(count * size);
    for (size_t i = 0; i < count; i++) {
        void *block = *--top;
        hak__block_clear_mark(block, class_idx, heap);
        hak__harden_begin(block, class_idx, size, HAK_KIND_MALLOC);
        blocks[i] = block;
    }
    hak__heap_leave(heap, busy);
    return count;
}

/* What the cache does not have comes one by one: each fills it anew. A checker sees all come so. */
size_t hak__malloc_batch(size_t size, size_t count, void **blocks)
{
    size_t done = 0;
    while (done < count) {
        if (hak_likely(hak__harden_padded(size) <= HAK_SMALL_MAX) && !(HAK_HARDENED && size == 0) &&
            !hak__is_watched())
            done += take(hak__heap, size, count - done, blocks + done);
        if (done == count)
            break;
        void *block = hak__malloc(size);
        if (block == NULL)
            break;
        blocks[done++] = block;
    }
    return done;
}

/*
 * Frees blocks from the first one on that are in one granule, by the fast path of free; how many.
 * None when the first one takes another path.
 */
static size_t free_run(struct hak_heap *heap, void *const *blocks, size_t count)
{
    uintptr_t granule = (uintptr_t)blocks[0] >> HAK_GRANULE_SHIFT;
    size_t code = hak__pagemap_word((uintptr_t)blocks[0]) ^ heap->owner_tag;
    if (HAK_HARDENED || hak_unlikely(code > HAK_GROWING + HAK_CLASS_COUNT))
        return 0; /* in the hardened variant each block rests */
    unsigned class_idx = (unsigned)(uint8_t)code - 1;
    void **top = heap->top[class_idx];
    size_t room = (size_t)(heap->limit[class_idx] - top);
    if (count > room)
        count = room;
    uintptr_t mask = heap->slab_mask[class_idx];
    uint64_t reciprocal = heap->reciprocal[class_idx], bound = heap->bound[code - 1];
    void **at = top, **end = top + count;
    for (; at < end; at++, blocks++) {
        void *block = *blocks;
        uintptr_t address = (uintptr_t)block;
        if (address >> HAK_GRANULE_SHIFT != granule ||
            (HAK_CHECKS && !hak__is_block_start(address & mask, reciprocal, bound)) ||
            !hak__block_set_mark(block, class_idx, heap, (struct hak_told){HAK_KIND_MALLOC, false, 0}))
            break;
        *at = block;
    }
    hak__bin_move_top(heap, class_idx, at - top);
    return (size_t)(at - top);
}

void hak__free_batch(void *const *blocks, size_t count, const char *call)
{
    for (size_t i = 0; i < count;) {
        size_t run = hak__is_watched() ? 0 : free_run(hak__heap, blocks + i, count - i);
        if (run == 0)
            hak__free(blocks[i++], call);
        i += run;
    }
}

/* SPDX-License-Identifier: MIT */
/* From a heap's mail to its bins. */
#include "cache/unpack.h"

#include "cache/mail.h"
#include "cache/thread_cache.h"

/* Classes whose blocks share cache lines. */
#define SHARES_LINES(size, shift, a) +((size) < HAK_CACHE_LINE)
enum { SHARING_CLASSES = 0 HAK_SIZE_CLASSES(SHARES_LINES, 0) };

/* Blocks that share cache lines with others of a slab that is not this heap's any more go there. */
static bool is_mine(const struct hak_heap *heap, const void *block, unsigned class_idx)
{
    return class_idx >= SHARING_CLASSES ||
           hak__owner_of(hak__pagemap_word((uintptr_t)block)) == heap->id;
}

HAK_INLINE bool keep(struct hak_heap *heap, void *block, unsigned class_idx)
{
    if (hak_unlikely(!is_mine(heap, block, class_idx)))
        return false;
    return hak_likely(hak__cache_push(heap, class_idx, block)) ||
           (hak__cache_grow_for_mail(heap, class_idx) && hak__cache_push(heap, class_idx, block));
}

/* Adds a block to those that find no room; false when these are as many as a parcel takes. */
static bool set_aside(struct hak_heap *heap, struct hak_parcel **rest, void *block,
                      unsigned class_idx)
{
    if (*rest == NULL && (*rest = hak__mail_empty(heap)) == NULL)
        return false;
    struct hak_parcel *parcel = *rest;
    if (parcel->count == HAK_PARCEL_BLOCKS)
        return false;
    parcel->block[parcel->count] = block;
    parcel->class_idx[parcel->count++] = (uint8_t)class_idx;
    return true;
}

/* HOT: true when the parcel is empty. */
static bool unpack(struct hak_heap *heap, struct hak_parcel *parcel, unsigned class_idx,
                   size_t wanted, struct hak_parcel **rest)
{
    uint32_t count = parcel->count;
    for (; count > 0; count--) {
        void *block = parcel->block[count - 1];
        unsigned block_class = parcel->class_idx[count - 1];
        if (block_class == class_idx &&
            (size_t)(heap->top[class_idx] - heap->base[class_idx]) >= wanted)
            break;
        if (hak_unlikely(!keep(heap, block, block_class)) &&
            !set_aside(heap, rest, block, block_class))
            break;
    }
    parcel->count = count;
    return count == 0;
}

/*
 * New memory and slabs that become empty are told to interposers, which may allocate from the same
 * bins: the parcel is out of the mail meanwhile, and handing back comes last.
 */
bool hak__unpack(struct hak_heap *heap, unsigned class_idx, size_t wanted)
{
    struct hak_parcel *parcel, *rest = NULL;
    bool empty = true;
    while (empty && (parcel = hak__mail_take(heap)) != NULL) {
        empty = unpack(heap, parcel, class_idx, wanted, &rest);
        hak__mail_done(heap, parcel);
    }
    bool some = heap->top[class_idx] != heap->base[class_idx];
    if (rest != NULL) {
        rest->next = NULL;
        hak__mail_hand_back(heap, rest);
    }
    return some;
}

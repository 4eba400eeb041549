/* SPDX-License-Identifier: MIT */
/* From a heap's mail to its bins. */
#include "cache/unpack.h"

#include "cache/bins.h"
#include "cache/mail.h"
#include "cache/thread_cache.h"

/* Whether any blocks of a parcel, or of what was in it before, share cache lines with others. */
static bool has_lined(const struct hak_parcel *parcel)
{
    unsigned char lined = 0;
    for (unsigned i = 0; i < HAK_PARCEL_BLOCKS; i++)
        lined |= parcel->class_idx[i] < HAK_CLASSES_IN_LINES;
    return lined != 0;
}

/* Such blocks of a slab that is not this heap's any more go there. */
HAK_INLINE bool is_mine(const struct hak_heap *heap, const void *block, unsigned class_idx)
{
    bool lined = class_idx < HAK_CLASSES_IN_LINES;
    bool other = hak__owner_of(hak__pagemap_word((uintptr_t)block)) != heap->id;
    bool strange = lined & other;
    hak_opaque(strange);
    return !strange;
}

HAK_INLINE bool keep(struct hak_heap *heap, void *block, unsigned class_idx, bool lined)
{
    if (lined && hak_unlikely(!is_mine(heap, block, class_idx)))
        return false;
    return hak_likely(hak__cache_push(heap, class_idx, block)) ||
           (hak__cache_grow_for_mail(heap, class_idx) && hak__cache_push(heap, class_idx, block));
}

/* Adds a block to those that find no room; false when these are as many as a parcel takes. */
static bool set_aside(struct hak_heap *heap, struct hak_parcel **rest, void *block,
                      unsigned class_idx)
{
    if (*rest == NULL && (*rest = hak__mail_new_parcel(heap)) == NULL)
        return false;
    struct hak_parcel *parcel = *rest;
    if (parcel->count == HAK_PARCEL_BLOCKS)
        return false;
    parcel->block[parcel->count] = block;
    parcel->class_idx[parcel->count++] = (uint8_t)class_idx;
    return true;
}

/* HOT: so many blocks, the last ones; how many are left of them. */
HAK_INLINE uint32_t unpack_some(struct hak_heap *heap, struct hak_parcel *parcel, uint32_t count,
                                bool lined, struct hak_parcel **rest)
{
    uint32_t end = parcel->count - count, i = parcel->count;
    for (; i > end; i--) {
        void *block = parcel->block[i - 1];
        unsigned class_idx = parcel->class_idx[i - 1];
        if (hak_unlikely(!keep(heap, block, class_idx, lined)) &&
            !set_aside(heap, rest, block, class_idx))
            break;
    }
    parcel->count = i;
    return i - end;
}

/* True when the parcel is empty. As many blocks as are wanted at a time cannot be too many. */
static bool unpack(struct hak_heap *heap, struct hak_parcel *parcel, unsigned class_idx,
                   size_t wanted, struct hak_parcel **rest)
{
    bool lined = has_lined(parcel);
    while (parcel->count > 0) {
        size_t held = (size_t)(heap->top[class_idx] - heap->base[class_idx]);
        if (held >= wanted)
            break;
        uint32_t count = wanted - held < parcel->count ? (uint32_t)(wanted - held) : parcel->count;
        if ((lined ? unpack_some(heap, parcel, count, true, rest)
                   : unpack_some(heap, parcel, count, false, rest)) > 0)
            break;
    }
    return parcel->count == 0;
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
        hak__mail_release_parcel(heap, parcel);
    }
    bool some = heap->top[class_idx] != heap->base[class_idx];
    if (rest != NULL) {
        rest->next = NULL;
        hak__mail_flush_parcels(heap, rest);
    }
    return some;
}

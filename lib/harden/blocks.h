/* SPDX-License-Identifier: MIT */
/* The ends of live blocks, and the contents of free ones. */
#ifndef HAK_HARDEN_BLOCKS_H
#define HAK_HARDEN_BLOCKS_H

#include "harden/canary.h"
#include "harden/fill.h"
#include "harden/harden.h"
#include "page/span.h"
#include "slab/size_class.h"

/* What a call that frees tells of a block. */
struct hak_told {
    enum hak_kind kind;
    bool sized;
    size_t size;
};

/* HOT: a block of a class becomes live with so many bytes. */
HAK_INLINE void hak__harden_begin(void *block, unsigned class_idx, size_t size, enum hak_kind kind)
{
    if (HAK_HARDENED && hak_likely(hak__harden.canary))
        hak__canary_set(block, hak__class_size(class_idx) - HAK_TRAILER, size, kind);
}

/* Any block of this library that has just been allocated; no block at all is none. Returns it. */
void *hak__harden_live(void *block, size_t size, enum hak_kind kind);

/* HOT: whether nobody has written to a free block of a class, except that its mark is the caller's to look at. */
HAK_INLINE bool hak__harden_is_untouched(const void *block, size_t block_size)
{
    size_t checked = block_size < hak__harden.verified ? block_size : hak__harden.verified;
    return hak__canary_load(block) == 0 &&
           (checked <= 16 || hak__fill_is_zero((const char *)block + 16, checked - 16));
}

/* Clears what the program had of a block of so many bytes, its canary and its trailer. */
HAK_INLINE void hak__harden_clear_used(void *block, size_t room, size_t size)
{
    if (hak_unlikely(!hak__harden.zero)) {
        hak__canary_store(block, 0);
        return;
    }
    hak__fill_zero(block, (size + HAK_TRAILER + 15) & ~(size_t)15);
    hak__canary_store((char *)block + room, 0);
}

/* HOT: ends the life of a block; false, and it is as it was, if it is not what the call tells, or overflowed. */
HAK_INLINE bool hak__harden_end(void *block, size_t block_size, struct hak_told told)
{
    size_t room = block_size - HAK_TRAILER, size = room;
    if (hak_likely(hak__harden.canary) &&
        (hak_unlikely(!hak__canary_size(block, room, hak__harden.trailer_bits, told.kind, &size)) ||
         hak_unlikely(!hak__canary_is_whole(block, room, size))))
        return false;
    if (told.sized && hak_unlikely(hak__harden.canary ? told.size != size : told.size > room))
        return false;
    hak__harden_clear_used(block, room, size);
    return true;
}

/* The same of a block that was looked at before. */
void hak__harden_clear(void *block, size_t block_size);

/* What is wrong with a live block, for a message that goes on with its size; NULL: nothing. */
const char *hak__harden_fault(const void *block, uint32_t word, const char *call, size_t *size);

/* How many bytes of a live block are the program's, and how many it has room for. */
size_t hak__harden_size(const void *block, uint32_t word);
size_t hak__harden_room(const void *block, uint32_t word);

/* Moves the end of a live block of a class: what it no longer has is cleared, and what it had was no secret. */
HAK_INLINE void hak__harden_set_end(void *block, size_t room, size_t old, size_t size, enum hak_kind kind)
{
    if (size < old)
        memset((char *)block + size, 0, old - size);
    hak__canary_store((char *)block + old, 0);
    hak__canary_set(block, room, size, kind);
}

/* Another number of bytes of a live block, for which it has room, are the program's from now on. */
void hak__harden_resize(void *block, uint32_t word, size_t old, size_t size);

/* By which function a live block was allocated. */
enum hak_kind hak__harden_kind(const void *block, uint32_t word);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Mail: freed blocks of other heaps, on their way to the heap that allocates from their slabs.
 *
 *     a thread that frees      gathers ── one parcel for each owner, which it fills
 *                                 │ post: one CAS a parcel
 *                                 ▼
 *     the owner's mailbox      full ── a list of parcels        empty ── parcels to fill again
 *                                 │ take: one exchange for all     ▲
 *                                 ▼                                │
 *     the owner                inbox ── parcels that it unpacks into its bins (cache/unpack.h)
 *
 * A block costs no shared operation of its own and its slab does not change, whatever its size is
 * and in whichever slab it lies. Parcels are arrays apart from the blocks: nobody follows a link in
 * memory that a program may still write to, and no cache line is waited for to find the next block.
 *
 * Nothing waits for an owner. A mailbox holds more than one parcel only while its owner takes mail,
 * and no more than cache_max: otherwise whoever posts takes all out of it and hands the blocks back
 * to their slabs (cache/handback.h). The mailbox of a heap without a thread is closed, and blocks
 * of slabs without an owner are gathered, too, and handed back a parcel at a time.
 *
 * What a sleeping thread can pin: HAK_GATHERED_BYTES in its gathers, a parcel in its mailbox, and
 * the mail that it has taken, or that was posted since, if it took mail before and nobody posts any
 * more.
 */
#ifndef HAK_CACHE_MAIL_H
#define HAK_CACHE_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"

struct hak_heap;

enum {
    HAK_GATHERS = 8,
    HAK_GATHERED_BYTES = 131072,
    HAK_PARCEL_BLOCKS = 224,
    HAK_MAIL_LARGEST = 16384 /* larger blocks are handed back to their slabs one by one */
};

/* Its holder's alone: who gathers, who unpacks; nobody's in a mailbox. */
struct hak_parcel {
    struct hak_parcel *next; /* in the list that it is in */
    _Atomic size_t total;    /* bytes, with the parcels below it; may be old when it is read */
    size_t bytes;
    uint32_t count;
    void *block[HAK_PARCEL_BLOCKS];
    uint8_t class_idx[HAK_PARCEL_BLOCKS]; /* of each block */
};

/* Blocks of one owner. Owner thread only. */
struct hak_gather {
    uint32_t owner;            /* id of the heap */
    struct hak_heap *heap;     /* that heap */
    struct hak_parcel *parcel; /* NULL, or with blocks in it */
};

/*
 * `full` is the address of the parcel that was posted last, whose next leads to the others; 0; or
 * HAK_MAIL_CLOSED, which only the heap writes and ends. Any thread prepends a parcel by
 * CAS-release, which publishes it and what was written to its blocks, and takes all parcels by
 * CAS-acquire; the heap takes all by exchange-acquire. `empty` is a list of empty parcels, or 0: any
 * thread fills it, by CAS-release when it is 0, and takes all by exchange-acquire. So a thread that hands
 * back what others post does not keep their parcels, while they make new ones without end.
 *
 * No ABA: who prepends needs nothing but that the list begins with the address that it has linked
 * to, and who takes reads nothing before it has the list. model/mail.pml.
 */
struct hak_mailbox {
    _Alignas(64) _Atomic uintptr_t full;
    _Atomic uintptr_t empty;
    _Atomic int64_t taken_ms; /* when the heap has taken mail; steers only */
};

enum { HAK_MAIL_CLOSED = 1 };

/* Sends a freed block to its heap. word is that of the page map. Owner thread of heap only. */
void hak__mail_add(struct hak_heap *heap, void *block, uint32_t word);

/*
 * Now and then: posts what is gathered, and hands back what has arrived and was not used since the
 * last time. Polls.
 */
void hak__mail_look(struct hak_heap *heap);

/* Takes a parcel out of the mail; NULL when there is none. */
struct hak_parcel *hak__mail_take(struct hak_heap *heap);

/* Puts it back if blocks are left in it, in front of the others; keeps it to be filled if not. */
void hak__mail_done(struct hak_heap *heap, struct hak_parcel *parcel);

/*
 * A parcel to fill: one of the heap's own, or of those that the other one is done with, or a new
 * one; NULL without memory. from is a heap, or NULL.
 */
struct hak_parcel *hak__mail_empty(struct hak_heap *heap, struct hak_heap *from);

/* Hands the blocks of all parcels of a list back to their slabs, and keeps the parcels. */
void hak__mail_hand_back(struct hak_heap *heap, struct hak_parcel *list);

/*
 * Hands back to the slabs what is gathered, what has arrived, and what others have not taken of the
 * mail to heaps to which this one posts. A poll is left to the caller.
 */
void hak__mail_flush(struct hak_heap *heap);

/* The heap has got a thread. */
void hak__mail_open(struct hak_heap *heap);

/* The heap has no thread any more: hands back what lies in the mailbox. A poll is left to the
 * caller. */
void hak__mail_close(struct hak_heap *heap);

/* Forgets what the heap has beside its mailbox, where its thread has stopped anywhere. */
void hak__mail_forget(struct hak_heap *heap);

/* The first parcel in a heap's mailbox, or NULL; at rest. */
const struct hak_parcel *hak__mail_waiting(const struct hak_heap *heap);

#endif

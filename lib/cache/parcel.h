/* SPDX-License-Identifier: MIT */
/* What mail (mail.h) consists of. */
#ifndef HAK_CACHE_PARCEL_H
#define HAK_CACHE_PARCEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"

struct hak_heap;

enum {
    HAK_OUTBOXES = 64,
    HAK_ALL_OUTBOXES = HAK_OUTBOXES + 1, /* the last one is for blocks of any owners */
    HAK_OUTBOX_BYTES = 131072,
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
struct hak_outbox {
    uint32_t owner;            /* id of the heap, or 0: to be handed back when it is full */
    uint32_t seen;             /* of the parcel's blocks, by the last look */
    struct hak_heap *heap;     /* that heap, or NULL */
    struct hak_parcel *parcel; /* NULL, or with blocks in it */
};

/*
 * `full` is the address of the parcel that was posted last, whose next leads to the others; 0; or
 * HAK_MAIL_CLOSED, which only the heap writes and ends. Any thread prepends a parcel by
 * CAS-release, which publishes it and what was written to its blocks, and takes all parcels by
 * CAS-acquire; the heap takes all by exchange-acquire.
 *
 * No ABA: who prepends needs nothing but that the list begins with the address that it has linked
 * to, and who takes reads nothing before it has the list. model/mail.pml.
 */
struct hak_mailbox {
    _Alignas(64) _Atomic uintptr_t full;
    _Atomic int64_t taken_ms; /* when the heap has taken mail; steers only */
};

enum { HAK_MAIL_CLOSED = 1 };

#endif

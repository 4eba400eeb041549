/* SPDX-License-Identifier: MIT */
/*
 * Mail: freed blocks of other heaps, on their way to the heap that allocates from their slabs.
 *
 *     a thread that frees      outboxes ─ one parcel for each owner, which it fills
 *                                 │ post: one CAS a parcel
 *                                 ▼
 *     the owner's mailbox      full ── a list of parcels
 *                                 │ take: one exchange for all
 *                                 ▼
 *     the owner                inbox ── parcels that it unpacks into its bins (cache/unpack.h)
 *
 * A block costs no shared operation of its own and its slab does not change, whatever its size is
 * and in whichever slab it lies. Parcels are arrays apart from the blocks: nobody follows a link in
 * memory that a program may still write to, and no cache line is waited for to find the next block.
 *
 * Nothing waits for an owner. A mailbox holds more than one parcel only while its owner takes mail,
 * and no more than cache_max: otherwise whoever posts takes all out of it and hands the blocks back
 * to their slabs (cache/flush.h). The mailbox of a heap without a thread is closed, and blocks
 * of slabs without an owner are gathered, too, and handed back a parcel at a time.
 *
 * A thread gathers for HAK_OUTBOXES owners at a time. Where two would displace each other, what is freed
 * for the second goes to one more parcel, with blocks of any owners, which is handed back when it is
 * full: parcels with a few blocks in each would take more memory than these.
 *
 * Blocks come from free, and from bins that overflow (bins.c).
 *
 * Empty parcels stay with who emptied them, up to a few; others take what is more from a list that all
 * share. There are no more than were ever full at a time, and these few a heap.
 *
 * What a sleeping thread can pin: HAK_OUTBOX_BYTES in its outboxes, a parcel in its mailbox, and
 * the mail that it has taken, or that was posted since, if it took mail before and nobody posts any
 * more.
 */
#ifndef HAK_CACHE_MAIL_H
#define HAK_CACHE_MAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/parcel.h"

struct hak_heap;

/* Sends a freed block to its heap. word is that of the page map. Owner thread of heap only. */
void hak__mail_add(struct hak_heap *heap, void *block, uint32_t word);

/*
 * The same for who has left the heap in disorder and must call nobody: nothing is posted, and the only
 * memory that it takes is a parcel that the heap keeps. False where there is no place for the block, or it is the
 * heap's own or nobody's. What has become too much by this is posted later, as surplus.
 */
bool hak__mail_try_add(struct hak_heap *heap, void *block, uint32_t word);
void hak__mail_post_surplus(struct hak_heap *heap);

/*
 * Now and then: posts what is gathered where nothing was added since the last time, and hands back
 * what has arrived and was not used since then. Polls.
 */
void hak__mail_tick(struct hak_heap *heap);

/* Takes a parcel out of the mail; NULL when there is none. */
struct hak_parcel *hak__mail_take(struct hak_heap *heap);

/* Puts it back if blocks are left in it, in front of the others; keeps it to be filled if not. */
void hak__mail_release_parcel(struct hak_heap *heap, struct hak_parcel *parcel);

/*
 * A parcel to fill: one of the few that the heap keeps, or of those that others had too many of, or a
 * new one; NULL without memory.
 */
struct hak_parcel *hak__mail_new_parcel(struct hak_heap *heap);

/* Hands the blocks of all parcels of a list back to their slabs, and keeps the parcels. */
void hak__mail_flush_parcels(struct hak_heap *heap, struct hak_parcel *list);

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

/* The same, and what it has gathered is posted: it waits for another thread with all else. */
void hak__mail_leave(struct hak_heap *heap);

/* Forgets what the heap has beside its mailbox, where its thread has stopped anywhere. */
void hak__mail_reset(struct hak_heap *heap);

/* The first parcel in a heap's mailbox, or NULL; at rest. */
const struct hak_parcel *hak__mail_pending(const struct hak_heap *heap);

#endif

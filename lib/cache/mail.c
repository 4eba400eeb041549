/* SPDX-License-Identifier: MIT */
#include "cache/mail.h"

#include <string.h>

#include "base/bits.h"
#include "cache/enter.h"
#include "cache/flush.h"
#include "cache/heap.h"
#include "cache/heap_list.h"
#include "cache/heap_poll.h"
#include "core/meta.h"
#include "core/options.h"
#include "core/race.h"
#include "core/stats.h"
#include "os/os.h"
#include "page/retain.h"

static_assert(sizeof(struct hak_parcel) <= 2048, "parcels are small records");

enum { PATIENCE_MS = 200 }; /* with an owner that does not take its mail */
enum { SPARE_MOST = 8, SPARE_MOVED = 4 }; /* empty parcels of a heap; of these to others together */

static size_t least(size_t bytes)
{
    size_t most = (size_t)hak__option(HAK_OPTION_CACHE_MAX);
    return most < bytes ? most : bytes;
}

/* ---- parcels ----------------------------------------------------------- */

/*
 * Empty parcels beyond what heaps keep, in batches of SPARE_MOVED; the first place of a batch's first
 * parcel leads to the next. Under hak__meta_lock, but for a look whether there are any.
 */
static HAK_WRITTEN_OFTEN _Atomic(struct hak_parcel *) spare;

static void give_spares(struct hak_heap *heap)
{
    struct hak_parcel *first = heap->spare_parcels, *last = first;
    for (int i = 1; i < SPARE_MOVED; i++)
        last = last->next;
    heap->spare_parcels = last->next;
    heap->spare_parcel_count -= SPARE_MOVED;
    last->next = NULL;
    hak__lock_acquire(&hak__meta_lock);
    first->block[0] = hak_load_relaxed(&spare);
    hak_store_relaxed(&spare, first);
    hak__lock_release(&hak__meta_lock);
}

static void take_spares(struct hak_heap *heap)
{
    if (hak_load_relaxed(&spare) == NULL)
        return;
    hak__lock_acquire(&hak__meta_lock);
    struct hak_parcel *first = hak_load_relaxed(&spare);
    if (first != NULL)
        hak_store_relaxed(&spare, first->block[0]);
    hak__lock_release(&hak__meta_lock);
    heap->spare_parcels = first;
    heap->spare_parcel_count = first != NULL ? SPARE_MOVED : 0;
}

static void keep_empty(struct hak_heap *heap, struct hak_parcel *parcel)
{
    parcel->count = 0;
    parcel->bytes = 0;
    parcel->next = heap->spare_parcels;
    heap->spare_parcels = parcel;
    if (++heap->spare_parcel_count > SPARE_MOST)
        give_spares(heap);
}

/* An empty parcel that this heap or others keep; NULL when there is none. */
static struct hak_parcel *take_cached(struct hak_heap *heap)
{
    if (heap->spare_parcels == NULL)
        take_spares(heap);
    struct hak_parcel *parcel = heap->spare_parcels;
    if (parcel != NULL) {
        heap->spare_parcels = parcel->next;
        heap->spare_parcel_count--;
    }
    return parcel;
}

struct hak_parcel *hak__mail_new_parcel(struct hak_heap *heap)
{
    struct hak_parcel *parcel = take_cached(heap);
    return parcel != NULL ? parcel : hak__record_alloc(sizeof *parcel, HAK_CACHE_LINE);
}

/* Sorts the blocks of a parcel by class; end[i] is where class i ends. */
static void sort(struct hak_parcel *parcel, uint8_t *end)
{
    uint8_t count[HAK_CLASS_COUNT] = {0};
    void *block[HAK_PARCEL_BLOCKS];
    for (uint32_t i = 0; i < parcel->count; i++)
        count[parcel->class_idx[i]]++;
    for (unsigned i = 0, from = 0; i < HAK_CLASS_COUNT; from += count[i++])
        end[i] = (uint8_t)from;
    memcpy(block, parcel->block, parcel->count * sizeof *block);
    for (uint32_t i = 0; i < parcel->count; i++)
        parcel->block[end[parcel->class_idx[i]]++] = block[i];
}

/*
 * Class by class through all parcels of a list, so that blocks of one slab come together. Where the
 * classes of a parcel end is kept in place of the blocks' classes.
 */
void hak__mail_flush_parcels(struct hak_heap *heap, struct hak_parcel *list)
{
    if (list == NULL)
        return;
    struct hak_parcel *parcel, *next;
    for (parcel = list; parcel != NULL; parcel = parcel->next) {
        uint8_t end[HAK_CLASS_COUNT];
        sort(parcel, end);
        memcpy(parcel->class_idx, end, sizeof end);
    }
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++)
        for (parcel = list; parcel != NULL; parcel = parcel->next) {
            unsigned from = i > 0 ? parcel->class_idx[i - 1] : 0;
            hak__flush_add(heap, parcel->block + from, parcel->class_idx[i] - from);
        }
    for (parcel = list; parcel != NULL; parcel = next) {
        next = parcel->next;
        keep_empty(heap, parcel);
    }
    hak__flush_chains(heap);
}

/* ---- outboxes ---------------------------------------------------------- */

/* Calls visit for each gather that may have a parcel, and for the one for any owners. */
static void visit_outboxes(struct hak_heap *heap,
                           void (*visit)(struct hak_heap *heap, struct hak_outbox *outbox))
{
    if (heap->outboxes == NULL)
        return;
    for (uint64_t used = heap->outboxes_used; used != 0; used &= used - 1)
        visit(heap, &(*heap->outboxes)[hak__lowest_bit(used)]);
    visit(heap, &(*heap->outboxes)[HAK_OUTBOXES]);
}

/* A process of one thread never needs them. False without memory. */
static bool have_outboxes(struct hak_heap *heap)
{
    if (heap->outboxes == NULL)
        heap->outboxes = hak__record_alloc(sizeof *heap->outboxes, HAK_CACHE_LINE);
    return heap->outboxes != NULL;
}

static struct hak_outbox *gather_for(struct hak_heap *heap, uint32_t owner)
{
    return &(*heap->outboxes)[owner % HAK_OUTBOXES];
}

/* Whether the gather is another owner's, with less in it than is worth a parcel of its own. */
static bool is_taken(const struct hak_outbox *outbox, uint32_t owner)
{
    enum { WORTH_POSTING = 32 };
    return outbox->owner != owner && outbox->parcel != NULL && outbox->parcel->count < WORTH_POSTING;
}

static struct hak_outbox *larger(struct hak_outbox *outbox, struct hak_outbox *than)
{
    bool is_larger = outbox->parcel != NULL &&
                     (than->parcel == NULL || outbox->parcel->bytes > than->parcel->bytes);
    return is_larger ? outbox : than;
}

/* The gather with most bytes in it, which has some if any has. */
static struct hak_outbox *largest(struct hak_heap *heap)
{
    struct hak_outbox *most = &(*heap->outboxes)[HAK_OUTBOXES];
    for (uint64_t used = heap->outboxes_used; used != 0; used &= used - 1)
        most = larger(&(*heap->outboxes)[hak__lowest_bit(used)], most);
    return most;
}

/* ---- posting ----------------------------------------------------------- */

/* Whether a mailbox may hold so many bytes in more than one parcel; any thread. */
static bool may_hold(const struct hak_mailbox *box, size_t bytes)
{
    return bytes <= hak__heap_share_of_cache(hak__heap_count()) &&
           hak__os_now_ms() - hak_load_relaxed(&box->taken_ms) < PATIENCE_MS;
}

/*
 * Puts a full parcel into a mailbox; NULL, or a list to hand back in its place: the parcel alone
 * where the box is closed, with all that was in the box where the owner is slow. Losing the race
 * means to look again: the box has changed.
 */
static struct hak_parcel *put(struct hak_mailbox *box, struct hak_parcel *parcel)
{
    uintptr_t word = hak_load_relaxed(&box->full);
    while (word != HAK_MAIL_CLOSED) {
        struct hak_parcel *below = (struct hak_parcel *)word;
        size_t total = parcel->bytes + sizeof *parcel;
        total += below != NULL ? hak_load_relaxed(&below->total) : 0;
        hak__race_point("post");
        if (below == NULL || may_hold(box, total)) {
            parcel->next = below;
            hak_store_relaxed(&parcel->total, total);
            if (hak__shared_cas(hak_cas_release(&box->full, &word, (uintptr_t)parcel)))
                return NULL;
        } else if (hak__shared_cas(hak_cas_acquire(&box->full, &word, 0))) {
            parcel->next = below;
            return parcel;
        }
    }
    parcel->next = NULL;
    return parcel;
}

static void post(struct hak_heap *heap, struct hak_outbox *outbox)
{
    struct hak_parcel *parcel = outbox->parcel;
    struct hak_heap *to = outbox->heap;
    outbox->parcel = NULL;
    heap->outbox_bytes -= parcel->bytes;
    if (to != NULL)
        parcel = put(&to->mailbox, parcel);
    if (parcel != NULL) {
        hak__mail_flush_parcels(heap, parcel);
        hak__heap_poll(heap);
    }
}

static void give_parcel(struct hak_heap *heap, struct hak_outbox *outbox, struct hak_parcel *parcel,
                        uint32_t owner, struct hak_heap *to)
{
    *outbox = (struct hak_outbox){.owner = owner, .heap = to, .parcel = parcel};
    if (outbox != &(*heap->outboxes)[HAK_OUTBOXES])
        heap->outboxes_used |= (uint64_t)1 << owner % HAK_OUTBOXES;
    parcel->next = NULL;
}

/*
 * A parcel for blocks of an owner, in place of the one that is there; NULL where there is no memory
 * for one, or the thread shall not keep as much as the block.
 */
static HAK_NOINLINE struct hak_parcel *begin(struct hak_heap *heap, struct hak_outbox *outbox,
                                             uint32_t owner, size_t size)
{
    if (size > HAK_MAIL_LARGEST)
        return NULL;
    if (outbox->parcel != NULL)
        post(heap, outbox);
    heap->outbox_bytes_max = least(HAK_OUTBOX_BYTES);
    if (size > heap->outbox_bytes_max)
        return NULL;
    struct hak_heap *to = owner == outbox->owner ? outbox->heap : hak__heap_by_id(owner);
    struct hak_parcel *parcel = hak__mail_new_parcel(heap);
    if (parcel == NULL)
        return NULL;
    if (hak_unlikely(outbox->parcel != NULL)) { /* by who is told of memory that comes or goes */
        keep_empty(heap, parcel);
        return outbox->owner == owner ? outbox->parcel : NULL;
    }
    give_parcel(heap, outbox, parcel, owner, to);
    return parcel;
}

/* What has become too much for the heap to keep. */
static void post_some(struct hak_heap *heap, struct hak_outbox *outbox)
{
    if (outbox->parcel->count == HAK_PARCEL_BLOCKS)
        post(heap, outbox);
    else if (heap->outbox_bytes >= heap->outbox_bytes_max)
        post(heap, largest(heap));
}

/* Whether something is to be posted. */
HAK_INLINE bool put_in(struct hak_heap *heap, struct hak_parcel *parcel, void *block,
                       unsigned class_idx, size_t size)
{
    uint32_t count = parcel->count;
    parcel->block[count] = block;
    parcel->class_idx[count] = (uint8_t)class_idx;
    parcel->count = ++count;
    parcel->bytes += size;
    heap->outbox_bytes += size;
    return hak_unlikely(count == HAK_PARCEL_BLOCKS) ||
           hak_unlikely(heap->outbox_bytes >= heap->outbox_bytes_max);
}

/* False where there is no memory for a parcel, or the thread shall not keep the block. */
static bool gather_block(struct hak_heap *heap, void *block, uint32_t word)
{
    unsigned class_idx = (word & 0xff) - 1;
    size_t size = hak__class_size(class_idx);
    uint32_t owner = hak__owner_of(word);
    struct hak_outbox *outbox = gather_for(heap, owner);
    if (is_taken(outbox, owner)) {
        outbox = &(*heap->outboxes)[HAK_OUTBOXES];
        owner = 0;
    }
    struct hak_parcel *parcel = outbox->parcel;
    if (parcel == NULL || outbox->owner != owner || size > HAK_MAIL_LARGEST)
        parcel = begin(heap, outbox, owner, size);
    if (parcel != NULL && put_in(heap, parcel, block, class_idx, size))
        post_some(heap, outbox);
    return parcel != NULL;
}

static HAK_NOINLINE void add_slow(struct hak_heap *heap, void *block, uint32_t word)
{
    bool busy = hak__heap_enter(heap);
    if (!have_outboxes(heap) || !gather_block(heap, block, word))
        hak__flush_block(heap, block);
    hak__heap_leave(heap, busy);
}

static HAK_NOINLINE void post_and_leave(struct hak_heap *heap, struct hak_outbox *outbox)
{
    post_some(heap, outbox);
    hak__heap_leave(heap, false);
}

/* HOT: without a call but at its end. That it counts as entered is left to who begins a parcel. */
void hak__mail_add(struct hak_heap *heap, void *block, uint32_t word)
{
    unsigned class_idx = (word & 0xff) - 1;
    size_t size = hak__class_size(class_idx);
    if (hak_unlikely(heap->outboxes == NULL) || hak_unlikely(!hak__heap_try_enter(heap))) {
        add_slow(heap, block, word);
        return;
    }
    struct hak_outbox *outbox = gather_for(heap, hak__owner_of(word));
    struct hak_parcel *parcel = outbox->parcel;
    if (hak_likely(parcel != NULL) && hak_likely(outbox->owner == hak__owner_of(word)) &&
        hak_likely(size <= HAK_MAIL_LARGEST)) {
        if (put_in(heap, parcel, block, class_idx, size))
            post_and_leave(heap, outbox);
        else
            hak__heap_leave(heap, false);
    } else {
        hak__heap_leave(heap, false);
        add_slow(heap, block, word);
    }
}

/* A parcel for an owner whose gather has none, of those that heaps keep; NULL where there is none. */
static struct hak_parcel *begin_with_cached(struct hak_heap *heap, struct hak_outbox *outbox, uint32_t owner)
{
    struct hak_parcel *parcel = take_cached(heap);
    if (parcel == NULL)
        return NULL;
    give_parcel(heap, outbox, parcel, owner, owner == outbox->owner ? outbox->heap : hak__heap_by_id(owner));
    return parcel;
}

/* The last place of a parcel is left to who posts it. */
bool hak__mail_try_add(struct hak_heap *heap, void *block, uint32_t word)
{
    unsigned class_idx = (word & 0xff) - 1;
    uint32_t owner = hak__owner_of(word);
    if (heap->outboxes == NULL || owner == heap->id || owner == 0)
        return false;
    struct hak_outbox *outbox = gather_for(heap, owner);
    struct hak_parcel *parcel = outbox->parcel;
    if (parcel == NULL)
        parcel = begin_with_cached(heap, outbox, owner);
    if (parcel == NULL || outbox->owner != owner || parcel->count + 1 >= HAK_PARCEL_BLOCKS)
        return false;
    put_in(heap, parcel, block, class_idx, hak__class_size(class_idx));
    return true;
}

void hak__mail_post_surplus(struct hak_heap *heap)
{
    while (heap->outbox_bytes >= heap->outbox_bytes_max && heap->outbox_bytes != 0)
        post(heap, largest(heap));
}

/* ---- what arrives ------------------------------------------------------ */

/* All parcels of the mailbox. */
static struct hak_parcel *fetch(struct hak_heap *heap)
{
    struct hak_mailbox *box = &heap->mailbox;
    if (hak__mail_pending(heap) == NULL)
        return NULL;
    hak_store_relaxed(&box->taken_ms, hak__os_now_ms());
    hak__race_point("take mail");
    return (struct hak_parcel *)HAK_SHARED(hak_swap_acquire(&box->full, 0));
}

struct hak_parcel *hak__mail_take(struct hak_heap *heap)
{
    if (heap->inbox == NULL)
        heap->inbox = fetch(heap);
    struct hak_parcel *parcel = heap->inbox;
    if (parcel != NULL)
        heap->inbox = parcel->next;
    return parcel;
}

void hak__mail_release_parcel(struct hak_heap *heap, struct hak_parcel *parcel)
{
    heap->mail_idle = false;
    if (parcel->count == 0) {
        keep_empty(heap, parcel);
    } else {
        parcel->next = heap->inbox;
        heap->inbox = parcel;
    }
}

static void hand_back_inbox(struct hak_heap *heap)
{
    struct hak_parcel *list = heap->inbox;
    heap->inbox = NULL;
    hak__mail_flush_parcels(heap, list);
}

/* A parcel that grows is posted when it is full. */
static void post_if_idle(struct hak_heap *heap, struct hak_outbox *outbox)
{
    if (outbox->parcel == NULL)
        return;
    if (outbox->seen == outbox->parcel->count)
        post(heap, outbox);
    else
        outbox->seen = outbox->parcel->count;
}

void hak__mail_tick(struct hak_heap *heap)
{
    visit_outboxes(heap, post_if_idle);
    if (heap->mail_idle)
        hand_back_inbox(heap);
    heap->mail_idle = true;
}

/* ---- the heap's life --------------------------------------------------- */

/* Hands back what is in the mailbox of a heap, which may be another one. */
static void empty_box(struct hak_heap *heap, struct hak_mailbox *box)
{
    uintptr_t word = hak_load_relaxed(&box->full);
    hak__race_point("empty mailbox");
    while (word != 0 && word != HAK_MAIL_CLOSED)
        if (hak__shared_cas(hak_cas_acquire(&box->full, &word, 0)))
            hak__mail_flush_parcels(heap, (struct hak_parcel *)word);
}

/* Hands back what is gathered for an owner, and what that has not taken of its mail. */
static void flush_outbox(struct hak_heap *heap, struct hak_outbox *outbox)
{
    struct hak_parcel *parcel = outbox->parcel;
    outbox->parcel = NULL;
    heap->outbox_bytes -= parcel != NULL ? parcel->bytes : 0;
    hak__mail_flush_parcels(heap, parcel);
    if (outbox->heap != NULL)
        empty_box(heap, &outbox->heap->mailbox);
    outbox->heap = NULL;
    outbox->owner = 0;
}

void hak__mail_flush(struct hak_heap *heap)
{
    visit_outboxes(heap, flush_outbox);
    hand_back_inbox(heap);
    empty_box(heap, &heap->mailbox);
}

void hak__mail_open(struct hak_heap *heap)
{
    hak_store_relaxed(&heap->mailbox.full, 0);
}

void hak__mail_close(struct hak_heap *heap)
{
    hak__race_point("close mailbox");
    uintptr_t word = HAK_SHARED(hak_swap_acquire(&heap->mailbox.full, HAK_MAIL_CLOSED));
    if (word != HAK_MAIL_CLOSED) /* as it is before it is opened */
        hak__mail_flush_parcels(heap, (struct hak_parcel *)word);
}

static void post_rest(struct hak_heap *heap, struct hak_outbox *outbox)
{
    if (outbox->parcel != NULL)
        post(heap, outbox);
}

void hak__mail_leave(struct hak_heap *heap)
{
    visit_outboxes(heap, post_rest);
    hand_back_inbox(heap);
    hak__mail_close(heap);
}

void hak__mail_reset(struct hak_heap *heap)
{
    if (heap->outboxes != NULL)
        memset(heap->outboxes, 0, sizeof *heap->outboxes);
    heap->outboxes_used = 0;
    heap->outbox_bytes = 0;
    heap->inbox = heap->spare_parcels = NULL;
    heap->spare_parcel_count = 0;
}

const struct hak_parcel *hak__mail_pending(const struct hak_heap *heap)
{
    uintptr_t word = hak_load_relaxed(&heap->mailbox.full);
    return word != HAK_MAIL_CLOSED ? (const struct hak_parcel *)word : NULL;
}

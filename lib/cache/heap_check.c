/* SPDX-License-Identifier: MIT */
#include "cache/heap_check.h"

#include <string.h>

#include "base/annotate.h"
#include "base/bits.h"
#include "cache/heap.h"
#include "cache/heap_list.h"
#include "cache/mail.h"
#include "cache/span_cache.h"
#include "os/os.h"
#include "page/arena.h"
#include "page/huge.h"
#include "page/pagemap.h"
#include "page/retain.h"
#include "slab/slab_check.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/slab_pages.h"
#include "slab/starter.h"

/* Bitmaps of all slabs, by hak__superslab_index. */
struct walk {
    struct hak_heap_check *check;
    uint8_t *seen;
    size_t slab_bytes, dirty_bytes, cached_span_bytes;
};

static void contradict(struct walk *walk, const char *wrong, const void *where)
{
    if (walk->check->wrong == NULL) {
        walk->check->wrong = wrong;
        walk->check->where = where;
    }
}

static uint8_t *seen_of(struct walk *walk, const TinySlabMeta *slab)
{
    return walk->seen + hak__superslab_index(slab) * HAK_SLAB_BITMAP;
}

static void visit_slab(TinySlabMeta *slab, void *context)
{
    struct walk *walk = context;
    if (slab->slot == 0) {
        uint32_t used = 0, dirty = 0;
        hak__superslab_slots(slab->super, &used, &dirty);
        for (uint32_t rest = dirty; rest != 0; rest &= rest - 1)
            walk->dirty_bytes += hak__pages_bytes(slab + hak__lowest_bit(rest), 1);
        const char *wrong = hak__superslab_check(slab->super);
        if (wrong != NULL)
            contradict(walk, wrong, slab->super);
    }
    struct slab_view view = slab_freelist_view(slab);
    if (view.state < SLAB_CURRENT)
        return;
    const char *wrong = hak__slab_check(slab, seen_of(walk, slab));
    if (wrong != NULL)
        contradict(walk, wrong, slab);
    size_t carved = view.carved, free = view.free;
    if (view.class_idx == HAK_CLASS_STARTER)
        hak__starter_count(&carved, &free);
    walk->check->slabs++;
    walk->check->carved += carved;
    walk->check->free += free;
    walk->slab_bytes += hak__pages_bytes(slab, slab->units);
}

/* A block that a heap holds is carved and nowhere else. */
static void see(struct walk *walk, TinySlabMeta *slab, uint32_t index, const void *where)
{
    if (!hak__slab_see(slab, seen_of(walk, slab), index))
        contradict(walk, "a block is in two places, or was never handed out", where);
}

static void visit_bin(struct walk *walk, struct hak_heap *heap, unsigned class_idx)
{
    for (void **at = heap->base[class_idx]; at < heap->top[class_idx]; at++) {
        uintptr_t address = (uintptr_t)*at;
        if ((hak__pagemap_word(address) & 0xff) != class_idx + 1) {
            contradict(walk, "a cached block is not of its bin's class", *at);
            continue;
        }
        TinySlabMeta *slab = hak__pagemap_record(address);
        see(walk, slab, slab_freelist_index(slab, *at), *at);
        walk->check->cached++;
    }
}

/* In the hardened variant: freed blocks on their way to a bin. */
static void visit_rest(struct walk *walk, const struct hak_rest *rest)
{
    for (uint32_t i = 0; rest != NULL && i < 2 * rest->half; i++) {
        if (rest->place[i] == NULL)
            continue;
        TinySlabMeta *slab = hak__pagemap_record((uintptr_t)rest->place[i]);
        see(walk, slab, slab_freelist_index(slab, rest->place[i]), rest->place[i]);
        walk->check->cached++;
    }
}

static void visit_chain(struct walk *walk, const struct hak_chain *chain)
{
    TinySlabMeta *slab = chain->slab;
    if (slab == NULL)
        return;
    uint32_t at = chain->first;
    for (uint32_t i = 0; i < chain->count; i++) {
        void *block = slab_freelist_block(slab, at);
        see(walk, slab, at, block);
        if (at >= slab_freelist_view(slab).carved)
            return;
        walk->check->batched++;
        if ((i + 1 == chain->count) != (block == chain->last))
            contradict(walk, "a chain does not end at its last block", block);
        if (i + 1 < chain->count)
            at = slab_freelist_peek_next(slab, block);
    }
}

static void visit_parcels(struct walk *walk, const struct hak_parcel *parcel)
{
    for (; parcel != NULL; parcel = parcel->next)
        for (uint32_t i = 0; i < parcel->count; i++) {
            uintptr_t address = (uintptr_t)parcel->block[i];
            if ((hak__pagemap_word(address) & 0xff) != parcel->class_idx[i] + 1u) {
                contradict(walk, "a block in the mail is not of its class", parcel->block[i]);
                continue;
            }
            TinySlabMeta *slab = hak__pagemap_record(address);
            see(walk, slab, slab_freelist_index(slab, parcel->block[i]), parcel->block[i]);
            walk->check->batched++;
        }
}

static void visit_mail(struct walk *walk, const struct hak_heap *heap)
{
    size_t gathered = 0;
    for (int i = 0; heap->outboxes != NULL && i < HAK_ALL_OUTBOXES; i++) {
        const struct hak_parcel *parcel = (*heap->outboxes)[i].parcel;
        visit_parcels(walk, parcel);
        gathered += parcel != NULL ? parcel->bytes : 0;
    }
    if (gathered != heap->outbox_bytes)
        contradict(walk, "what a heap has gathered is not what it counts", heap);
    visit_parcels(walk, heap->inbox);
    visit_parcels(walk, hak__mail_pending(heap));
}

static void visit_heap(struct hak_heap *heap, void *context)
{
    struct walk *walk = context;
    size_t capacity = 0;
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        visit_bin(walk, heap, i);
        if (HAK_HARDENED)
            visit_rest(walk, hak__heap_rests(heap)->of[i]);
        capacity += ((size_t)(heap->limit[i] - heap->base[i]) + heap->lifted[i]) * hak__class_size(i);
        TinySlabMeta *slab = heap->current[i];
        if (slab != NULL && (slab_freelist_view(slab).state != SLAB_CURRENT || slab->class_idx != i))
            contradict(walk, "a heap's current slab is not its own", slab);
    }
    for (uint32_t i = 0; HAK_HARDENED && i < hak__heap_rests(heap)->large_count; i++) {
        const struct hak_rests *rests = hak__heap_rests(heap);
        walk->cached_span_bytes += hak__span_counted(rests->large[(rests->large_turn + i) % HAK_LARGE_RESTS]);
    }
    for (int i = 0; i < HAK_CACHED_SPANS; i++) {
        if (heap->cached_spans[i].units == 0)
            continue;
        const struct hak_span *span = heap->cached_spans[i].span;
        if (hak__pagemap_word(span->base) != HAK_CODE_LARGE || span->units != heap->cached_spans[i].units ||
            hak__span_block(span) != heap->cached_spans[i].block || !hak__span_is_cached(span))
            contradict(walk, "a kept span is not shown as one", span);
        walk->cached_span_bytes += hak__span_counted(span);
    }
    if (capacity != heap->capacity_bytes)
        contradict(walk, "the capacity of a heap's bins is not what it counts", heap);
    for (int i = 0; i < HAK_CHAINS; i++)
        visit_chain(walk, &heap->chains[i]);
    visit_mail(walk, heap);
}

HAK_WRITTEN_OFTEN struct hak_lock hak__heap_check_lock;

static void check_heap_locked(struct hak_heap_check *check)
{
    memset(check, 0, sizeof *check);
    size_t size = hak__align_up(hak__superslab_index_end() * HAK_SLAB_BITMAP + 1,
                                hak__os_page_size());
    struct walk walk = {.check = check, .seen = hak__os_map(size)};
    if (walk.seen == NULL) {
        check->wrong = "out of memory";
        return;
    }
    hak__superslab_visit(visit_slab, &walk);
    hak__heap_visit(visit_heap, &walk);
    hak__os_unmap_unused(walk.seen, size);
    check->superslabs = hak_load_relaxed(&hak__superslabs_in_use);
    size_t out = check->carved - check->free;
    check->live = out - check->cached - check->batched;
    if (out < check->cached + check->batched)
        contradict(&walk, "more blocks are cached than were handed out", NULL);
    size_t live = hak_load_relaxed(&hak__live_bytes);
    check->large_bytes = live - walk.slab_bytes - walk.cached_span_bytes;
    if (live < walk.slab_bytes + walk.cached_span_bytes)
        contradict(&walk, "less is live than slabs and kept spans have", NULL);
    if (hak_load_relaxed(&hak__retained_bytes) !=
        walk.dirty_bytes + hak__arena_warm() + hak__huge_cached_bytes())
        contradict(&walk, "what is retained is not what is counted", NULL);
    if (hak_load_relaxed(&hak__taken_bytes) != live + hak_load_relaxed(&hak__retained_bytes))
        contradict(&walk, "what was taken from the system is neither live nor retained", NULL);
}

void hak__heap_check(struct hak_heap_check *check)
{
    HAK_UNSEEN;
    hak__lock_acquire(&hak__heap_check_lock);
    check_heap_locked(check);
    hak__lock_release(&hak__heap_check_lock);
}

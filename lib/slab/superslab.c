/* SPDX-License-Identifier: MIT */
#include "slab/superslab.h"

#include "base/bits.h"
#include "base/check.h"
#include "base/probe.h"
#include "core/meta.h"
#include "core/options.h"
#include "os/deadline.h"
#include "os/os.h"
#include "page/arena.h"
#include "page/pagemap.h"
#include "page/purge.h"
#include "page/retain.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/slab_pages.h"

HAK_WRITTEN_OFTEN struct hak_lock hak__stage3_lock;

/* Under hak__stage3_lock. */
static struct super_chunk *last_chunk = &hak__super_chunks;
static unsigned next_number;
static SuperSlab *spare; /* records without a span */

_Atomic size_t hak__superslabs_in_use;

/*
 * The one SuperSlab that stays when it is empty, so that a program around the
 * edge does not map and unmap; a hint, replaced by CAS when it is in use again.
 */
static _Atomic(SuperSlab *) kept;

/* ---- slots ------------------------------------------------------------- */

/* The first slots of the aligned runs of set bits. */
static uint32_t runs(uint32_t mask, unsigned order)
{
    static const uint32_t aligned[] = {0xffffffffu, 0x55555555u, 0x11111111u, 0x01010101u};
    for (unsigned i = 0; i < order; i++)
        mask &= mask >> (1u << i);
    return mask & aligned[order];
}

static uint32_t run_mask(size_t slot, size_t units)
{
    return (uint32_t)((((uint64_t)1 << units) - 1) << slot);
}

/* Slots that a search of a kind may take, as of the value of `used` that the caller has read. */
static uint32_t candidates(SuperSlab *super, uint32_t used, bool warm)
{
    return warm ? ~used & hak_load_relaxed(&super->dirty) : ~used;
}

/* Bytes of the pages of some slots that have memory. */
static size_t bytes_of(const SuperSlab *super, uint32_t mask)
{
    size_t bytes = 0;
    for (uint32_t rest = mask; rest != 0; rest &= rest - 1)
        bytes += hak__pages_bytes(&super->slabs[hak__lowest_bit(rest)], 1);
    return bytes;
}

/* The holder of slots takes their memory off what is retained; how many bytes. The bits are its own. */
static size_t forget_dirty(SuperSlab *super, uint32_t mask)
{
    uint32_t dirty = hak_load_relaxed(&super->dirty) & mask;
    uint32_t pinned = hak_load_relaxed(&super->pinned) & mask;
    if (hak_unlikely(pinned != 0)) {
        HAK_SHARED(hak_and_relaxed(&super->pinned, ~pinned));
        hak_sub_relaxed(&hak__pinned_bytes, bytes_of(super, pinned));
    }
    if (dirty == 0)
        return 0;
    size_t bytes = bytes_of(super, dirty);
    HAK_SHARED(hak_and_relaxed(&super->dirty, ~dirty));
    hak__retained_sub(bytes);
    return bytes;
}

static TinySlabMeta *slab_at(SuperSlab *super, unsigned slot, unsigned units)
{
    TinySlabMeta *slab = &super->slabs[slot];
    size_t bytes = forget_dirty(super, run_mask(slot, units));
    if (bytes != 0)
        hak__live_add(bytes);
    slab->cold = bytes != units * HAK_GRANULE;
    slab->units = (uint8_t)units;
    slab->base = super->span->base + slot * HAK_GRANULE;
    return slab;
}

enum { ANY_PAGES = 16 }; /* as many as a slot can have */

/*
 * Of the first slots of runs the one that has most memory, but not more pages than that; the lowest of
 * equals, 32 when there is none. Their bits may change meanwhile: they only steer.
 */
static unsigned fittest(const SuperSlab *super, uint32_t starts, unsigned pages)
{
    unsigned best = HAK_SUPERSLAB_UNITS, most = 0;
    for (uint32_t rest = starts; rest != 0; rest &= rest - 1) {
        unsigned slot = hak__lowest_bit(rest);
        unsigned has = hak__count_bits(hak_load_relaxed(&super->slabs[slot].pages));
        if (has <= pages && (best == HAK_SUPERSLAB_UNITS || has > most)) {
            best = slot;
            most = has;
        }
    }
    return best;
}

static TinySlabMeta *take_from(SuperSlab *super, unsigned order, bool warm, unsigned pages)
{
    uint32_t used = hak_load_relaxed(&super->used);
    for (;;) {
        uint32_t starts = runs(candidates(super, used, warm), order);
        unsigned slot = fittest(super, starts, pages);
        if (slot == HAK_SUPERSLAB_UNITS)
            return NULL;
        hak__race_point("take slots");
        if (hak__shared_cas(hak_cas_acquire(&super->used, &used,
                                            used | run_mask(slot, 1u << order))))
            return slab_at(super, slot, 1u << order);
    }
}

/* A search has found nothing here: out of the set, unless that has changed meanwhile. */
static void strike_out(SuperSlab *super, unsigned order, bool warm)
{
    struct chunk_set set = hak__chunk_slots(super->chunk, order, warm);
    super_set_remove(set.near, super->number);
    hak__race_point("look at slots again");
    uint32_t used = HAK_SHARED(hak_or_acq_rel(&super->used, 0));
    if (runs(candidates(super, used, warm), order) != 0)
        hak__chunk_put(super->chunk, super->number, set);
}

static TinySlabMeta *take_in(struct super_chunk *chunk, unsigned order, bool warm)
{
    struct chunk_set set = hak__chunk_slots(chunk, order, warm);
    if (warm && !hak__chunk_was_ever(chunk, HAK_EVER_WARM))
        return NULL;
    for (unsigned n = super_set_next(set.near, 0); n < HAK_SET_SIZE;
         n = super_set_next(set.near, n + 1)) {
        SuperSlab *super = hak__chunk_member(chunk, n);
        TinySlabMeta *slab = take_from(super, order, warm, ANY_PAGES);
        if (slab != NULL)
            return slab;
        strike_out(super, order, warm);
    }
    hak__chunk_strike_out(chunk, set);
    return NULL;
}

TinySlabMeta *hak__superslab_take(unsigned order, bool warm)
{
    TinySlabMeta *slab = NULL;
    for (struct super_chunk *chunk = &hak__super_chunks; chunk != NULL && slab == NULL;
         chunk = hak__chunk_after(chunk, hak__chunk_slots(chunk, order, warm)))
        slab = take_in(chunk, order, warm);
    return slab;
}

/* Nothing is struck out: other searches would take what this one passes by. */
TinySlabMeta *hak__superslab_take_little(unsigned pages)
{
    enum { LOOKS = 8 };
    unsigned looks = 0;
    for (struct super_chunk *chunk = &hak__super_chunks; chunk != NULL;
         chunk = hak__chunk_after(chunk, hak__chunk_slots(chunk, 0, false))) {
        struct chunk_set set = hak__chunk_slots(chunk, 0, false);
        for (unsigned n = super_set_next(set.near, 0); n < HAK_SET_SIZE;
             n = super_set_next(set.near, n + 1)) {
            TinySlabMeta *slab = take_from(hak__chunk_member(chunk, n), 0, false, pages);
            if (slab != NULL || ++looks == LOOKS)
                return slab;
        }
    }
    return NULL;
}

/* ---- SuperSlabs come and go -------------------------------------------- */

static SuperSlab *record_locked(void)
{
    SuperSlab *super = spare;
    if (super != NULL) {
        spare = super->next_spare;
        return super;
    }
    if (next_number == HAK_SET_SIZE) {
        struct super_chunk *chunk = hak__meta_alloc(sizeof *chunk, _Alignof(struct super_chunk));
        if (chunk == NULL)
            return NULL;
        chunk->first = last_chunk->first + HAK_SET_SIZE;
        if (!hak__chunk_list(chunk))
            return NULL;
        hak_store_release(&last_chunk->next, chunk);
        last_chunk = chunk;
        next_number = 0;
    }
    super = hak__meta_alloc(sizeof *super, _Alignof(SuperSlab));
    if (super == NULL)
        return NULL;
    super->chunk = last_chunk;
    super->number = next_number++;
    hak_store_relaxed(&super->used, UINT32_MAX);
    for (unsigned i = 0; i < HAK_SUPERSLAB_UNITS; i++) {
        super->slabs[i].super = super;
        super->slabs[i].slot = (uint8_t)i;
    }
    hak_store_release(&super->chunk->member[super->number], super);
    return super;
}

/* Puts a SuperSlab into the sets of what can be found in it. */
static void announce(SuperSlab *super, uint32_t used)
{
    uint32_t unused = candidates(super, used, false);
    uint32_t warm = candidates(super, used, true);
    if (warm != 0)
        super_set_raise(&super->chunk->ever, (uint64_t)1 << HAK_EVER_WARM);
    for (unsigned order = 0; order < HAK_ORDERS; order++) {
        if (runs(unused, order) != 0)
            hak__chunk_put(super->chunk, super->number, hak__chunk_slots(super->chunk, order, false));
        if (runs(warm, order) != 0)
            hak__chunk_put(super->chunk, super->number, hak__chunk_slots(super->chunk, order, true));
    }
}

/*
 * If asked for, a process that has grown gets the memory of further SuperSlabs at once,
 * as a huge page if the system has one.
 */
static void populate_at_once(struct hak_span *span)
{
    size_t least = (size_t)hak__option(HAK_OPTION_THP_MIN);
    if (hak_likely(least == 0) || span->dirty || hak_load_relaxed(&hak__live_bytes) < least ||
        !hak__memory_take(HAK_SUPERSLAB))
        return;
    hak__os_huge_pages((void *)span->base, HAK_SUPERSLAB, true);
    if (hak__os_populate((void *)span->base, HAK_SUPERSLAB)) {
        hak__retain_missed(HAK_SUPERSLAB);
        span->dirty = true;
    } else {
        hak__memory_return(HAK_SUPERSLAB);
    }
}

TinySlabMeta *hak__superslab_create_locked(struct hak_span *span, unsigned order)
{
    SuperSlab *super = record_locked();
    if (super == NULL)
        return NULL;
    populate_at_once(span);
    if (span->dirty)
        hak__retained_add(HAK_SUPERSLAB);
    super->span = span;
    for (unsigned slot = 0; slot < HAK_SUPERSLAB_UNITS; slot++)
        hak__pages_set(&super->slabs[slot], span->dirty ? hak__pages_all() : 0);
    hak_store_relaxed(&super->dirty, span->dirty ? UINT32_MAX : 0);
    TinySlabMeta *slab = slab_at(super, 0, 1u << order);
    hak_add_relaxed(&hak__superslabs_in_use, 1);
    HAK_PROBE2(hakmem, superslab_new, span->base, HAK_SUPERSLAB);
    /* a read-modify-write, as super_set.h asks of whoever makes something be there */
    uint32_t rest = run_mask(0, 1u << order);
    HAK_SHARED(hak_and_acq_rel(&super->used, rest));
    announce(super, rest);
    return slab;
}

/* The holder of slots marks those that the system has refused. */
static void pin(SuperSlab *super, uint32_t mask)
{
    uint32_t fresh = mask & ~hak_load_relaxed(&super->pinned);
    if (fresh == 0)
        return;
    HAK_SHARED(hak_or_relaxed(&super->pinned, fresh));
    hak_add_relaxed(&hak__pinned_bytes, bytes_of(super, fresh));
}

/* Purges the runs of set bits, which are dirty slots of the caller; those that are clean afterwards. */
static uint32_t purge_slots(SuperSlab *super, uint32_t mask)
{
    uint32_t clean = mask;
    for (uint32_t rest = mask; rest != 0;) {
        unsigned length = 0, first = hak__take_run(&rest, &length);
        size_t stays_from = 0;
        size_t stay = hak__purge_around(super->span->base + first * HAK_GRANULE, length, &stays_from);
        clean &= ~run_mask(first + stays_from, stay);
    }
    pin(super, mask & ~clean);
    return clean;
}

/*
 * Slots of the caller have no memory any more; how many bytes that is. Not of all of them: another
 * purge may have been here between the look at the bits and the CAS that took the slots.
 */
static size_t forget_purged(SuperSlab *super, uint32_t mask)
{
    size_t gone = forget_dirty(super, mask);
    for (uint32_t rest = mask; rest != 0; rest &= rest - 1)
        hak__pages_set(&super->slabs[hak__lowest_bit(rest)], 0);
    if (gone != 0)
        hak__memory_return(gone);
    return gone;
}

/*
 * Whether an empty SuperSlab can go back to the arena, whose spans count as a whole: without memory,
 * or with so much of it that it is taken for whole, unless a limit forbids that. Others stay until a
 * purge has taken their memory, for here no function of the system may be called that allocates.
 */
static bool can_count_whole(SuperSlab *super, bool *whole)
{
    uint32_t dirty = hak_load_relaxed(&super->dirty);
    size_t bytes = bytes_of(super, dirty);
    *whole = dirty != 0;
    return dirty == 0 ||
           (bytes >= HAK_SUPERSLAB / 4 * 3 && hak__memory_take(HAK_SUPERSLAB - bytes));
}

/* Gives an empty SuperSlab up, unless somebody takes a slot of it first. */
static void retire(SuperSlab *super)
{
    uint32_t none = 0;
    bool whole = false;
    hak__race_point("retire SuperSlab");
    if (!hak__shared_cas(hak_cas_acquire(&super->used, &none, UINT32_MAX)))
        return;
    if (!can_count_whole(super, &whole)) {
        HAK_SHARED(hak_and_acq_rel(&super->used, 0));
        announce(super, 0);
        return;
    }
    hak__count(HAK_COUNTER_SUPERSLAB_RELEASES, 1);
    struct hak_span *span = super->span;
    span->dirty = whole;
    span->pinned = whole && hak_load_relaxed(&super->pinned) != 0;
    forget_dirty(super, UINT32_MAX);
    hak__lock_acquire(&hak__stage3_lock);
    hak__pagemap_set_words(span->base, HAK_SUPERSLAB_UNITS, HAK_CODE_SPAN_INSIDE);
    super->next_spare = spare;
    spare = super;
    hak_sub_relaxed(&hak__superslabs_in_use, 1);
    hak__arena_free(span);
    hak__lock_release(&hak__stage3_lock);
}

/* Keeps the first empty SuperSlab and gives up the others. */
static void keep_or_retire(SuperSlab *super)
{
    SuperSlab *other = hak_load_relaxed(&kept);
    if (other == super)
        return;
    hak__race_point("keep SuperSlab");
    if (other != NULL && hak_load_relaxed(&other->used) == 0)
        retire(super);
    else if (!hak__shared_cas(hak_cas_relaxed(&kept, &other, super)))
        retire(super);
}

static void give_back(SuperSlab *super, uint32_t mask)
{
    hak__race_point("give slots back");
    uint32_t left = HAK_SHARED(hak_and_acq_rel(&super->used, ~mask)) & ~mask;
    hak__race_point("announce slots");
    announce(super, left);
    if (left == 0)
        keep_or_retire(super);
}

void hak__superslab_return(TinySlabMeta *slab)
{
    SuperSlab *super = slab->super;
    uint32_t mask = run_mask(slab->slot, slab->units), dirty = 0;
    for (unsigned slot = slab->slot; slot < slab->slot + slab->units; slot++)
        dirty |= hak_load_relaxed(&super->slabs[slot].pages) != 0 ? run_mask(slot, 1) : 0;
    if (dirty != 0) {
        size_t bytes = bytes_of(super, dirty);
        hak__live_sub(bytes);
        hak__retained_add(bytes);
        HAK_SHARED(hak_or_relaxed(&super->dirty, dirty));
    }
    give_back(super, mask);
}

/* ---- purging ----------------------------------------------------------- */

/* Takes all unused slots that have memory behind them; 0 when there are none. */
static uint32_t take_dirty(SuperSlab *super, bool pinned_too)
{
    uint32_t used = hak_load_relaxed(&super->used);
    for (;;) {
        uint32_t mask = candidates(super, used, true);
        if (!pinned_too)
            mask &= ~hak_load_relaxed(&super->pinned);
        if (mask == 0)
            return 0;
        hak__race_point("take dirty slots");
        if (hak__shared_cas(hak_cas_acquire(&super->used, &used, used | mask)))
            return mask;
    }
}

/* Purges what is warm in one SuperSlab; how many bytes. False when nothing went, since it was refused. */
static bool purge_one(SuperSlab *super, bool pinned_too, size_t *done)
{
    uint32_t mask = take_dirty(super, pinned_too);
    if (mask == 0) {
        strike_out(super, 0, true);
        return true;
    }
    size_t gone = forget_purged(super, purge_slots(super, mask));
    give_back(super, mask);
    if (gone == 0)
        return false;
    hak__purge_count(gone);
    *done += gone;
    return true;
}

size_t hak__superslab_purge(size_t bytes, int64_t until, bool pinned_too)
{
    size_t done = 0;
    int refused = 0;
    for (struct super_chunk *chunk = &hak__super_chunks; chunk != NULL;
         chunk = hak__chunk_after(chunk, hak__chunk_slots(chunk, 0, true))) {
        struct chunk_set set = hak__chunk_slots(chunk, 0, true);
        unsigned n = super_set_next(set.near, 0);
        for (; n < HAK_SET_SIZE && done < bytes; n = super_set_next(set.near, n + 1)) {
            if (hak__os_is_past(until))
                return done;
            refused = purge_one(hak__chunk_member(chunk, n), pinned_too, &done) ? 0 : refused + 1;
            if (refused == HAK_PURGE_REFUSALS)
                return done;
        }
        if (done >= bytes)
            break;
        hak__chunk_strike_out(chunk, set);
    }
    return done;
}

/* ---- looking ----------------------------------------------------------- */

SuperSlab *hak__superslab_after(const SuperSlab *super)
{
    struct super_chunk *chunk = super == NULL ? &hak__super_chunks : super->chunk;
    unsigned number = super == NULL ? 0 : super->number + 1;
    if (number == HAK_SET_SIZE) {
        chunk = hak__chunk_next(chunk);
        number = 0;
    }
    return chunk != NULL ? hak__chunk_member(chunk, number) : NULL;
}

void hak__superslab_visit(void (*visit)(TinySlabMeta *slab, void *context), void *context)
{
    for (struct super_chunk *chunk = &hak__super_chunks; chunk != NULL; chunk = hak__chunk_next(chunk))
        for (unsigned n = 0; n < HAK_SET_SIZE; n++) {
            SuperSlab *super = hak__chunk_member(chunk, n);
            if (super == NULL)
                break;
            for (unsigned slot = 0; slot < HAK_SUPERSLAB_UNITS; slot++)
                visit(&super->slabs[slot], context);
        }
}

size_t hak__superslab_index(const TinySlabMeta *slab)
{
    const SuperSlab *super = slab->super;
    return (super->chunk->first + super->number) * HAK_SUPERSLAB_UNITS + slab->slot;
}

size_t hak__superslab_index_end(void)
{
    hak__lock_acquire(&hak__stage3_lock);
    size_t end = (last_chunk->first + next_number) * HAK_SUPERSLAB_UNITS;
    hak__lock_release(&hak__stage3_lock);
    return end;
}

void hak__superslab_slots(const SuperSlab *super, uint32_t *used, uint32_t *dirty)
{
    *used = hak_load_acquire(&super->used);
    *dirty = hak_load_relaxed(&super->dirty);
}

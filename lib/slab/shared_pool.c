/* SPDX-License-Identifier: MIT */
#include "slab/shared_pool.h"

#include "base/bits.h"
#include "base/check.h"
#include "base/probe.h"
#include "core/options.h"
#include "core/report.h"
#include "core/stats.h"
#include "page/arena.h"
#include "page/locked.h"
#include "page/pagemap.h"
#include "slab/size_class.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/slab_pages.h"
#include "slab/superslab.h"
#include "slab/superslab_partial.h"

HAK_READ_MOSTLY uint64_t hak__slab_link_secret;

void hak__pool_trace(const char *what, const TinySlabMeta *slab)
{
    if (!HAK_DEBUG || hak_likely(hak__option(HAK_OPTION_TRACE) == 0))
        return;
    struct hak_text text;
    hak__text_message(&text);
    hak__text_string(&text, "pool: ");
    hak__text_string(&text, what);
    hak__text_string(&text, " slab ");
    hak__text_pointer(&text, (void *)slab->base);
    hak__text_string(&text, " class C");
    hak__text_unsigned(&text, slab->class_idx);
    hak__text_string(&text, "\n");
    hak__text_end(&text);
}

/* The word of a slab that the caller holds CURRENT; one that grows or has holes may be nobody's. */
static uint32_t word_of(TinySlabMeta *slab, uint32_t owner)
{
    bool growing = slab_freelist_view(slab).carved < slab->capacity;
    bool holes = hak_load_relaxed(&slab->holes) != 0;
    return (holes ? 0 : owner << HAK_OWNER_SHIFT) | (growing || holes ? HAK_GROWING : 0) |
           (slab->class_idx + 1u);
}

void hak__pool_show(TinySlabMeta *slab, uint32_t owner)
{
    hak__pagemap_set_words(slab->base, slab->units, word_of(slab, owner));
}

void hak__pool_abandon(TinySlabMeta *slab, unsigned class_idx)
{
    struct slab_view now;
    if ((word_of(slab, 0) & HAK_GROWING) != 0)
        hak__pool_show(slab, 0); /* from then on it may be shown as another's */
    slab_freelist_let_go(slab, &now);
    hak__race_point("let go");
    if (now.state == SLAB_CLAIMED)
        hak__pool_release(slab);
    else if (now.state == SLAB_PARTIAL)
        hak__superslab_show(slab, class_idx);
}

/* Odd, so that no address is lost in the product; another one in every life. */
static uint64_t link_key_of(const TinySlabMeta *slab, uint32_t life)
{
    return hak__mix(hak__slab_link_secret ^ life, hak__slab_link_secret + (uintptr_t)slab) | 1;
}

/* The life's number is that of its begin: the count is one further since. */
void hak__pool_rekey(TinySlabMeta *slab)
{
    slab_freelist_rekey(slab, link_key_of(slab, hak_load_relaxed(&slab->lives) - 1));
}

/* Makes a slab of which the caller holds the slots serve a class. */
static TinySlabMeta *begin_life(TinySlabMeta *slab, unsigned class_idx, uint32_t owner)
{
    const struct hak_class_info *info = &hak__class_info[class_idx];
    slab->class_idx = (uint8_t)class_idx;
    slab->capacity = info->capacity;
    slab->size = info->size;
    slab->inverse = (uint32_t)(info->reciprocal >> 32) + 1;
    slab->link_key = link_key_of(slab, hak_load_relaxed(&slab->lives));
    hak__race_point("begin");
    hak_store_release(&slab->lives, hak_load_relaxed(&slab->lives) + 1);
    hak_fence_release(); /* who sees anything of this life sees that it is one (cache/inspect.h) */
    hak_store_relaxed(&slab->holes, 0);
    slab_freelist_begin(slab, class_idx);
    hak__pagemap_set_run(slab->base, slab->units, word_of(slab, owner), slab);
    return slab;
}

static TinySlabMeta *acquire_new(unsigned order)
{
    hak__lock_acquire(&hak__stage3_lock);
    /* somebody may have been here while we waited */
    TinySlabMeta *slab = hak__superslab_take(order, false);
    if (slab == NULL) {
        struct hak_span *span = hak__arena_alloc(HAK_SUPERSLAB_UNITS, HAK_SUPERSLAB_UNITS, false);
        if (span != NULL)
            slab = hak__superslab_create_locked(span, order);
        if (span != NULL && slab == NULL)
            hak__arena_free(span);
    }
    hak__lock_release(&hak__stage3_lock);
    return slab;
}

/* Pages that were used of the slab of a class that went back last; 0: none has. Any thread; only steer. */
HAK_WRITTEN_OFTEN static _Atomic uint8_t used_pages[HAK_CLASS_COUNT + 1];

static void note_used(TinySlabMeta *slab)
{
    size_t bytes = (size_t)slab_freelist_view(slab).carved * slab->size, page = hak__page_counted();
    size_t pages = (bytes + page - 1) >> hak__page_shift();
    hak_store_relaxed(&used_pages[slab->class_idx], (uint8_t)pages);
}

/*
 * A class that uses little of its slabs, as in threads that need a few blocks of each, does without the
 * memory of one that was filled: of what it left alone nobody could make use.
 */
static TinySlabMeta *acquire_little(unsigned order, unsigned class_idx, enum hak_counter *stage)
{
    enum { SHARE = 4 };
    unsigned pages = hak_load_relaxed(&used_pages[class_idx]);
    if (order != 0 || pages == 0 || (size_t)pages << hak__page_shift() > HAK_GRANULE / SHARE)
        return NULL;
    TinySlabMeta *slab = hak__superslab_take_little(pages);
    if (slab != NULL)
        *stage = hak__pages_bytes(slab, 1) != 0 ? HAK_COUNTER_STAGE0_5_EMPTY : HAK_COUNTER_STAGE2;
    return slab;
}

/* Slots with memory behind them, or others: those get it when their blocks are handed out. */
static TinySlabMeta *acquire_unused(unsigned order, unsigned class_idx, enum hak_counter *stage)
{
    TinySlabMeta *slab = acquire_little(order, class_idx, stage);
    if (slab != NULL)
        return slab;
    slab = hak__superslab_take(order, true);
    *stage = HAK_COUNTER_STAGE0_5_EMPTY;
    if (slab == NULL) {
        slab = hak__superslab_take(order, false);
        *stage = HAK_COUNTER_STAGE2;
    }
    if (slab == NULL) {
        slab = acquire_new(order);
        *stage = HAK_COUNTER_STAGE3;
    }
    return slab;
}

TinySlabMeta *hak__pool_acquire(unsigned class_idx, uint32_t owner)
{
    static const char *const name[] = {[HAK_COUNTER_STAGE0_5_EMPTY] = "STAGE0.5_EMPTY",
                                       [HAK_COUNTER_STAGE1] = "STAGE1_LOCKFREE",
                                       [HAK_COUNTER_STAGE2] = "STAGE2_LOCKFREE",
                                       [HAK_COUNTER_STAGE3] = "STAGE3"};
    unsigned order = hak__class_info[class_idx].slab_shift - HAK_GRANULE_SHIFT;
    enum hak_counter stage = HAK_COUNTER_STAGE3;
    bool shares = class_idx < HAK_CLASS_COUNT && owner != HAK_OWNER_SAMPLED;
    TinySlabMeta *slab = shares ? hak__superslab_claim(class_idx) : NULL;
    if (slab != NULL) {
        hak__race_point("claimed");
        hak__pool_show(slab, owner);
        hak__count(HAK_COUNTER_STAGE1, 1);
        HAK_TRACE(name[HAK_COUNTER_STAGE1], slab);
        return slab;
    }
    slab = acquire_unused(order, class_idx, &stage);
    if (slab == NULL)
        return NULL;
    if (hak_unlikely(!hak__locked_keep(slab->base, slab->units * HAK_GRANULE))) {
        hak__superslab_return(slab);
        return NULL;
    }
    hak__count(stage, 1);
    begin_life(slab, class_idx, owner);
    HAK_PROBE3(hakmem, slab_new, slab->base, slab->units * HAK_GRANULE, slab->size);
    HAK_TRACE(name[stage], slab);
    return slab;
}

void hak__pool_release(TinySlabMeta *slab)
{
    HAK_TRACE("release", slab);
    hak__count(HAK_COUNTER_SLAB_RELEASES, 1);
    hak__race_point("release");
    note_used(slab);
    slab_freelist_end(slab);
    hak__race_point("released");
    hak__pagemap_set_run(slab->base, slab->units, HAK_CODE_SLAB_FREE, slab);
    hak__superslab_return(slab);
}

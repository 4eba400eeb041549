/* SPDX-License-Identifier: MIT */
#include "slab/shared_pool.h"

#include "base/bits.h"
#include "base/check.h"
#include "core/options.h"
#include "core/report.h"
#include "core/stats.h"
#include "os/os.h"
#include "page/arena.h"
#include "page/pagemap.h"
#include "page/retain.h"
#include "slab/size_class.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/superslab.h"

enum { ORDERS = 4 };

/* How many empty slabs of 1, 2, 4 and 8 granules are kept ready. */
static const unsigned empty_limit[ORDERS] = {16, 4, 2, 1};

struct hak_lock hak__pool_lock;
uint32_t hak__slab_link_secret;

/* Under hak__pool_lock. */
static struct {
    TinySlabMeta *first;
    unsigned count;
} empties[ORDERS];

static struct partial_list {
    HAK_CACHE_ALIGNED struct hak_lock lock;
    TinySlabMeta *first; /* under the lock, as the links and `listed` of its slabs */
} partials[HAK_CLASS_COUNT];

HAK_NORETURN void hak__slab_corrupted(const TinySlabMeta *meta, const void *node)
{
    struct hak_text text;
    hak__text_begin(&text, 2);
    hak__text_string(&text, "hakmem: heap(");
    hak__text_pointer(&text, node);
    hak__text_string(&text, "): free list of ");
    hak__text_unsigned(&text, meta->size);
    hak__text_string(&text, "-byte blocks broken: written after free, or freed without being "
                            "allocated\n");
    hak__text_abort(&text);
}

/* Debug builds name every stage and release on request; release builds hold none of it. */
static void trace(const char *what, const TinySlabMeta *slab)
{
    if (hak_likely(hak__option(HAK_OPTION_TRACE) == 0))
        return;
    struct hak_text text;
    hak__text_begin(&text, 2);
    hak__text_string(&text, "hakmem: ");
    hak__text_string(&text, what);
    hak__text_string(&text, " slab ");
    hak__text_pointer(&text, (void *)slab->base);
    hak__text_string(&text, " class C");
    hak__text_unsigned(&text, slab->class_idx);
    hak__text_string(&text, "\n");
    hak__text_end(&text);
}

#define TRACE(what, slab)                                                                          \
    do {                                                                                           \
        if (HAK_DEBUG)                                                                             \
            trace(what, slab);                                                                     \
    } while (0)

static size_t slab_bytes(const TinySlabMeta *slab)
{
    return (size_t)slab->units * HAK_GRANULE;
}

static uint32_t shown_as(unsigned class_idx, uint32_t owner)
{
    return owner << 8 | (class_idx + 1);
}

/* Makes a slab that the caller holds serve a class. */
static TinySlabMeta *begin_life(TinySlabMeta *slab, unsigned class_idx, uint32_t owner)
{
    const struct hak_class_info *info = &hak__class_info[class_idx];
    slab->class_idx = (uint8_t)class_idx;
    slab->capacity = info->capacity;
    slab->size = info->size;
    slab->inverse = (uint32_t)(info->reciprocal >> 32) + 1;
    slab_freelist_reset(slab, SLAB_CURRENT);
    hak__pagemap_set_run(slab->base, slab->units, shown_as(class_idx, owner), slab);
    hak__live_add(slab_bytes(slab));
    return slab;
}

static void partial_remove_locked(struct partial_list *list, TinySlabMeta *slab)
{
    if (slab->prev != NULL)
        slab->prev->next = slab->next;
    else
        list->first = slab->next;
    if (slab->next != NULL)
        slab->next->prev = slab->prev;
    slab->listed = false;
}

static TinySlabMeta *acquire_partial(unsigned class_idx, uint32_t owner)
{
    struct partial_list *list = &partials[class_idx];
    TinySlabMeta *slab = NULL;
    hak__lock_acquire(&list->lock);
    while ((slab = list->first) != NULL) {
        partial_remove_locked(list, slab);
        uint32_t tag = slab_freelist_view(slab).tag;
        if (slab_freelist_change_state(slab, SLAB_PARTIAL, &tag, SLAB_CURRENT))
            break; /* else somebody emptied it and will release it */
    }
    hak__lock_release(&list->lock);
    if (slab != NULL)
        hak__pagemap_set_run(slab->base, slab->units, shown_as(class_idx, owner), slab);
    return slab;
}

static TinySlabMeta *acquire_empty_locked(unsigned order)
{
    TinySlabMeta *slab = empties[order].first;
    if (slab != NULL) {
        empties[order].first = slab->next;
        empties[order].count--;
        hak__retained_sub(slab_bytes(slab));
    }
    return slab;
}

static TinySlabMeta *acquire_new_locked(unsigned units)
{
    struct hak_span *span = hak__arena_alloc(HAK_SUPERSLAB_UNITS, HAK_SUPERSLAB_UNITS);
    if (span == NULL)
        return NULL;
    bool dirty = span->dirty;
    SuperSlab *super = hak__superslab_create_locked(span);
    if (super == NULL) {
        hak__arena_free(span);
        return NULL;
    }
    if (dirty) {
        super->dirty = UINT32_MAX;
        hak__retained_add(HAK_SUPERSLAB);
    }
    return hak__superslab_take_slot_locked(units);
}

TinySlabMeta *hak__pool_acquire(unsigned class_idx, uint32_t owner)
{
    unsigned order = hak__class_info[class_idx].slab_shift - HAK_GRANULE_SHIFT;
    hak__lock_acquire(&hak__pool_lock);
    TinySlabMeta *slab = acquire_empty_locked(order);
    hak__lock_release(&hak__pool_lock);
    if (slab != NULL) {
        hak__count(HAK_COUNTER_STAGE0_5_EMPTY, 1);
        begin_life(slab, class_idx, owner);
        TRACE("STAGE0.5_EMPTY", slab);
        return slab;
    }
    slab = acquire_partial(class_idx, owner);
    if (slab != NULL) {
        hak__count(HAK_COUNTER_STAGE1, 1);
        TRACE("STAGE1_LOCKFREE", slab);
        return slab;
    }
    hak__lock_acquire(&hak__pool_lock);
    enum hak_counter stage = HAK_COUNTER_STAGE2;
    slab = hak__superslab_take_slot_locked(1u << order);
    if (slab == NULL) {
        stage = HAK_COUNTER_STAGE3;
        slab = acquire_new_locked(1u << order);
    }
    hak__lock_release(&hak__pool_lock);
    if (slab == NULL)
        return NULL;
    hak__count(stage, 1);
    begin_life(slab, class_idx, owner);
    TRACE(stage == HAK_COUNTER_STAGE2 ? "STAGE2_LOCKFREE" : "STAGE3", slab);
    return slab;
}

void hak__pool_publish(TinySlabMeta *slab, unsigned class_idx, uint32_t tag)
{
    struct partial_list *list = &partials[class_idx];
    hak__lock_acquire(&list->lock);
    /*
     * The tag tells whether anybody changed the state between the caller's CAS
     * and here; whoever did has taken the slab over. Who claims it after this
     * check unlinks it under this lock.
     */
    struct slab_view view = slab_freelist_view(slab);
    if (view.state == SLAB_PARTIAL && view.tag == tag && !slab->listed) {
        slab->listed = true;
        slab->prev = NULL;
        slab->next = list->first;
        if (list->first != NULL)
            list->first->prev = slab;
        list->first = slab;
    }
    hak__lock_release(&list->lock);
}

/* Gives a slot back to its SuperSlab; a SuperSlab that becomes empty goes to the page arena. */
static struct hak_span *return_slot_locked(TinySlabMeta *slab)
{
    SuperSlab *super = slab->super;
    hak__superslab_return_slot_locked(slab);
    if (super->used != 0)
        return NULL;
    hak__count(HAK_COUNTER_SUPERSLAB_RELEASES, 1);
    return hak__superslab_retire_locked(super);
}

void hak__pool_release(TinySlabMeta *slab)
{
    struct partial_list *list = &partials[slab->class_idx];
    hak__lock_acquire(&list->lock);
    if (slab->listed)
        partial_remove_locked(list, slab);
    hak__lock_release(&list->lock);
    TRACE("release", slab);
    hak__count(HAK_COUNTER_SLAB_RELEASES, 1);
    hak__pagemap_set_run(slab->base, slab->units, HAK_CODE_SLAB_FREE, slab);
    size_t bytes = slab_bytes(slab);
    hak__live_sub(bytes);
    hak__retained_add(bytes);
    unsigned order = hak__log2_ceil(slab->units);
    struct hak_span *span = NULL;
    hak__lock_acquire(&hak__pool_lock);
    if (empties[order].count < empty_limit[order]) {
        slab->next = empties[order].first;
        empties[order].first = slab;
        empties[order].count++;
    } else {
        span = return_slot_locked(slab);
    }
    hak__lock_release(&hak__pool_lock);
    if (span != NULL)
        hak__arena_free(span);
}

/* Sends the empty slabs back to their slots; SuperSlabs that become empty go to the page arena. */
static void return_empties(void)
{
    for (unsigned order = 0; order < ORDERS; order++)
        for (;;) {
            hak__lock_acquire(&hak__pool_lock);
            TinySlabMeta *slab = empties[order].first;
            struct hak_span *span = NULL;
            if (slab != NULL) {
                empties[order].first = slab->next;
                empties[order].count--;
                span = return_slot_locked(slab);
            }
            hak__lock_release(&hak__pool_lock);
            if (span != NULL)
                hak__arena_free(span);
            if (slab == NULL)
                break;
        }
}

void hak__pool_visit(void (*visit)(TinySlabMeta *slab, void *context), void *context)
{
    hak__lock_acquire(&hak__pool_lock);
    hak__superslab_visit_locked(visit, context);
    hak__lock_release(&hak__pool_lock);
}

void hak__pool_each_lock(void (*function)(struct hak_lock *lock))
{
    for (int i = 0; i < HAK_CLASS_COUNT; i++)
        function(&partials[i].lock);
    function(&hak__pool_lock);
}

/* Purges the runs of set bits; the slots that are clean afterwards. */
static uint32_t purge_slots(uintptr_t base, uint32_t mask)
{
    uint32_t clean = 0;
    for (uint32_t rest = mask; rest != 0;) {
        unsigned first = hak__lowest_bit(rest);
        unsigned length = hak__lowest_bit(~((uint64_t)rest >> first));
        uint32_t run = (uint32_t)((((uint64_t)1 << length) - 1) << first);
        if (hak__os_purge((void *)(base + first * HAK_GRANULE), length * HAK_GRANULE))
            clean |= run;
        rest &= ~run;
    }
    return clean;
}

size_t hak__pool_purge(size_t bytes)
{
    size_t done = 0;
    return_empties();
    while (done < bytes) {
        SuperSlab *super = NULL;
        hak__lock_acquire(&hak__pool_lock);
        uint32_t mask = hak__superslab_take_dirty_locked(&super);
        hak__lock_release(&hak__pool_lock);
        if (mask == 0)
            break;
        uint32_t clean = purge_slots(super->span->base, mask);
        size_t gone = (size_t)hak__count_bits(clean) * HAK_GRANULE;
        struct hak_span *span = NULL;
        hak__lock_acquire(&hak__pool_lock);
        hak__superslab_return_purged_locked(super, mask, clean);
        hak__retained_sub(gone);
        if (super->used == 0)
            span = hak__superslab_retire_locked(super);
        hak__lock_release(&hak__pool_lock);
        if (span != NULL)
            hak__arena_free(span);
        done += gone;
        hak__count(HAK_COUNTER_PURGES, 1);
        hak__count(HAK_COUNTER_PURGED_BYTES, gone);
        if (clean != mask)
            break;
    }
    return done;
}

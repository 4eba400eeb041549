/* SPDX-License-Identifier: MIT */
/*
 * What is read here changes meanwhile, and most of it is written without a thought of readers: the
 * bins of heaps are their owners' alone. Every value is read once, as a word, into a copy. A word
 * is old or new, never half; records are never given back, so a pointer that was read leads to a
 * record of its type. What the values say together is right when nothing changes, and near
 * otherwise.
 *
 * From outside nothing is believed: a process may have overwritten its records, or have made them
 * up. A list ends at a circle; the caller bounds the number of reads, and with it every list; sums
 * stay at their largest value instead of beginning again.
 */
#include "api/snapshot.h"

#include <string.h>

#include "base/params.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/slab_pages.h"

struct reader {
    const struct hak_stats_block *block;
    hak_peek *peek;
    const void *context;
    uint64_t reads_left;
    struct hak_snapshot *snapshot;
    uint64_t cached[HAK_CLASS_COUNT]; /* of the heap that is being read */
};

/* A walk along a list: Brent's search for circles. */
struct walk {
    const void *mark; /* a member that was met; one that comes again closes a circle */
    uint64_t steps, turn;
};

/* Whether the walk may go on to the next member. */
static bool step(struct walk *walk, const void *next)
{
    if (next == walk->mark)
        return false;
    if (walk->steps++ == walk->turn) {
        walk->mark = next;
        walk->turn = 2 * walk->turn + 1;
    }
    return true;
}

/* Adds, and stays at the largest number. */
static void add(uint64_t *sum, uint64_t value)
{
    if (__builtin_add_overflow(*sum, value, sum))
        *sum = UINT64_MAX;
}

static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static bool peek(struct reader *reader, uintptr_t from, void *to, size_t size)
{
    if (reader->reads_left == 0)
        return false;
    reader->reads_left--;
    return reader->peek(reader->context, (const void *)from, to, size);
}

/* A field of a record; the record's address may be none, so it is a number, not a pointer to the field. */
#define PEEK(reader, record, field, to) \
    peek(reader, (uintptr_t)(record) + offsetof(__typeof__(*(record)), field), to, sizeof *(to))

static bool read_size(struct reader *reader, const void *from, enum hak_stat stat)
{
    size_t value = 0;
    bool read = peek(reader, (uintptr_t)from, &value, sizeof value);
    reader->snapshot->value[stat] = value;
    return read;
}

static bool read_totals(struct reader *reader)
{
    const struct hak_stats_block *block = reader->block;
    return read_size(reader, block->live_bytes, HAK_STAT_LIVE_BYTES) &&
           read_size(reader, block->retained_bytes, HAK_STAT_RETAINED_BYTES) &&
           read_size(reader, block->taken_bytes, HAK_STAT_FOOTPRINT_BYTES) &&
           read_size(reader, block->committed_bytes, HAK_STAT_COMMITTED_BYTES) &&
           read_size(reader, block->metadata_bytes, HAK_STAT_METADATA_BYTES) &&
           read_size(reader, block->huge_bytes, HAK_STAT_HUGE_BYTES) &&
           read_size(reader, block->huge_blocks, HAK_STAT_HUGE_BLOCKS) &&
           read_size(reader, block->superslabs, HAK_STAT_SUPERSLABS) &&
           read_size(reader, block->heaps, HAK_STAT_HEAPS);
}

/* ---- counters and locks ------------------------------------------------ */

static bool read_counters(struct reader *reader)
{
    static const uint8_t stat[HAK_COUNTER_COUNT] = {
#define HAK_COUNTER(id, name, help) HAK_STAT_##id,
#include "core/stats.def"
    };
    const struct hak_counters *from = NULL;
    if (!peek(reader, (uintptr_t)reader->block->counters, &from, sizeof from))
        return false;
    for (struct walk walk = {0}; from != NULL;) {
        uint64_t value[HAK_COUNTER_COUNT];
        if (!step(&walk, from) || !PEEK(reader, from, value, &value) || !PEEK(reader, from, older, &from))
            return false;
        for (int i = 0; i < HAK_COUNTER_COUNT; i++)
            add(&reader->snapshot->value[stat[i]], value[i]);
    }
    return true;
}

static bool read_locks(struct reader *reader)
{
    struct hak_snapshot *snapshot = reader->snapshot;
    struct hak_named_lock named[HAK_LOCK_COUNT];
    if (!peek(reader, (uintptr_t)reader->block->locks, &named, sizeof named))
        return false;
    for (int i = 0; i < HAK_LOCK_COUNT; i++) {
        const struct hak_lock *lock = named[i].lock;
        if (!PEEK(reader, lock, acquisitions, &snapshot->lock[i].acquisitions) ||
            !PEEK(reader, lock, waits, &snapshot->lock[i].waits))
            return false;
        add(&snapshot->value[HAK_STAT_LOCK_WAITS], snapshot->lock[i].waits);
    }
    return true;
}

/* ---- slabs ------------------------------------------------------------- */

/* How many of the SuperSlab's slots, from slot i on, are the slab's; 1 if it is none. */
static unsigned add_slab(struct hak_snapshot *snapshot, const TinySlabMeta *slabs, unsigned i)
{
    struct slab_view view = slab_freelist_view_copy(&slabs[i]);
    if (view.state < SLAB_CURRENT || view.class_idx > HAK_CLASS_STARTER)
        return 1;
    unsigned units = 1u << (hak__class_info[view.class_idx].slab_shift - HAK_GRANULE_SHIFT);
    if (units > HAK_SUPERSLAB_UNITS - i)
        units = HAK_SUPERSLAB_UNITS - i;
    if (view.class_idx == HAK_CLASS_STARTER) {
        add(&snapshot->starter_bytes, hak__pages_bytes(&slabs[i], units));
        return units;
    }
    struct hak_class_snapshot *class = &snapshot->class[view.class_idx];
    add(&class->bytes, hak__pages_bytes(&slabs[i], units));
    class->slabs++;
    class->capacity += hak__class_info[view.class_idx].capacity;
    class->free += view.free;
    class->out += view.carved > view.free ? view.carved - view.free : 0;
    return units;
}

static bool read_superslab(struct reader *reader, const SuperSlab *super)
{
    TinySlabMeta slabs[HAK_SUPERSLAB_UNITS];
    if (!PEEK(reader, super, slabs, &slabs))
        return false;
    for (unsigned i = 0; i < HAK_SUPERSLAB_UNITS;)
        i += add_slab(reader->snapshot, slabs, i);
    return true;
}

static bool read_superslabs(struct reader *reader)
{
    enum { BATCH = 31 };
    static_assert(HAK_SET_SIZE % BATCH == 0, "batches end with the chunk");
    struct walk walk = {0};
    for (const struct super_chunk *chunk = reader->block->chunks; chunk != NULL;) {
        const SuperSlab *super[BATCH] = {NULL};
        if (!step(&walk, chunk))
            return false;
        for (unsigned n = 0; n < HAK_SET_SIZE; n += BATCH) {
            if (!PEEK(reader, chunk, member[n], &super))
                return false;
            for (unsigned i = 0; i < BATCH && super[i] != NULL; i++)
                if (!read_superslab(reader, super[i]))
                    return false;
            if (super[BATCH - 1] == NULL)
                break;
        }
        if (!PEEK(reader, chunk, next, &chunk))
            return false;
    }
    return true;
}

static bool read_starter(struct reader *reader)
{
    const struct hak_starter *starter = NULL;
    uint8_t kind[HAK_STARTER_KINDS]; /* words, as peek copies them */
    if (!peek(reader, (uintptr_t)reader->block->starter, &starter, sizeof starter))
        return false;
    if (starter == NULL)
        return true;
    if (!PEEK(reader, starter, kind, &kind))
        return false;
    for (unsigned i = 0; i < HAK_STARTER_KINDS; i++)
        if (kind[i] - 1u < HAK_CLASS_COUNT) {
            struct hak_class_snapshot *class = &reader->snapshot->class[kind[i] - 1u];
            class->out++;
            class->capacity++;
            class->starter++;
        }
    return true;
}

/* ---- heaps ------------------------------------------------------------- */

/* A bin that is moved to another array meanwhile does not look like one. */
static void add_bins(struct reader *reader, void **const *top, void **const *base)
{
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        uintptr_t bytes = (uintptr_t)top[i] - (uintptr_t)base[i];
        if (bytes <= HAK_BIN_CAPACITY_MAX * sizeof(void *))
            reader->cached[i] += bytes / sizeof(void *);
    }
}

/* In the hardened variant: freed blocks on their way to a bin. */
static bool add_rests(struct reader *reader, const struct hak_heap *heap, struct hak_heap_snapshot *found)
{
    struct hak_rests copy;
    if (!peek(reader, (uintptr_t)hak__heap_rests(heap), &copy, sizeof copy))
        return false;
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        struct hak_rest rest;
        if (copy.of[i] == NULL)
            continue;
        if (!peek(reader, (uintptr_t)copy.of[i], &rest, sizeof rest))
            return false;
        if (rest.used <= HAK_REST_PLACES_MAX)
            reader->cached[i] += rest.used;
    }
    add(&found->cached_bytes, copy.large_bytes);
    return true;
}

static bool add_chain(struct reader *reader, const struct hak_chain *chain)
{
    if (chain->slab == NULL)
        return true;
    TinySlabMeta slab;
    if (!peek(reader, (uintptr_t)chain->slab, &slab, sizeof slab))
        return false;
    unsigned class_idx = slab_freelist_view_copy(&slab).class_idx;
    if (class_idx < HAK_CLASS_COUNT && chain->count <= HAK_SLAB_FIELD)
        reader->cached[class_idx] += chain->count;
    return true;
}

/* Parcels go round while the list is read: one that comes again ends it. */
static bool add_parcels(struct reader *reader, const struct hak_parcel *parcel)
{
    for (struct walk walk = {0}; parcel != NULL && step(&walk, parcel);) {
        struct hak_parcel copy;
        if (!peek(reader, (uintptr_t)parcel, &copy, sizeof copy))
            return false;
        for (uint32_t i = 0; i < copy.count && i < HAK_PARCEL_BLOCKS; i++)
            if (copy.class_idx[i] < HAK_CLASS_COUNT)
                reader->cached[copy.class_idx[i]]++;
        parcel = copy.next;
    }
    return true;
}

static bool add_outboxes(struct reader *reader, const struct hak_heap *heap)
{
    uintptr_t outboxes;
    struct hak_outbox copy;
    if (!PEEK(reader, heap, outboxes, &outboxes))
        return false;
    for (unsigned i = 0; outboxes != 0 && i < HAK_ALL_OUTBOXES; i++)
        if (!peek(reader, outboxes + i * sizeof copy, &copy, sizeof copy) || !add_parcels(reader, copy.parcel))
            return false;
    return true;
}

static bool add_mail(struct reader *reader, const struct hak_heap *heap)
{
    const struct hak_parcel *inbox;
    uintptr_t full;
    if (!add_outboxes(reader, heap) || !PEEK(reader, heap, inbox, &inbox) ||
        !PEEK(reader, heap, mailbox.full, &full))
        return false;
    return add_parcels(reader, inbox) &&
           (full == HAK_MAIL_CLOSED || add_parcels(reader, (const struct hak_parcel *)full));
}

static uint64_t above(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Looks again while the owner is at it, which it is for a few instructions at most; one that was stopped there stays. */
static bool read_requested(struct reader *reader, const struct hak_heap *heap, uint64_t *requested)
{
    enum { TRIES = 64 };
    uint32_t draws = 0, behind = 1;
    uint64_t end = 0;
    ptrdiff_t until = 0;
    for (int i = 0; i < TRIES && (draws != behind || draws % 2 != 0); i++) {
        if (!PEEK(reader, heap, draws, &draws))
            return false;
        hak_fence_acquire();
        if (!PEEK(reader, heap, requested_end, &end) || !PEEK(reader, heap, until_sample, &until))
            return false;
        hak_fence_acquire();
        if (!PEEK(reader, heap, draws, &behind))
            return false;
    }
    *requested = end - (uint64_t)until;
    return true;
}

static bool read_owner(struct reader *reader, const struct hak_heap *heap, struct hak_heap_snapshot *found)
{
    return PEEK(reader, heap, id, &found->id) && PEEK(reader, heap, thread, &found->thread) &&
           PEEK(reader, heap, requested_before, &found->requested_before) &&
           read_requested(reader, heap, &found->requested_bytes);
}

/* The heap's part of the sums. */
static void add_heap(struct reader *reader, struct hak_heap_snapshot *heap)
{
    struct hak_snapshot *snapshot = reader->snapshot;
    add(&snapshot->value[HAK_STAT_REQUESTED_BYTES], heap->requested_bytes);
    add(&snapshot->value[HAK_STAT_CACHED_BYTES], heap->cached_bytes);
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        add(&snapshot->class[i].cached, reader->cached[i]);
        add(&heap->cached_bytes, times(reader->cached[i], hak__class_size(i)));
    }
}

static bool read_heap(struct reader *reader, const struct hak_heap *heap, struct hak_heap_snapshot *found)
{
    void **top[HAK_CLASS_COUNT], **base[HAK_CLASS_COUNT];
    struct hak_chain chains[HAK_CHAINS];
    struct hak_cached_span cached_spans[HAK_CACHED_SPANS];
    memset(found, 0, sizeof *found);
    memset(reader->cached, 0, sizeof reader->cached);
    if (!PEEK(reader, heap, top, &top) || !PEEK(reader, heap, base, &base) ||
        !PEEK(reader, heap, chains, &chains) || !PEEK(reader, heap, cached_spans, &cached_spans))
        return false;
    add_bins(reader, top, base);
    if (HAK_HARDENED && !add_rests(reader, heap, found))
        return false;
    for (int i = 0; i < HAK_CHAINS; i++)
        if (!add_chain(reader, &chains[i]))
            return false;
    if (!add_mail(reader, heap))
        return false;
    for (int i = 0; i < HAK_CACHED_SPANS; i++) {
        size_t uncounted;
        if (cached_spans[i].units == 0 || !PEEK(reader, cached_spans[i].span, uncounted, &uncounted))
            uncounted = 0;
        add(&found->cached_bytes, above(times(cached_spans[i].units, HAK_GRANULE), uncounted));
    }
    if (!read_owner(reader, heap, found))
        return false;
    add_heap(reader, found);
    return true;
}

static bool read_heaps(struct reader *reader, hak_heap_visit *visit, void *visitor)
{
    const struct hak_heap *heap = NULL;
    struct hak_heap_snapshot found;
    if (!peek(reader, (uintptr_t)reader->block->all_heaps, &heap, sizeof heap))
        return false;
    for (struct walk walk = {0}; heap != NULL;) {
        if (!step(&walk, heap) || !read_heap(reader, heap, &found) || !PEEK(reader, heap, older, &heap))
            return false;
        if (visit != NULL)
            visit(&found, visitor);
    }
    return true;
}

/* ---- all --------------------------------------------------------------- */

uint64_t hak__class_live(const struct hak_class_snapshot *class)
{
    return class->out > class->cached ? class->out - class->cached : 0;
}

/* The totals that follow from others; so far CACHED_BYTES are the spans that heaps keep,
 * FOOTPRINT_BYTES without records. */
static void add_up(struct hak_snapshot *snapshot)
{
    uint64_t *value = snapshot->value;
    uint64_t slab_bytes = snapshot->starter_bytes, kept = value[HAK_STAT_CACHED_BYTES];
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        const struct hak_class_snapshot *class = &snapshot->class[i];
        add(&slab_bytes, class->bytes);
        add(&value[HAK_STAT_SMALL_BYTES], times(hak__class_live(class), hak__class_size(i)));
        add(&value[HAK_STAT_CACHED_BYTES], times(class->cached, hak__class_size(i)));
    }
    add(&slab_bytes, kept);
    value[HAK_STAT_LARGE_BYTES] = above(value[HAK_STAT_LIVE_BYTES], slab_bytes);
    value[HAK_STAT_ALLOCATED_BYTES] = value[HAK_STAT_SMALL_BYTES];
    add(&value[HAK_STAT_ALLOCATED_BYTES], value[HAK_STAT_LARGE_BYTES]);
    add(&value[HAK_STAT_FOOTPRINT_BYTES], value[HAK_STAT_METADATA_BYTES]);
}

bool hak__snapshot_read_heaps(const struct hak_stats_block *block, hak_peek *function, const void *context,
                              uint64_t reads, struct hak_snapshot *snapshot, hak_heap_visit *visit,
                              void *visitor)
{
    struct reader reader = {
        .block = block, .peek = function, .context = context, .reads_left = reads, .snapshot = snapshot};
    memset(snapshot, 0, sizeof *snapshot);
    if (!read_totals(&reader) || !read_counters(&reader) || !read_locks(&reader) ||
        !read_superslabs(&reader) || !read_starter(&reader) || !read_heaps(&reader, visit, visitor))
        return false;
    add_up(snapshot);
    return true;
}

bool hak__snapshot_read(const struct hak_stats_block *block, hak_peek *function, const void *context,
                        uint64_t reads, struct hak_snapshot *snapshot)
{
    return hak__snapshot_read_heaps(block, function, context, reads, snapshot, NULL, NULL);
}

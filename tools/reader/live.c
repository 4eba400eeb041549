/* SPDX-License-Identifier: MIT */
#include "reader/live.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "slab/size_class.h"

/* As many as fit into 32 GiB, at least. */
static const uint64_t blocks_most = (uint64_t)1 << 31;
enum { RECORDS_MOST = 1 << 24 };

struct filling {
    struct live *live;
    uintptr_t end; /* of the last slab or single */
    enum reader_result failure;
};

/* ---- filling ----------------------------------------------------------- */

static bool fail(struct filling *filling, enum reader_result failure)
{
    filling->failure = failure;
    return false;
}

static bool grow(struct filling *filling, void **records, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return true;
    size_t wanted = *room == 0 ? 1024 : *room + *room / 2;
    if (wanted > RECORDS_MOST)
        return fail(filling, READER_TOO_MUCH);
    void *more = reallocarray(*records, wanted, size);
    if (more == NULL)
        return fail(filling, READER_NO_MEMORY);
    *records = more;
    *room = wanted;
    return true;
}

/* Numbers for so many blocks; those of the first bit are there and zero. */
static bool add_numbers(struct filling *filling, uint64_t count)
{
    struct live *live = filling->live;
    if (live->count + count > blocks_most)
        return fail(filling, READER_TOO_MUCH);
    if (live->count + count > live->room) {
        uint64_t room = (live->count + count + live->room / 2 + 4095) & ~(uint64_t)4095;
        uint64_t *more = realloc(live->bits[LIVE_IN_USE], room / 8);
        if (more == NULL)
            return fail(filling, READER_NO_MEMORY);
        memset((char *)more + live->room / 8, 0, (room - live->room) / 8);
        live->bits[LIVE_IN_USE] = more;
        live->room = room;
    }
    live->count += count;
    return true;
}

/* The places of the granules of a slab in the table. */
static uint32_t *granule_of(struct live *live, uintptr_t address)
{
    uintptr_t granule = address >> HAK_GRANULE_SHIFT, root = granule >> HAK_LEAF_BITS;
    if (root >= HAK_ROOT_SIZE)
        return NULL;
    if (live->leaf[root] == NULL)
        live->leaf[root] = calloc(HAK_LEAF_SIZE, sizeof(uint32_t));
    return live->leaf[root] != NULL ? &live->leaf[root][granule & (HAK_LEAF_SIZE - 1)] : NULL;
}

/* What begins inside of the last one is left out. */
static bool is_behind(struct filling *filling, uintptr_t start, uint64_t size)
{
    struct live *live = filling->live;
    if (start < filling->end || size == 0 || size > UINTPTR_MAX - start) {
        live->summary.passed_over++;
        return false;
    }
    if (live->high == 0)
        live->low = start;
    live->high = filling->end = start + (uintptr_t)size;
    return true;
}

static uint64_t whole_words(uint64_t count)
{
    return (count + 63) & ~(uint64_t)63;
}

/* Eight at once where all are live, as most are. */
static void set_in_use(struct live *live, const struct reader_slab *slab, uint64_t first)
{
    static_assert(READER_LIVE == 0, "so eight of them are a word of zero");
    uint64_t live_blocks = 0, eight;
    for (uint32_t i = 0; i < slab->count; i++) {
        if (i % 8 == 0 && i + 8 <= slab->count && (memcpy(&eight, slab->state + i, sizeof eight), eight == 0)) {
            live->bits[LIVE_IN_USE][(first + i) / 64] |= (uint64_t)0xff << ((first + i) % 64);
            live_blocks += 8;
            i += 7;
        } else if (slab->state[i] == READER_LIVE) {
            live_set(live, LIVE_IN_USE, first + i);
            live_blocks++;
        }
    }
    live->blocks += live_blocks;
    live->bytes += live_blocks * slab->size;
}

static bool add_slab(const struct reader_slab *slab, void *context)
{
    struct filling *filling = context;
    struct live *live = filling->live;
    uint64_t first = whole_words(live->count); /* no other block has bits in the same words */
    uintptr_t bytes = (uintptr_t)slab->count * slab->size;
    if (slab->count == 0 || !is_behind(filling, slab->start, bytes))
        return true;
    void *records = live->slabs;
    bool added = grow(filling, &records, live->slab_count, &live->slab_room, sizeof *live->slabs);
    live->slabs = records;
    if (!added || !add_numbers(filling, whole_words(first + slab->count) - live->count))
        return false;
    live->slabs[live->slab_count++] = (struct live_slab){.start = slab->start, .first = first,
                                                         .size = (uint32_t)slab->size, .count = slab->count,
                                                         .sampled = slab->sampled};
    for (uintptr_t at = slab->start; at < slab->start + bytes; at += HAK_GRANULE) {
        uint32_t *granule = granule_of(live, at);
        if (granule == NULL)
            return fail(filling, READER_NO_MEMORY);
        *granule = (uint32_t)live->slab_count;
    }
    set_in_use(live, slab, first);
    return true;
}

static bool add_single(const struct reader_block *block, void *context)
{
    struct filling *filling = context;
    struct live *live = filling->live;
    if (block->state != READER_LIVE || !is_behind(filling, block->address, block->size))
        return true;
    void *records = live->singles;
    bool added = grow(filling, &records, live->single_count, &live->single_room, sizeof *live->singles);
    live->singles = records;
    if (!added || !add_numbers(filling, 1))
        return false;
    live->singles[live->single_count++] = (struct live_single){.start = block->address, .size = block->size,
                                                               .number = live->count - 1,
                                                               .sampled = block->sampled,
                                                               .huge = block->kind == READER_HUGE};
    if (live->single_high == 0)
        live->single_low = block->address;
    live->single_high = live->high;
    live_set(live, LIVE_IN_USE, live->count - 1);
    live->blocks++;
    live->bytes += block->size;
    return true;
}

enum reader_result live_read(struct live *live, const struct remote_memory *memory,
                             const struct hak_stats_block *block, bool unread)
{
    struct filling filling = {.live = live, .failure = READER_DONE};
    struct reader_summary summary;
    *live = (struct live){.leaf = calloc(HAK_ROOT_SIZE, sizeof *live->leaf)};
    if (live->leaf == NULL || !add_numbers(&filling, 1)) /* number 0 is nobody's */
        return READER_NO_MEMORY;
    enum reader_result result =
        reader_walk_slabs(memory, block, unread, add_slab, add_single, &filling, &summary);
    summary.passed_over += live->summary.passed_over;
    live->summary = summary;
    if (result != READER_DONE)
        return result == READER_STOPPED ? filling.failure : result;
    return READER_DONE;
}

bool live_add_bits(struct live *live)
{
    for (int bit = LIVE_IN_USE + 1; bit < LIVE_BITS; bit++)
        if ((live->bits[bit] = calloc(live->room / 64, sizeof *live->bits[bit])) == NULL)
            return false;
    return true;
}

void live_free(struct live *live)
{
    for (size_t i = 0; live->leaf != NULL && i < HAK_ROOT_SIZE; i++)
        free(live->leaf[i]);
    for (int bit = 0; bit < LIVE_BITS; bit++)
        free(live->bits[bit]);
    free(live->leaf);
    free(live->slabs);
    free(live->singles);
    *live = (struct live){0};
}

void live_unset_all(struct live *live, enum live_bit bit)
{
    memset(live->bits[bit], 0, live->room / 8);
}

void live_copy(struct live *live, enum live_bit to, enum live_bit from, enum live_bit without)
{
    for (uint64_t i = 0; i < live->room / 64; i++)
        live->bits[to][i] = live->bits[from][i] & ~(without != from ? live->bits[without][i] : 0);
}

/* ---- look-ups ---------------------------------------------------------- */

static void describe(const struct live_slab *slab, size_t owner, uint32_t index, struct live_block *block)
{
    *block = (struct live_block){.start = slab->start + (uintptr_t)index * slab->size, .size = slab->size,
                                 .number = slab->first + index, .sampled = slab->sampled, .owner = owner};
}

static void describe_single(const struct live_single *single, size_t owner, struct live_block *block)
{
    *block = (struct live_block){.start = single->start, .size = single->size, .number = single->number,
                                 .sampled = single->sampled, .is_single = true, .owner = owner};
}

bool live_find_single(const struct live *live, uintptr_t address, struct live_block *block)
{
    size_t low = 0, high = live->single_count;
    if (address < live->single_low || address >= live->single_high)
        return false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (live->singles[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || address - live->singles[low - 1].start >= live->singles[low - 1].size)
        return false;
    describe_single(&live->singles[low - 1], low - 1, block);
    return true;
}

bool live_find(const struct live *live, uintptr_t address, struct live_block *block)
{
    if (address < live->low || address >= live->high)
        return false;
    uint32_t slab = live_slab_at(live, address);
    if (slab == 0)
        return live_find_single(live, address, block);
    const struct live_slab *found = &live->slabs[slab - 1];
    uint32_t index = (uint32_t)(address - found->start) / found->size;
    if (address < found->start || index >= found->count)
        return false;
    describe(found, slab - 1, index, block);
    return true;
}

/* How many records of a size have a number up to a given one; they rise. */
static size_t count_up_to(const void *numbers, size_t count, size_t size, uint64_t number)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t found;
        memcpy(&found, (const char *)numbers + middle * size, sizeof found);
        if (found <= number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool live_numbered(const struct live *live, uint64_t number, struct live_block *block)
{
    size_t slab = 0, single = 0;
    if (live->slab_count > 0)
        slab = count_up_to(&live->slabs->first, live->slab_count, sizeof *live->slabs, number);
    if (live->single_count > 0)
        single = count_up_to(&live->singles->number, live->single_count, sizeof *live->singles, number);
    if (single > 0 && live->singles[single - 1].number == number) {
        describe_single(&live->singles[single - 1], single - 1, block);
        return true;
    }
    if (slab == 0 || number - live->slabs[slab - 1].first >= live->slabs[slab - 1].count)
        return false;
    describe(&live->slabs[slab - 1], slab - 1, (uint32_t)(number - live->slabs[slab - 1].first), block);
    return true;
}

/* ---- visits ------------------------------------------------------------ */

static bool visit_slab(struct live *live, enum live_bit bit, size_t number, bool backwards, live_visit *visit,
                       void *context)
{
    struct live_slab *slab = &live->slabs[number];
    struct live_block block;
    uint32_t words = (slab->count + 63) / 64;
    for (uint32_t i = 0; i < words; i++) {
        uint32_t at = backwards ? words - 1 - i : i;
        for (uint64_t word = live->bits[bit][slab->first / 64 + at], one; word != 0; word &= ~one) {
            unsigned index = backwards ? hak__highest_bit(word) : hak__lowest_bit(word);
            one = (uint64_t)1 << index;
            describe(slab, number, 64 * at + index, &block);
            if (!visit(live, &block, context))
                return false;
        }
    }
    return true;
}

static bool visit_single(struct live *live, enum live_bit bit, size_t number, live_visit *visit, void *context)
{
    struct live_block block;
    if (!live_has(live, bit, live->singles[number].number))
        return true;
    describe_single(&live->singles[number], number, &block);
    return visit(live, &block, context);
}

bool live_each(struct live *live, enum live_bit bit, live_visit *visit, void *context)
{
    for (size_t i = 0; i < live->slab_count; i++)
        if (!visit_slab(live, bit, i, false, visit, context))
            return false;
    for (size_t i = 0; i < live->single_count; i++)
        if (!visit_single(live, bit, i, visit, context))
            return false;
    return true;
}

/* ---- by size ----------------------------------------------------------- */

bool live_slab_has(const struct live *live, enum live_bit bit, const struct live_slab *slab)
{
    for (uint32_t i = 0; i < (slab->count + 63) / 64; i++)
        if (live->bits[bit][slab->first / 64 + i] != 0)
            return true;
    return false;
}

/* Lists them by address; with NULL only counts them. */
static size_t list_owners(const struct live *live, enum live_bit bit, struct live_owner *owners)
{
    size_t count = 0;
    for (size_t i = 0; i < live->slab_count; i++) {
        const struct live_slab *slab = &live->slabs[i];
        if (!live_slab_has(live, bit, slab))
            continue;
        if (owners != NULL)
            owners[count] = (struct live_owner){.size = slab->size, .start = slab->start, .number = i};
        count++;
    }
    for (size_t i = 0; i < live->single_count; i++) {
        const struct live_single *single = &live->singles[i];
        if (!live_has(live, bit, single->number))
            continue;
        if (owners != NULL)
            owners[count] = (struct live_owner){
                .size = single->size, .start = single->start, .number = i, .is_single = true};
        count++;
    }
    return count;
}

static int by_size(const void *a, const void *b)
{
    const struct live_owner *one = a, *other = b;
    if (one->size != other->size)
        return one->size > other->size ? -1 : 1;
    return one->start < other->start ? -1 : one->start > other->start;
}

bool live_order(const struct live *live, enum live_bit bit, struct live_order *order)
{
    order->count = list_owners(live, bit, NULL);
    order->owner = calloc(order->count + 1, sizeof *order->owner);
    if (order->owner == NULL)
        return false;
    list_owners(live, bit, order->owner);
    qsort(order->owner, order->count, sizeof *order->owner, by_size);
    return true;
}

void live_order_free(struct live_order *order)
{
    free(order->owner);
    *order = (struct live_order){0};
}

bool live_each_in_order(struct live *live, const struct live_order *order, enum live_bit bit, bool backwards,
                        live_visit *visit, void *context)
{
    for (size_t i = 0; i < order->count; i++) {
        const struct live_owner *owner = &order->owner[backwards ? order->count - 1 - i : i];
        if (!(owner->is_single ? visit_single(live, bit, owner->number, visit, context)
                               : visit_slab(live, bit, owner->number, backwards, visit, context)))
            return false;
    }
    return true;
}

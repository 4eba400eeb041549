/* SPDX-License-Identifier: MIT */
#include "reader/places.h"

#include <stdlib.h>
#include <string.h>

#include "cache/heap.h"

/* More than there is room for in the caches of a thousand threads. */
enum { PLACES_MOST = 1 << 24 };

/* Members of a list, in the search of Brent for one that comes again. */
struct list {
    uintptr_t mark;
    uint64_t steps, turn;
};

static bool goes_on(struct list *list, uintptr_t next)
{
    if (next == list->mark)
        return false;
    if (list->steps++ == list->turn) {
        list->mark = next;
        list->turn = 2 * list->turn + 1;
    }
    return true;
}

static bool fail(struct reader *reader, enum reader_result failure)
{
    reader->failure = failure;
    return false;
}

/* Makes room for one more member of an array; NULL with the reader's failure. */
static void *room_for_one(struct reader *reader, void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return array;
    size_t wanted = *room == 0 ? 1024 : 2 * *room;
    void *more = wanted <= PLACES_MOST ? reallocarray(array, wanted, size) : NULL;
    if (more == NULL)
        fail(reader, wanted <= PLACES_MOST ? READER_NO_MEMORY : READER_TOO_MUCH);
    else
        *room = wanted;
    return more;
}

static bool add(struct reader *reader, struct places *places, uintptr_t block, uint32_t heap,
                enum reader_state state)
{
    struct place *more =
        room_for_one(reader, places->block, places->count, &places->room, sizeof *more);
    if (more == NULL)
        return false;
    places->block = more;
    more[places->count++] = (struct place){block, heap, state};
    return true;
}

/* ---- one heap ---------------------------------------------------------- */

/* A part of it that cannot be read is passed over, as long as anything may be read. */
static bool add_bin(struct reader *reader, struct places *places, uintptr_t base, uintptr_t top,
                    uint32_t heap)
{
    uintptr_t part[1024];
    uintptr_t left = (top - base) / sizeof *part;
    if (top - base > HAK_BIN_CAPACITY_MAX * sizeof *part) /* it is moved to another array just now */
        return reader_pass_over(reader);
    while (left > 0) {
        size_t count = left < sizeof part / sizeof *part ? left : sizeof part / sizeof *part;
        if (!reader_read(reader, base, part, count * sizeof *part))
            return reader_pass_over(reader);
        for (size_t i = 0; i < count; i++)
            if (!add(reader, places, part[i], heap, READER_CACHED))
                return false;
        base += count * sizeof *part;
        left -= count;
    }
    return true;
}

static bool add_bins(struct reader *reader, struct places *places, uintptr_t heap, uint32_t id)
{
    uintptr_t top[HAK_CLASS_COUNT], base[HAK_CLASS_COUNT];
    if (!reader_read(reader, READER_FIELD(struct hak_heap, heap, top), top, sizeof top) ||
        !reader_read(reader, READER_FIELD(struct hak_heap, heap, base), base, sizeof base))
        return reader_pass_over(reader);
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++)
        if (top[i] != base[i] && !add_bin(reader, places, base[i], top[i], id))
            return false;
    return true;
}

static bool add_chains(struct reader *reader, struct places *places, uintptr_t heap, uint32_t id)
{
    struct hak_chain chains[HAK_CHAINS];
    if (!reader_read(reader, READER_FIELD(struct hak_heap, heap, chains), chains, sizeof chains))
        return reader_pass_over(reader);
    for (int i = 0; i < HAK_CHAINS; i++) {
        if (chains[i].slab == NULL)
            continue;
        struct chain_place *more = room_for_one(reader, places->chain, places->chain_count,
                                                &places->chain_room, sizeof *more);
        if (more == NULL)
            return false;
        places->chain = more;
        more[places->chain_count++] =
            (struct chain_place){(uintptr_t)chains[i].slab, id, chains[i].first, chains[i].count};
    }
    return true;
}

/* Parcels go round while the list is read: one that comes again ends it. */
static bool add_parcels(struct reader *reader, struct places *places, uintptr_t parcel, uint32_t id)
{
    struct list list = {0};
    while (parcel != 0 && goes_on(&list, parcel)) {
        struct hak_parcel copy;
        if (!reader_read(reader, parcel, &copy, sizeof copy))
            return reader_pass_over(reader);
        for (uint32_t i = 0; i < copy.count && i < HAK_PARCEL_BLOCKS; i++)
            if (!add(reader, places, (uintptr_t)copy.block[i], id, READER_MAILED))
                return false;
        parcel = (uintptr_t)copy.next;
    }
    return true;
}

static bool add_mail(struct reader *reader, struct places *places, uintptr_t heap, uint32_t id)
{
    struct hak_outbox gathers[HAK_ALL_OUTBOXES] = {0};
    uintptr_t at, inbox, full;
    if (!reader_read(reader, READER_FIELD(struct hak_heap, heap, outboxes), &at, sizeof at) ||
        (at != 0 && !reader_read(reader, at, gathers, sizeof gathers)) ||
        !reader_read(reader, READER_FIELD(struct hak_heap, heap, inbox), &inbox, sizeof inbox) ||
        !reader_read(reader, READER_FIELD(struct hak_heap, heap, mailbox.full), &full, sizeof full))
        return reader_pass_over(reader);
    for (int i = 0; i < HAK_ALL_OUTBOXES; i++)
        if (!add_parcels(reader, places, (uintptr_t)gathers[i].parcel, id))
            return false;
    return add_parcels(reader, places, inbox, id) &&
           (full == HAK_MAIL_CLOSED || add_parcels(reader, places, full, id));
}

static bool add_kept(struct reader *reader, struct places *places, uintptr_t heap, uint32_t id)
{
    struct hak_cached_span kept[HAK_CACHED_SPANS];
    if (!reader_read(reader, READER_FIELD(struct hak_heap, heap, cached_spans), kept, sizeof kept))
        return reader_pass_over(reader);
    for (int i = 0; i < HAK_CACHED_SPANS; i++)
        if (kept[i].units != 0 &&
            !add(reader, places, (uintptr_t)kept[i].block, id, READER_CACHED))
            return false;
    return true;
}

/* ---- all --------------------------------------------------------------- */

static int by_block(const void *a, const void *b)
{
    const struct place *one = a, *other = b;
    return one->block < other->block ? -1 : one->block > other->block;
}

static int by_slab(const void *a, const void *b)
{
    const struct chain_place *one = a, *other = b;
    return one->slab < other->slab ? -1 : one->slab > other->slab;
}

static bool read_heaps(struct reader *reader, struct places *places)
{
    uintptr_t heap = 0;
    struct list list = {0};
    if (!reader_read_root(reader, (uintptr_t)reader->block->all_heaps, &heap, sizeof heap))
        return false;
    while (heap != 0) {
        uint32_t id = 0;
        if (!goes_on(&list, heap))
            return fail(reader, READER_DAMAGED);
        if (!reader_read_root(reader, READER_FIELD(struct hak_heap, heap, id), &id, sizeof id) ||
            !add_bins(reader, places, heap, id) || !add_chains(reader, places, heap, id) ||
            !add_mail(reader, places, heap, id) || !add_kept(reader, places, heap, id) ||
            !reader_read_root(reader, READER_FIELD(struct hak_heap, heap, older), &heap, sizeof heap))
            return false;
    }
    return true;
}

bool places_read(struct reader *reader, struct places *places)
{
    if (!read_heaps(reader, places))
        return false;
    if (places->count > 0)
        qsort(places->block, places->count, sizeof *places->block, by_block);
    if (places->chain_count > 0)
        qsort(places->chain, places->chain_count, sizeof *places->chain, by_slab);
    return true;
}

void places_free(struct places *places)
{
    free(places->block);
    free(places->chain);
}

size_t places_find(const struct places *places, uintptr_t block)
{
    size_t low = 0, high = places->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (places->block[middle].block < block)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t places_find_chain(const struct places *places, uintptr_t slab)
{
    size_t low = 0, high = places->chain_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (places->chain[middle].slab < slab)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

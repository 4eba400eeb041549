/* SPDX-License-Identifier: MIT */
/*
 * HOT: where freed small blocks of a thread rest before they are used again: for each class an array of
 * places, the first half taken in random order, the rest in turn.
 *
 *     freed block ─► random half ─► block that was there ─► queue ─► block that was there ─► bin
 *
 * An array belongs to a heap and is touched by its thread alone.
 */
#ifndef HAK_HARDEN_QUARANTINE_H
#define HAK_HARDEN_QUARANTINE_H

#include "harden/harden.h"
#include "slab/size_class.h"

struct hak_rest {
    uint32_t half; /* places in each half, a power of two; 0: the class has no quarantine */
    uint32_t turn;
    uint32_t used; /* places that have a block */
    void *place[];
};

/* The most places of a class that the option harden_quarantine gives. */
enum { HAK_REST_PLACES_MAX = (16 << 20) / 128 };

enum { HAK_LARGE_RESTS = 32 };

/* A heap's; zeroed before its first use. */
struct hak_rests {
    uint64_t random;
    struct hak_span *large[HAK_LARGE_RESTS]; /* inaccessible spans; the oldest at large_turn modulo their number */
    uint32_t large_turn, large_count;
    size_t large_bytes; /* in these */
    struct hak_rest *of[HAK_CLASS_COUNT]; /* NULL until the first free of the class */
};

/* Before the first use of the quarantines of a heap, which are zero. */
void hak__rests_begin(struct hak_rests *rests);

/* Numbers that whoever does not know the state cannot tell ahead. */
HAK_INLINE uint32_t hak__rest_random(struct hak_rests *rests)
{
    rests->random = rests->random * UINT64_C(0x5851f42d4c957f2d) + UINT64_C(0x14057b7ef767814f);
    return (uint32_t)(rests->random >> 32);
}

/* Puts a free block into a quarantine; the one that leaves it, or NULL. */
HAK_INLINE void *hak__rest_swap(struct hak_rests *rests, struct hak_rest *rest, void *block)
{
    if (rest->half == 0)
        return block;
    uint32_t mask = rest->half - 1;
    void **chosen = &rest->place[hak__rest_random(rests) & mask];
    void *other = *chosen;
    *chosen = block;
    void **next = &rest->place[rest->half + (rest->turn++ & mask)];
    void *out = *next;
    *next = other;
    rest->used += out == NULL;
    return out;
}

/* The same for a class that may have no quarantine yet. */
void *hak__rest_put(struct hak_rests *rests, unsigned class_idx, void *block);

/* Takes a block out of the quarantine of a class; NULL when there is none. */
void *hak__rest_take(struct hak_rests *rests, unsigned class_idx);

/*
 * Makes the span of a freed large block inaccessible and keeps it. What has to go on its way in its place is the
 * span itself, where it cannot be kept; one that leaves; or NULL. Asked again with NULL until that is the answer,
 * since one may take the place of several.
 */
struct hak_span *hak__rests_swap_large(struct hak_rests *rests, struct hak_span *span);
/* Takes the oldest, which is accessible again; NULL when there is none. */
struct hak_span *hak__rests_take_large(struct hak_rests *rests);

/* Forgets all that rests: of a heap whose thread has stopped anywhere. */
void hak__rests_forget(struct hak_rests *rests);

/* Mixes the order of blocks. */
void hak__rests_shuffle(struct hak_rests *rests, void **blocks, size_t count);

#endif

/* SPDX-License-Identifier: MIT */
#include "profile/cfi_cache.h"

#include <string.h>

#include "base/atomic.h"

enum { PLACES_SHIFT = 10, PLACES = 1 << PLACES_SHIFT };

/*
 * What a row says, in few words. That is possible for rows of the usual kind, by which the frame is a
 * register and an offset, and what a function keeps for its caller is saved below the frame's start, if
 * at all: for each register that calls keep how many words below, 0 where it is still in its place.
 */
#if defined(__x86_64__)
enum { BITS = 9, SAVED_WORDS = 1, RETURN_REGISTER = 16 };
static const uint8_t kept_by_calls[] = {3, 6, 12, 13, 14, 15, RETURN_REGISTER};
#elif defined(__i386__)
enum { BITS = 12, SAVED_WORDS = 1, RETURN_REGISTER = 8 };
static const uint8_t kept_by_calls[] = {3, 5, 6, 7, RETURN_REGISTER};
#else
enum { BITS = 10, SAVED_WORDS = 2, RETURN_REGISTER = 30 };
static const uint8_t kept_by_calls[] = {19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, RETURN_REGISTER};
#endif
enum { A_WORD = 64 / BITS, LOST = (1 << BITS) - 1, WORD = sizeof(uintptr_t) };
_Static_assert(HAK_COUNT_OF(kept_by_calls) <= A_WORD * SAVED_WORDS, "all of them have their bits");

struct packed {
    uint64_t place, table; /* whose row it is: one that lies as a closed file did may be taken for that, and a
                              walk then tells places that are none */
    uint64_t frame;        /* the register, and above it the offset */
    uint64_t saved[SAVED_WORDS];
};
enum { WORDS = sizeof(struct packed) / sizeof(uint64_t) };

/*
 * Any thread reads and writes, signal handlers too. A writer makes version odd by CAS-acquire, and gives
 * up where that fails or it is odd: so there is one, and nobody waits. It stores the words, and then an
 * even version by store-release. A reader loads version by acquire, the words, and version again, behind
 * a fence-acquire: if it is even and the same, no writer stored between, and the words belong together.
 * The fence pairs with the writer's fence-release behind its CAS: who has read any of its words finds its
 * odd version. Versions wrap after 2^31 writes of one entry within one look: the row is then another
 * place's, which "place" and "table" tell. The child of a fork amid a write has an entry that is odd for
 * ever and so not used.
 */
struct entry {
    _Atomic uint32_t version;
    _Atomic uint64_t word[WORDS];
};
static HAK_SPARSE struct entry entries[PLACES];

static struct entry *entry_of(uintptr_t place)
{
    return &entries[(place * 0x9e3779b97f4a7c15ULL) >> (64 - PLACES_SHIFT)];
}

static bool pack(const struct hak_cfi_row *row, struct packed *packed)
{
    if (row->frame_kind != HAK_RULE_VALUE || row->is_signal || row->return_register != RETURN_REGISTER)
        return false;
    packed->frame = (uint64_t)(uint32_t)row->frame_offset << 32 | row->frame_register;
    uint64_t others = row->ruled;
    for (unsigned i = 0; i < HAK_COUNT_OF(kept_by_calls); i++) {
        struct hak_rule rule = row->rule[kept_by_calls[i]];
        uint64_t words = (uint64_t)(-(int64_t)rule.offset / WORD);
        if (rule.kind == HAK_RULE_UNDEFINED)
            words = LOST;
        else if (rule.kind == HAK_RULE_SAME)
            words = 0;
        else if (rule.kind != HAK_RULE_SAVED || rule.offset >= 0 || rule.offset % WORD != 0 || words >= LOST)
            return false;
        packed->saved[i / A_WORD] |= words << i % A_WORD * BITS;
        others &= ~((uint64_t)1 << kept_by_calls[i]);
    }
    return others == 0;
}

static void unpack(const struct packed *packed, struct hak_cfi_row *row)
{
    *row = (struct hak_cfi_row){.frame_kind = HAK_RULE_VALUE,
                                .frame_register = (uint8_t)packed->frame,
                                .frame_offset = (int32_t)(packed->frame >> 32),
                                .return_register = RETURN_REGISTER};
    for (unsigned i = 0; i < HAK_COUNT_OF(kept_by_calls); i++) {
        unsigned words = packed->saved[i / A_WORD] >> i % A_WORD * BITS & LOST;
        if (words == LOST)
            hak__cfi_set(row, kept_by_calls[i], HAK_RULE_UNDEFINED, 0);
        else if (words != 0)
            hak__cfi_set(row, kept_by_calls[i], HAK_RULE_SAVED, -(int32_t)words * WORD);
    }
}

static bool look(struct entry *entry, struct packed *packed)
{
    uint64_t word[WORDS];
    uint32_t version = hak_load_acquire(&entry->version);
    for (unsigned i = 0; i < WORDS; i++)
        word[i] = hak_load_relaxed(&entry->word[i]);
    hak_fence_acquire();
    memcpy(packed, word, sizeof word);
    return version % 2 == 0 && hak_load_relaxed(&entry->version) == version;
}

static void keep(struct entry *entry, const struct packed *packed)
{
    uint64_t word[WORDS];
    uint32_t version = hak_load_relaxed(&entry->version);
    if (version % 2 != 0 || !hak_cas_acquire(&entry->version, &version, version + 1))
        return;
    hak_fence_release();
    memcpy(word, packed, sizeof word);
    for (unsigned i = 0; i < WORDS; i++)
        hak_store_relaxed(&entry->word[i], word[i]);
    hak_store_release(&entry->version, version + 2);
}

bool hak__cfi_recall(const struct hak_cfi_file *file, uintptr_t place, struct hak_cfi_row *row)
{
    struct entry *entry = entry_of(place);
    struct packed packed;
    if (look(entry, &packed) && packed.place == place && packed.table == file->table) {
        unpack(&packed, row);
        return true;
    }
    if (!hak__cfi_find(file, place, row))
        return false;
    packed = (struct packed){.place = place, .table = file->table};
    if (pack(row, &packed))
        keep(entry, &packed);
    return true;
}

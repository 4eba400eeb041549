/* SPDX-License-Identifier: MIT */
#include "profile/cfi_cache.h"

#include "base/atomic.h"

enum { PLACES_SHIFT = 10, PLACES = 1 << PLACES_SHIFT };

static const uint8_t kept_by_calls[] = {HAK_KEPT_BY_CALLS};
_Static_assert(HAK_COUNT_OF(kept_by_calls) <= HAK_KEPT_A_WORD * HAK_KEPT_WORDS, "all of them have their bits");

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
    HAK_CACHE_ALIGNED _Atomic uint32_t version;
    _Atomic uint64_t place, table; /* whose row it is: one that lies as a closed file did may be taken for that,
                                      and a walk then tells places that are none */
    _Atomic uint64_t frame;        /* the offset, and in the upper half the register */
    _Atomic uint64_t kept[HAK_KEPT_WORDS];
};
static HAK_SPARSE struct entry entries[PLACES];

static struct entry *entry_of(uintptr_t place)
{
    return &entries[(place * 0x9e3779b97f4a7c15ULL) >> (64 - PLACES_SHIFT)];
}

static bool pack(const struct hak_cfi_row *row, struct hak_cfi_usual *usual)
{
    enum { WORD = sizeof(uintptr_t) };
    if (row->frame_kind != HAK_RULE_VALUE || row->is_signal || row->return_register != HAK_RETURN_REGISTER)
        return false;
    usual->frame_offset = row->frame_offset;
    usual->frame_register = row->frame_register;
    uint64_t others = row->ruled;
    for (unsigned i = 0; i < HAK_COUNT_OF(kept_by_calls); i++) {
        uint64_t bit = (uint64_t)1 << kept_by_calls[i];
        if ((row->ruled & bit) == 0)
            continue;
        struct hak_rule rule = row->rule[kept_by_calls[i]];
        uint64_t words = (uint64_t)(-(int64_t)rule.offset / WORD);
        if (rule.kind == HAK_RULE_UNDEFINED)
            words = HAK_KEPT_LOST;
        else if (rule.kind != HAK_RULE_SAVED || rule.offset >= 0 || rule.offset % WORD != 0 || words >= HAK_KEPT_LOST)
            return false;
        usual->kept[i / HAK_KEPT_A_WORD] |= words << i % HAK_KEPT_A_WORD * HAK_KEPT_BITS;
        others &= ~bit;
    }
    return others == 0;
}

/* Word by word to where they are used: a copy of them all waits for its own stores. */
bool hak__cfi_cache_find(const struct hak_cfi_file *file, uintptr_t place, struct hak_cfi_usual *usual)
{
    struct entry *entry = entry_of(place);
    uint32_t version = hak_load_acquire(&entry->version);
    bool is_it = hak_load_relaxed(&entry->place) == place && hak_load_relaxed(&entry->table) == file->table;
    uint64_t frame = hak_load_relaxed(&entry->frame);
    for (int i = 0; i < HAK_KEPT_WORDS; i++)
        usual->kept[i] = hak_load_relaxed(&entry->kept[i]);
    hak_fence_acquire();
    usual->frame_offset = (int32_t)(uint32_t)frame;
    usual->frame_register = (uint32_t)(frame >> 32);
    return is_it && version % 2 == 0 && hak_load_relaxed(&entry->version) == version;
}

void hak__cfi_cache_add(const struct hak_cfi_file *file, uintptr_t place, const struct hak_cfi_row *row)
{
    struct entry *entry = entry_of(place);
    struct hak_cfi_usual usual = {0};
    uint32_t version = hak_load_relaxed(&entry->version);
    if (!pack(row, &usual) || version % 2 != 0 || !hak_cas_acquire(&entry->version, &version, version + 1))
        return;
    hak_fence_release();
    hak_store_relaxed(&entry->place, place);
    hak_store_relaxed(&entry->table, file->table);
    hak_store_relaxed(&entry->frame, (uint64_t)usual.frame_register << 32 | (uint32_t)usual.frame_offset);
    for (int i = 0; i < HAK_KEPT_WORDS; i++)
        hak_store_relaxed(&entry->kept[i], usual.kept[i]);
    hak_store_release(&entry->version, version + 2);
}

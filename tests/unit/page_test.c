/* SPDX-License-Identifier: MIT */
/* Page map, page arena, huge mappings, options, text, files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "core/meta.h"
#include "core/options.h"
#include "core/report.h"
#include "os/deadline.h"
#include "os/os.h"
#include "page/arena.h"
#include "page/huge.h"
#include "page/pagemap.h"
#include "page/pieces.h"
#include "page/purge.h"
#include "page/retain.h"
#include "page/spans.h"
#include "unit.h"

START_TEST(addresses_of_nobody_have_no_word)
{
    int local = 0;
    ck_assert_uint_eq(hak__pagemap_word(0), 0);
    ck_assert_uint_eq(hak__pagemap_word((uintptr_t)&local), 0);
    ck_assert_uint_eq(hak__pagemap_word(UINTPTR_MAX), 0);
    ck_assert_uint_eq(hak__pagemap_word((uintptr_t)1 << (sizeof(uintptr_t) * 8 - 1)), 0);
}
END_TEST

/* As many granules as are shown from an address on, up to an end. */
static size_t shown(uintptr_t address, uintptr_t end)
{
    size_t count = 0;
    for (; hak__pagemap_find(&address) && address < end; address += HAK_GRANULE)
        count++;
    return count;
}

/* In an area a mapping at its start, one at its end, and one of any size between them. */
START_TEST(pieces_lead_to_the_start_of_a_mapping)
{
    enum { UNITS = 70, ROOM = 3 * UNITS };
    static int record;
    size_t size = ROOM * HAK_GRANULE;
    uintptr_t area = (uintptr_t)hak__os_reserve(size, HAK_GRANULE);
    for (size_t first = 1; first < UNITS; first++) {
        for (size_t units = 1; units <= UNITS; units++) {
            uintptr_t base = area + first * HAK_GRANULE, end = base + units * HAK_GRANULE;
            ck_assert(hak__pieces_ensure(area, ROOM));
            hak__pieces_show(area, first, HAK_CODE_HUGE, &record);
            hak__pieces_show(base, units, HAK_CODE_HUGE, &record);
            hak__pieces_show(end, ROOM - first - units, HAK_CODE_HUGE, &record);
            for (uintptr_t at = area + 8; at < area + size; at += HAK_GRANULE)
                ck_assert_uint_eq(hak__pieces_first(at), at < base ? area : at < end ? base : end);
            hak__pieces_hide(area, first);
            hak__pieces_resize(base, units, 4);
            hak__pieces_resize(base, 4, units);
            hak__pieces_hide(end, ROOM - first - units);
            for (uintptr_t at = area; at < area + size; at += HAK_GRANULE)
                ck_assert_uint_eq(hak__pieces_first(at), at < base || at >= end ? at : base);
            ck_assert_uint_le(shown(area, area + size), 13);
            hak__pieces_hide(base, units);
            ck_assert_uint_eq(shown(area, area + size), 0);
        }
    }
    hak__os_unmap_unused((void *)area, size);
}
END_TEST

/* Without what is mapped of files, which comes by many pages. */
static size_t resident(void)
{
    size_t pages = 0, shared = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%*u %zu %zu", &pages, &shared), 2);
    fclose(file);
    return (pages - shared) * hak__os_page_size();
}

/* Of memory that is not there the map is all that counts. */
START_TEST(what_is_noted_of_a_mapping_does_not_grow_with_it)
{
    enum { MOST = sizeof(size_t) > 4 ? 46 : 30, KIB = 1 << 10 };
    static int record;
    for (int power = 26; power <= MOST; power += 4) {
        size_t size = ((size_t)1 << power) - 3 * HAK_GRANULE, units = size / HAK_GRANULE;
        uintptr_t base = (uintptr_t)hak__os_reserve(size, HAK_GRANULE);
        if (base == 0)
            break;
        size_t before = resident();
        ck_assert(hak__pieces_ensure(base, units));
        hak__pieces_show(base, units, HAK_CODE_HUGE, &record);
        size_t grown = resident() - before; /* and not by reading, for which some systems give memory, too */
        ck_assert_uint_le(shown(base, base + size), 2 * (size_t)(power - 16));
        for (size_t at = 0; at < size; at += size / 100)
            ck_assert_uint_eq(hak__pieces_first(base + at), base);
        if (!UNIT_SANITIZED)
            ck_assert_uint_lt(grown, 256 * KIB);
        hak__pieces_hide(base, units);
        ck_assert_uint_eq(shown(base, base + size), 0);
        hak__os_unmap_unused((void *)base, size);
    }
}
END_TEST

START_TEST(spans_do_not_overlap_and_join_again)
{
    enum { SPANS = 300 };
    struct hak_span *span[SPANS];
    size_t retained = hak_load_relaxed(&hak__retained_bytes);
    for (size_t i = 0; i < SPANS; i++) {
        size_t units = i * 7 % 32 + 1;
        span[i] = hak__arena_alloc(units, 1, false);
        ck_assert_ptr_nonnull(span[i]);
        ck_assert_uint_eq(span[i]->units, units);
        for (size_t at = 0; at < units * HAK_GRANULE; at += HAK_GRANULE) {
            ck_assert_int_eq(*((char *)span[i]->base + at), 0);
            *((char *)span[i]->base + at) = (char)i;
        }
    }
    for (size_t i = 0; i < SPANS; i++)
        for (size_t at = 0; at < span[i]->units * HAK_GRANULE; at += HAK_GRANULE)
            ck_assert_int_eq(*((char *)span[i]->base + at), (char)i);
    for (size_t i = 0; i < SPANS; i++)
        span[i]->dirty = true;
    for (size_t i = 0; i < SPANS; i++)
        hak__arena_free(span[(i * 7) % SPANS]);
    ck_assert_uint_gt(hak_load_relaxed(&hak__retained_bytes), retained);
    /* a span as large as a SuperSlab can only come from joined ones or fresh memory */
    struct hak_span *large = hak__arena_alloc(HAK_SUPERSLAB_UNITS, HAK_SUPERSLAB_UNITS, false);
    ck_assert_ptr_nonnull(large);
    ck_assert_uint_eq(large->base % HAK_SUPERSLAB, 0);
    hak__arena_free(large);
    ck_assert_uint_gt(hak__arena_purge(SIZE_MAX, HAK_NEVER, true), 0);
    struct hak_span *clean = hak__arena_alloc(3, 1, false);
    ck_assert(!clean->dirty);
    ck_assert_int_eq(*(char *)clean->base, 0);
    hak__arena_free(clean);
}
END_TEST

static struct hak_setting setting(const char *key, const char *value)
{
    return (struct hak_setting){.key = key,
                                .value = value,
                                .key_length = strlen(key),
                                .value_length = value != NULL ? strlen(value) : 0};
}

static enum hak_option_result set(const char *key, const char *value)
{
    struct hak_setting one = setting(key, value);
    return hak__options_set(&one, hak__features(false));
}

/* A free span that is warm beside one that is bare, at whose other end something lives. */
static void warm_beside_bare(size_t units, struct hak_span **warm, struct hak_span **bare)
{
    hak__arena_reserve((size_t)64 << 20);
    hak__arena_alloc(units, 16, false);
    *bare = hak__arena_alloc(units, 16, false);
    *warm = hak__arena_alloc(units, 16, false);
    hak__arena_alloc(units, 16, false);
    ck_assert_uint_eq((*warm)->base + hak__span_bytes(*warm), (*bare)->base);
    hak__memory_add(2 * hak__span_bytes(*bare));
    (*bare)->dirty = true;
    hak__arena_free(*bare);
    ck_assert_uint_gt(hak__arena_purge(SIZE_MAX, HAK_NEVER, true), 0);
    ck_assert((*bare)->bare);
    memset((void *)(*warm)->base, 1, hak__span_bytes(*warm));
    (*warm)->dirty = true;
    hak__arena_free(*warm);
}

START_TEST(a_block_takes_warm_memory_and_what_is_beside_it)
{
    enum { UNITS = 64, MORE = UNITS + 32 };
    struct hak_span *warm, *bare;
    warm_beside_bare(UNITS, &warm, &bare);
    uintptr_t base = warm->base, end = hak__span_end(bare);
    size_t retained = hak_load_relaxed(&hak__retained_bytes);
    size_t taken = hak_load_relaxed(&hak__taken_bytes);
    struct hak_span *span = hak__arena_alloc(MORE, 1, false);
    ck_assert_uint_eq(span->base, base);
    ck_assert_uint_eq(span->units, MORE);
    ck_assert(span->dirty && !span->bare);
    ck_assert_int_eq(*(char *)base, 1);
    memset((void *)base, 2, hak__span_bytes(span));
    ck_assert_uint_eq(hak_load_relaxed(&hak__retained_bytes), retained - UNITS * HAK_GRANULE);
    ck_assert_uint_eq(hak_load_relaxed(&hak__taken_bytes), taken + (MORE - UNITS) * HAK_GRANULE);
    ck_assert_uint_eq(hak__spans_free_from_locked(hak__span_end(span), SIZE_MAX, true), 2 * UNITS - MORE);
    hak__arena_free(span);
    ck_assert_uint_eq(hak__arena_warm(), MORE * HAK_GRANULE);
    /* up to the end of what is free, if it is not as much as is wanted from the warm memory on */
    ck_assert_uint_gt(hak__arena_purge(SIZE_MAX, HAK_NEVER, true), 0);
    struct hak_span *low = hak__arena_alloc(UNITS, 16, false), *high = hak__arena_alloc(UNITS, 16, false);
    if (low->base > high->base) {
        struct hak_span *other = low;
        low = high;
        high = other;
    }
    ck_assert_uint_eq(low->base, base);
    hak__arena_free(low);
    high->dirty = true;
    hak__arena_free(high);
    span = hak__arena_alloc(MORE, 1, false);
    ck_assert_uint_eq(hak__span_end(span), end);
}
END_TEST

START_TEST(what_is_beside_warm_memory_stays_free_under_a_limit)
{
    enum { UNITS = 64 };
    struct hak_span *warm, *bare;
    warm_beside_bare(UNITS, &warm, &bare);
    uintptr_t base = warm->base;
    size_t retained = hak_load_relaxed(&hak__retained_bytes);
    size_t taken = hak_load_relaxed(&hak__taken_bytes);
    ck_assert_int_eq(set("limit_hard", "1M"), HAK_OPTION_OK);
    struct hak_span *span = hak__arena_alloc(UNITS + 32, 1, false);
    ck_assert(!span->dirty); /* its memory is not taken yet */
    ck_assert_uint_eq(hak_load_relaxed(&hak__retained_bytes), retained);
    ck_assert_uint_eq(hak_load_relaxed(&hak__taken_bytes), taken);
    ck_assert_uint_eq(hak__arena_warm(), UNITS * HAK_GRANULE);
    ck_assert_uint_eq(hak__spans_free_from_locked(base, SIZE_MAX, true), 2 * UNITS);
}
END_TEST

START_TEST(spans_grow_and_shrink_in_place)
{
    struct hak_span *span = hak__arena_alloc(8, 1, false);
    uintptr_t base = span->base;
    ck_assert(hak__arena_shrink(span, 2));
    ck_assert_uint_eq(span->units, 2);
    ck_assert(hak__arena_grow(span, 8));
    ck_assert_uint_eq(span->units, 8);
    ck_assert_uint_eq(span->base, base);
    span->dirty = true;
    hak__arena_free(span);
}
END_TEST

START_TEST(what_grows_takes_no_advised_memory)
{
    struct hak_span *span = hak__arena_alloc(HAK_ADVISED_UNITS, 1, false);
    span->dirty = true;
    ck_assert(hak__arena_shrink(span, 3));
    ck_assert_uint_eq(hak__arena_room(span), 3);
    ck_assert(!hak__arena_grow(span, 5));
    ck_assert(hak__arena_grow(span, HAK_ADVISED_UNITS)); /* as large as what may be advised */
}
END_TEST

START_TEST(spans_grow_side_by_side)
{
    enum { BESIDE = 4, UNITS = 4 };
    struct hak_span *span[BESIDE], *other[UNITS];
    uintptr_t base[BESIDE];
    for (int i = 0; i < BESIDE; i++) {
        span[i] = hak__arena_alloc_to_grow(1, true);
        ck_assert_uint_eq(span[i]->units, 1);
        base[i] = span[i]->base;
    }
    size_t live = hak__footprint();
    for (size_t units = 2; units <= UNITS; units++) {
        other[units - 1] = hak__arena_alloc(units, 1, false); /* not in front of them */
        for (int i = 0; i < BESIDE; i++) {
            ck_assert(hak__arena_grow(span[i], units));
            ck_assert_uint_eq(span[i]->base, base[i]);
            ck_assert_uint_eq(span[i]->units, units);
        }
    }
    ck_assert_uint_eq(hak__footprint() - live, BESIDE * (UNITS - 1) * HAK_GRANULE);
    for (int i = 0; i < BESIDE; i++) {
        span[i]->dirty = true;
        hak__arena_free(span[i]);
    }
    /* memory that is there is used before any that is not, and then what is behind it */
    struct hak_span *again = hak__arena_alloc_to_grow(UNITS, true);
    ck_assert(again->dirty);
    ck_assert(hak__arena_grow(again, UNITS + 3));
    hak__arena_free(again);
    for (size_t units = 2; units <= UNITS; units++)
        hak__arena_free(other[units - 1]);
    hak__arena_purge(SIZE_MAX, HAK_NEVER, true);
}
END_TEST

START_TEST(a_mapping_that_grows_has_some_more)
{
    size_t page = hak__os_page_size(), size = (size_t)4 << 20;
    struct hak_span *span = hak__huge_alloc(size, HAK_GRANULE);
    ck_assert(hak__huge_resize(span, size + page, true));
    size_t ahead = span->size;
    ck_assert_uint_gt(ahead, size + 16 * page);
    ck_assert_uint_le(ahead, size + size / 32 + page);
    for (size_t now = size + 2 * page; now <= size + 16 * page; now += page) {
        ck_assert(hak__huge_resize(span, now, true));
        ck_assert_uint_eq(span->size, ahead);
    }
    ck_assert(hak__huge_resize(span, size, true)); /* less than it was: that is meant */
    ck_assert_uint_eq(span->size, size);
    hak__huge_free(span);
    hak__huge_purge(SIZE_MAX, HAK_NEVER, true);
}
END_TEST

START_TEST(a_mapping_that_is_kept_serves_what_grows)
{
    size_t page = hak__os_page_size(), size = ((size_t)8 << 20) + page;
    struct hak_span *span = hak__huge_alloc(size, HAK_GRANULE);
    memset((void *)span->base, 7, size);
    hak__huge_free(span);
    size_t kept = hak__huge_cached_bytes();
    ck_assert(hak__huge_has_to_grow(size) && !hak__huge_has_to_grow(size + page));
    ck_assert_ptr_null(hak__huge_reuse_to_grow(size + page, size + page));

    struct hak_span *again = hak__huge_reuse_to_grow(size / 8, size);
    uintptr_t base = again->base;
    ck_assert_uint_le(again->size, size / 8 + HAK_GRANULE);
    ck_assert_uint_eq(hak__huge_cached_bytes(), kept - again->size);
    ck_assert(!hak__huge_has_to_grow(page)); /* what is left is its room */
    ck_assert(!hak__huge_covers((char *)base + again->size));
    ck_assert(hak__huge_resize(again, size / 2, false));
    ck_assert_int_eq(*((char *)base + size / 2), 7); /* without a fault */
    ck_assert(hak__huge_covers((char *)base + size / 2 - 1));
    ck_assert(hak__huge_resize(again, size, false));
    ck_assert_uint_eq(again->size, size);
    ck_assert_uint_eq(hak__huge_cached_bytes(), kept - size);
    hak__huge_free(again);

    again = hak__huge_reuse_to_grow(size / 8, size);
    hak__huge_free(again); /* with its room */
    ck_assert(hak__huge_has_to_grow(size));

    again = hak__huge_reuse_to_grow(size / 8, size);
    ck_assert(hak__huge_resize(again, HAK_GRANULE, true));
    ck_assert(hak__huge_has_to_grow(size / 2)); /* room no more, since others may be between */
    ck_assert(hak__huge_resize(again, 2 * size, true));
    hak__huge_free(again);
    hak__huge_purge(SIZE_MAX, HAK_NEVER, true);
    ck_assert_uint_eq(hak__huge_cached_bytes(), kept - size);
}
END_TEST

START_TEST(a_mapping_that_is_too_large_to_keep_is_regretted)
{
    size_t size = hak__retain_limit() + HAK_GRANULE;
    for (int i = 0; i < 2; i++) {
        hak__huge_free(hak__huge_alloc(size, HAK_GRANULE));
        ck_assert_uint_eq(hak__huge_cached_bytes(), 0);
        hak__retain_excess(0); /* learns that it was needed again */
    }
    hak__huge_free(hak__huge_alloc(size, HAK_GRANULE));
    ck_assert_uint_eq(hak__huge_cached_bytes(), size);
    hak__huge_purge(SIZE_MAX, HAK_NEVER, true);
}
END_TEST

/* So many that a leaf of the page map is inside of a piece, and one of what is left begins there. */
START_TEST(what_is_left_of_a_large_mapping_can_be_shown)
{
    const size_t leaf = HAK_LEAF_SIZE * HAK_GRANULE, size = 4 * leaf;
    ck_assert_int_eq(set("retain_min", SIZE_MAX > UINT32_MAX ? "1000G" : "1G"), HAK_OPTION_OK);
    struct hak_span *span = hak__huge_alloc(size, HAK_GRANULE);
    if (span == NULL)
        return; /* the system has not as much */
    uintptr_t base = span->base, piece = hak__align_up(base + HAK_GRANULE, 2 * leaf);
    size_t left = piece + leaf / 2 * 3 - base;
    hak__huge_free(span);
    hak__huge_purge(size - left, hak__os_now_ms() + 600000, true);
    ck_assert_uint_le(hak__huge_cached_bytes(), left);
    span = hak__huge_alloc(hak__huge_cached_bytes(), HAK_GRANULE);
    ck_assert_uint_eq(span->base, base);
    for (size_t i = 0; i < HAK_LEAF_SIZE; i++)
        ck_assert_uint_eq(hak__pagemap.none[i], 0);
    hak__huge_free(span);
    hak__huge_purge(SIZE_MAX, HAK_NEVER, true);
    ck_assert_int_eq(set("retain_min", "12M"), HAK_OPTION_OK);
}
END_TEST

START_TEST(huge_mappings_move_and_come_back)
{
    size_t size = (size_t)5 << 20;
    struct hak_span *span = hak__huge_alloc(size, HAK_GRANULE);
    ck_assert_ptr_nonnull(span);
    ck_assert_uint_eq(span->base % HAK_GRANULE, 0);
    memset((void *)span->base, 7, size);
    ck_assert(hak__huge_resize(span, size * 3, true));
    ck_assert_int_eq(*((char *)span->base + size - 1), 7);
    ck_assert_int_eq(*((char *)span->base + size), 0);
    ck_assert_uint_eq(hak__pagemap_word(span->base) & 0xff, HAK_CODE_HUGE);
    char *start = (char *)span->base;
    ck_assert(hak__huge_covers(start + size * 3 - 1) && !hak__huge_covers(start + size * 3));
    ck_assert(hak__huge_resize(span, size / 2 * 2, true));
    ck_assert(hak__huge_covers(start + size - 1) && !hak__huge_covers(start + size));
    hak__huge_free(span);
    ck_assert_uint_eq(hak__pagemap_word((uintptr_t)start), 0);
    ck_assert(!hak__huge_covers(start + size - 1));
    hak__huge_purge(SIZE_MAX, HAK_NEVER, true);
}
END_TEST

/* That is found out at the next look at the bound. */
static void miss(size_t bytes)
{
    hak__retain_missed(bytes);
    hak__retain_excess(0);
}

START_TEST(the_bound_learns)
{
    enum { MIB = 1 << 20 };
    size_t least = (size_t)hak__option(HAK_OPTION_RETAIN_MIN);
    size_t most = (size_t)hak__option(HAK_OPTION_RETAIN_MAX);
    ck_assert_uint_eq(hak__retain_limit(), least);
    miss(5 * MIB); /* nothing was purged: no regret */
    ck_assert_uint_eq(hak__retain_limit(), least);
    hak__retain_purged(3 * MIB);
    ck_assert_uint_eq(hak__retain_limit(), least);
    miss(2 * MIB); /* counts four times */
    ck_assert_uint_eq(hak__retain_limit(), least + 8 * MIB);
    miss(2 * MIB); /* one more was purged, not two */
    ck_assert_uint_eq(hak__retain_limit(), least + 12 * MIB);
    hak__retain_purged((size_t)1000 * MIB);
    miss((size_t)1000 * MIB);
    ck_assert_uint_eq(hak__retain_limit(), most);
    /* both ends follow what is live */
    hak__live_add((size_t)100 * MIB);
    hak__retain_purged((size_t)1000 * MIB);
    miss((size_t)1000 * MIB);
    size_t live = hak_load_relaxed(&hak__live_bytes) / 100;
    ck_assert_uint_eq(hak__retain_limit(),
                      live * (size_t)hak__option(HAK_OPTION_RETAIN_PERCENT_MAX));
    hak__live_sub((size_t)100 * MIB);
    ck_assert_uint_eq(hak__retain_limit(), most);
}
END_TEST

START_TEST(memory_that_is_zero_comes_first_when_asked_for)
{
    struct hak_span *warm = hak__arena_alloc(2, 1, false);
    memset((void *)warm->base, 1, HAK_GRANULE);
    warm->dirty = true;
    hak__arena_free(warm);
    struct hak_span *zero = hak__arena_alloc(2, 1, true);
    ck_assert(!zero->dirty);
    struct hak_span *any = hak__arena_alloc(2, 1, false);
    ck_assert(any->dirty);
    hak__arena_free(zero);
    hak__arena_free(any);
}
END_TEST

/* In a build that has no feature but this one, if any. */
static void needs(enum hak_feature feature, const char *key, const char *reason)
{
    struct hak_setting wanted = setting(key, "1"), usual = setting(key, "0");
    struct hak_text text;
    ck_assert_int_eq(hak__options_check(&wanted, feature), HAK_OPTION_OK);
    ck_assert_int_eq(hak__options_check(&usual, 0), HAK_OPTION_OK);
    ck_assert_int_eq(hak__options_check(&wanted, HAK_FEATURES_ALL & ~feature), HAK_OPTION_NO_EFFECT);
    hak__text_begin(&text, -1);
    hak__options_explain(&text, HAK_OPTION_NO_EFFECT, &wanted);
    hak__text_bytes(&text, "", 1);
    ck_assert_ptr_nonnull(strstr(text.bytes, reason));
}

START_TEST(options_without_effect_are_refused)
{
    needs(HAK_FEATURE_DEBUG, "trace", "option trace has no effect in this build (it needs the debug variant)");
    needs(HAK_FEATURE_DEBUG, "race_seed", "option race_seed has no effect in this build");
    needs(HAK_FEATURE_DLOPEN, "deepbind", "(dlopen is the C library's own)");
}
END_TEST

START_TEST(options_are_parsed_and_refused)
{
    char text[32];
    ck_assert_int_eq(set("retain_min", "3M"), HAK_OPTION_OK);
    ck_assert_int_eq(hak__options_get("retain_min", text, sizeof text), 7);
    ck_assert_str_eq(text, "3145728");
    ck_assert_int_eq(set("retain_min", "-1"), HAK_OPTION_BAD_VALUE);
    ck_assert_int_eq(set("retain_min", "1X"), HAK_OPTION_BAD_VALUE);
    ck_assert_int_eq(set("retain_min", ""), HAK_OPTION_BAD_VALUE);
    ck_assert_int_eq(set("retain_min", "99999999999999999999"), HAK_OPTION_BAD_VALUE);
    ck_assert_int_eq(set("retain", "1"), HAK_OPTION_UNKNOWN);
    ck_assert_int_eq(set("retain_min", NULL), HAK_OPTION_NO_VALUE);
    ck_assert_int_eq(set("trace", "1"), HAK_OPTION_NO_EFFECT);
    ck_assert_int_eq(set("trace", "0"), HAK_OPTION_OK);
    ck_assert_int_eq(set("stats", "json"), HAK_OPTION_OK);
    ck_assert_int_eq(hak__options_get("stats", text, 3), 4);
    ck_assert_str_eq(text, "js");
    ck_assert_int_eq(set("stats", "none"), HAK_OPTION_OK);
    ck_assert_int_eq(hak__options_get("nothing", text, sizeof text), -1);
}
END_TEST

START_TEST(records_are_zero_and_aligned)
{
    for (size_t size = 1; size < 100000; size = size * 3 + 1) {
        char *record = hak__meta_alloc(size, 64);
        ck_assert_ptr_nonnull(record);
        ck_assert_uint_eq((uintptr_t)record % 64, 0);
        for (size_t i = 0; i < size; i++)
            ck_assert_int_eq(record[i], 0);
        memset(record, 1, size);
    }
}
END_TEST

START_TEST(text_is_written_whole)
{
    struct hak_text text;
    hak__text_begin(&text, -1);
    hak__text_signed(&text, INT64_MIN);
    hak__text_string(&text, " ");
    hak__text_unsigned(&text, UINT64_MAX);
    hak__text_string(&text, " ");
    hak__text_pointer(&text, (void *)0x1f);
    static const char expected[] = "-9223372036854775808 18446744073709551615 0x1f";
    ck_assert_uint_eq(text.used, sizeof expected - 1);
    ck_assert_mem_eq(text.bytes, expected, text.used);
    hak__text_begin(&text, 9999);
    hak__text_string(&text, "x");
    ck_assert_int_eq(hak__text_end(&text), EBADF);
}
END_TEST

/* A configuration file that counts for programs with more rights must be root's alone. */
START_TEST(only_files_of_root_are_trusted)
{
    char path[32], bytes[8];
    bool root = geteuid() == 0;
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    int fd = fileno(file);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ck_assert_int_eq(write(fd, "12345", 5), 5);
    ck_assert_int_eq(fchmod(fd, 0600), 0);
    ck_assert_uint_eq(hak__os_read_file(path, bytes, 8, false), 5);
    ck_assert_mem_eq(bytes, "12345", 5);
    ck_assert_uint_eq(hak__os_read_file(path, bytes, 3, false), 3);
    ck_assert_uint_eq(hak__os_read_file(path, bytes, 8, true), root ? 5 : 0);
    static const mode_t open_to_others[] = {0620, 0602, 0666};
    for (size_t i = 0; i < sizeof open_to_others / sizeof *open_to_others; i++) {
        ck_assert_int_eq(fchmod(fd, open_to_others[i]), 0);
        ck_assert_uint_eq(hak__os_read_file(path, bytes, 8, true), 0);
        ck_assert_uint_eq(hak__os_read_file(path, bytes, 8, false), 5);
    }
    ck_assert_int_eq(fchmod(fd, 0644), 0);
    if (root) {
        ck_assert_int_eq(fchown(fd, 65534, 0), 0);
        ck_assert_uint_eq(hak__os_read_file(path, bytes, 8, true), 0);
    }
    fclose(file);
    ck_assert_uint_eq(hak__os_read_file(path, bytes, 8, false), 0);
    ck_assert_uint_eq(hak__os_read_file("/", bytes, 8, false), 0);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, addresses_of_nobody_have_no_word);
    tcase_add_test(tests, pieces_lead_to_the_start_of_a_mapping);
    tcase_add_test(tests, what_is_noted_of_a_mapping_does_not_grow_with_it);
    tcase_add_test(tests, spans_do_not_overlap_and_join_again);
    tcase_add_test(tests, a_block_takes_warm_memory_and_what_is_beside_it);
    tcase_add_test(tests, what_is_beside_warm_memory_stays_free_under_a_limit);
    tcase_add_test(tests, spans_grow_and_shrink_in_place);
    tcase_add_test(tests, what_grows_takes_no_advised_memory);
    tcase_add_test(tests, spans_grow_side_by_side);
    tcase_add_test(tests, a_mapping_that_grows_has_some_more);
    tcase_add_test(tests, a_mapping_that_is_kept_serves_what_grows);
    tcase_add_test(tests, a_mapping_that_is_too_large_to_keep_is_regretted);
    tcase_add_test(tests, what_is_left_of_a_large_mapping_can_be_shown);
    tcase_add_test(tests, huge_mappings_move_and_come_back);
    tcase_add_test(tests, the_bound_learns);
    tcase_add_test(tests, memory_that_is_zero_comes_first_when_asked_for);
    tcase_add_test(tests, options_are_parsed_and_refused);
    tcase_add_test(tests, options_without_effect_are_refused);
    tcase_add_test(tests, records_are_zero_and_aligned);
    tcase_add_test(tests, text_is_written_whole);
    tcase_add_test(tests, only_files_of_root_are_trusted);
}

int main(void)
{
    return unit_run("page", add);
}

/* SPDX-License-Identifier: MIT */
/* Size classes, freelist, slab states, shared pool, each below the caches. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bits.h"
#include "cache/heap_check.h"
#include "core/options.h"
#include "os/deadline.h"
#include "os/lock.h"
#include "os/os.h"
#include "page/arena.h"
#include "page/pagemap.h"
#include "page/purge.h"
#include "page/retain.h"
#include "slab/shared_pool.h"
#include "slab/size_class.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/slab_pages.h"
#include "slab/super_set.h"
#include "slab/superslab.h"
#include "slab/superslab_partial.h"
#include "unit.h"

enum { OWNER = 77 };

START_TEST(every_request_has_the_smallest_class_that_fits)
{
    for (size_t size = 0; size <= HAK_SMALL_MAX; size++) {
        unsigned class_idx = hak__class_of(size);
        ck_assert_uint_ge(hak__class_size(class_idx), size);
        if (class_idx > 0)
            ck_assert_uint_lt(hak__class_size(class_idx - 1), size);
        if (size > 64)
            ck_assert_uint_le((hak__class_size(class_idx) - size) * 4, hak__class_size(class_idx));
    }
}
END_TEST

START_TEST(block_starts_are_recognised)
{
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        const struct hak_class_info *info = &hak__class_info[i];
        for (uintptr_t offset = 0; offset < (uintptr_t)1 << info->slab_shift; offset++)
            if (hak__is_block_start(offset, info->reciprocal, info->bound) !=
                (offset % info->size == 0 && offset / info->size < info->capacity))
                ck_abort_msg("size %u offset %lu", info->size, (unsigned long)offset);
    }
}
END_TEST

START_TEST(carve_pop_and_push_keep_the_counts)
{
    TinySlabMeta *slab = hak__pool_acquire(hak__class_of(64), OWNER);
    ck_assert_ptr_nonnull(slab);
    ck_assert(slab_freelist_is_empty(slab));
    ck_assert_ptr_null(slab_freelist_pop_lockfree(slab, slab->class_idx));
    uint32_t first = 99;
    ck_assert_uint_eq(slab_freelist_carve(slab, 5, &first), 5);
    ck_assert_uint_eq(first, 0);
    slab_freelist_uncarve(slab, 2);
    ck_assert_uint_eq(slab_freelist_view(slab).carved, 3);
    for (uint32_t i = 0; i < 3; i++)
        slab_freelist_push_lockfree(slab, slab->class_idx, slab_freelist_block(slab, i));
    ck_assert_uint_eq(slab_freelist_view(slab).free, 3);
    ck_assert_ptr_eq(slab_freelist_load_relaxed(slab), slab_freelist_block(slab, 2));
    ck_assert_ptr_eq(SLAB_FREELIST_DEBUG_PTR(slab), slab_freelist_block(slab, 2));
    ck_assert_ptr_eq(slab_freelist_pop_lockfree(slab, slab->class_idx),
                     slab_freelist_block(slab, 2));
    uint32_t count = 0, carved = 0;
    void *chain = slab_freelist_take_all(slab, &count, &carved);
    ck_assert_uint_eq(count, 2);
    ck_assert_ptr_eq(chain, slab_freelist_block(slab, 1));
    ck_assert_uint_eq(slab_freelist_next(slab, chain, carved, false), 0);
    ck_assert(!slab_freelist_is_nonempty(slab));
    for (uint32_t i = 0; i < 3; i++)
        slab_freelist_push_lockfree(slab, slab->class_idx, slab_freelist_block(slab, i));
    /* CURRENT is exempt from claiming although it is empty */
    ck_assert_uint_eq(slab_freelist_view(slab).state, SLAB_CURRENT);
    struct slab_view now;
    slab_freelist_let_go(slab, &now);
    ck_assert_uint_eq(now.state, SLAB_CLAIMED);
    hak__pool_release(slab);
}
END_TEST

START_TEST(the_last_push_claims_a_slab)
{
    TinySlabMeta *slab = hak__pool_acquire(hak__class_of(8192), OWNER);
    uint32_t first = 0;
    ck_assert_uint_eq(slab_freelist_carve(slab, slab->capacity, &first), slab->capacity);
    ck_assert(slab_freelist_retire(slab));
    struct slab_view now;
    ck_assert_uint_eq(slab_freelist_push_chain(slab, 0, slab_freelist_block(slab, 0), 1, 0,
                                               SLAB_PARTIAL, &now),
                      SLAB_FULL);
    ck_assert_uint_eq(now.state, SLAB_PARTIAL);
    hak__superslab_show(slab, slab->class_idx);
    for (uint32_t i = 1; i < slab->capacity; i++)
        slab_freelist_push_chain(slab, i, slab_freelist_block(slab, i), 1, i, SLAB_PARTIAL, &now);
    ck_assert_uint_eq(now.state, SLAB_CLAIMED);
    /* the hint is out of date now: following it must not claim the slab */
    ck_assert_ptr_null(hak__superslab_claim(slab->class_idx));
    hak__pool_release(slab);
}
END_TEST

START_TEST(a_partial_slab_is_found_again)
{
    unsigned class_idx = hak__class_of(1024);
    TinySlabMeta *slab = hak__pool_acquire(class_idx, OWNER);
    uint32_t first = 0;
    slab_freelist_carve(slab, 3, &first);
    struct slab_view now;
    slab_freelist_let_go(slab, &now);
    ck_assert_uint_eq(now.state, SLAB_PARTIAL);
    ck_assert(!hak__superslab_shows(slab, class_idx));
    hak__superslab_show(slab, class_idx);
    ck_assert(hak__superslab_shows(slab, class_idx));
    /* other partial slabs that earlier tests left may come first */
    TinySlabMeta *other[64];
    int taken = 0;
    while (taken < 64 && (other[taken] = hak__pool_acquire(class_idx, OWNER + 1)) != slab)
        taken++;
    ck_assert_int_lt(taken, 64);
    ck_assert_uint_eq(hak__owner_of(hak__pagemap_word(slab->base)), OWNER + 1);
    other[taken] = NULL;
    for (int i = 0; i < taken; i++) {
        slab_freelist_let_go(other[i], &now);
        hak__pool_release(other[i]);
    }
}
END_TEST

/* Counts memory for all blocks of a slab, as if they were handed out; how many steps that took. */
static int count_all(TinySlabMeta *slab)
{
    int steps = 0;
    for (uint32_t carved = 0; carved < slab->capacity; steps++)
        carved += hak__pages_for_blocks(slab, carved, slab->capacity - carved);
    return steps;
}

/* Hands out so many blocks of a new slab, and gives it back. */
static TinySlabMeta *use_and_release(unsigned class_idx, uint32_t blocks)
{
    struct slab_view now;
    uint32_t first = 0;
    TinySlabMeta *slab = hak__pool_acquire(class_idx, OWNER);
    for (uint32_t carved = 0; carved < blocks;)
        carved += slab_freelist_carve(slab, hak__pages_for_blocks(slab, carved, blocks - carved), &first);
    for (uint32_t i = 0; i < blocks; i++)
        slab_freelist_push_lockfree(slab, slab->class_idx, slab_freelist_block(slab, i));
    slab_freelist_let_go(slab, &now);
    hak__pool_release(slab);
    return slab;
}

/* A class that needs a page leaves the memory of a whole slab to one that needs that. */
START_TEST(slots_go_to_those_who_use_their_memory)
{
    unsigned little = hak__class_of(32), much = hak__class_of(1024);
    TinySlabMeta *filled = use_and_release(much, hak__class_info[much].capacity);
    use_and_release(little, 5); /* nothing is known of the class yet */
    TinySlabMeta *slab = hak__pool_acquire(little, OWNER);
    ck_assert_ptr_ne(slab, filled);
    ck_assert_ptr_eq(hak__pool_acquire(much, OWNER), filled);
    struct slab_view now;
    slab_freelist_let_go(slab, &now);
    hak__pool_release(slab);
    ck_assert_ptr_eq(use_and_release(little, 5), slab);
    ck_assert_ptr_eq(use_and_release(little, 5), slab); /* of two with little, the one that has some */
    slab_freelist_let_go(filled, &now);
    hak__pool_release(filled);
}
END_TEST

START_TEST(empty_superslabs_go_back)
{
    enum { SLABS = 200 };
    TinySlabMeta *slab[SLABS];
    size_t before = hak_load_relaxed(&hak__live_bytes);
    size_t taken = hak_load_relaxed(&hak__taken_bytes) - hak_load_relaxed(&hak__retained_bytes);
    for (int i = 0; i < SLABS; i++) {
        slab[i] = hak__pool_acquire(hak__class_of(48), OWNER);
        ck_assert_ptr_nonnull(slab[i]);
        count_all(slab[i]);
        *(char *)slab[i]->base = 1;
    }
    ck_assert_uint_eq(hak_load_relaxed(&hak__live_bytes), before + SLABS * HAK_GRANULE);
    for (int i = 0; i < SLABS; i++) {
        struct slab_view now;
        uintptr_t base = slab[i]->base;
        slab_freelist_let_go(slab[i], &now);
        hak__pool_release(slab[i]);
        ck_assert_uint_ne(hak__pagemap_word(base) & 0xff, hak__class_of(48) + 1);
    }
    ck_assert_uint_eq(hak_load_relaxed(&hak__live_bytes), before);
    /* what the SuperSlabs held is in the page arena now, or in slots that are still shared */
    hak__superslab_purge(SIZE_MAX, HAK_NEVER, true);
    hak__arena_purge(SIZE_MAX, HAK_NEVER, true);
    ck_assert_uint_eq(hak_load_relaxed(&hak__retained_bytes), 0);
    ck_assert_uint_eq(hak_load_relaxed(&hak__taken_bytes), taken);
}
END_TEST

START_TEST(memory_is_counted_by_the_page)
{
    unsigned class_idx = hak__class_of(128);
    hak__superslab_purge(SIZE_MAX, HAK_NEVER, true);
    hak__arena_purge(SIZE_MAX, HAK_NEVER, true);
    size_t live = hak_load_relaxed(&hak__live_bytes), page = hak__page_counted();
    TinySlabMeta *slab = hak__pool_acquire(class_idx, OWNER);
    ck_assert(slab->cold);
    ck_assert_uint_eq(hak_load_relaxed(&hak__live_bytes), live);
    uint32_t first = 0, count = hak__pages_for_blocks(slab, 0, 10);
    ck_assert_uint_eq(count, 10);
    ck_assert_uint_eq(hak_load_relaxed(&hak__live_bytes), live + page);
    ck_assert_uint_eq(hak__pages_for_blocks(slab, 0, 10), 10); /* no memory is counted twice */
    ck_assert_uint_eq(hak_load_relaxed(&hak__live_bytes), live + page);
    ck_assert_uint_eq(slab_freelist_carve(slab, count, &first), count);
    /* what is given back is retained, and serves another class without being counted again */
    struct slab_view now;
    for (uint32_t i = 0; i < count; i++)
        slab_freelist_push_lockfree(slab, slab->class_idx, slab_freelist_block(slab, i));
    slab_freelist_let_go(slab, &now);
    ck_assert_uint_eq(now.state, SLAB_CLAIMED);
    size_t retained = hak_load_relaxed(&hak__retained_bytes);
    hak__pool_release(slab);
    ck_assert_uint_eq(hak_load_relaxed(&hak__live_bytes), live);
    ck_assert_uint_eq(hak_load_relaxed(&hak__retained_bytes), retained + page);
    size_t taken = hak_load_relaxed(&hak__taken_bytes);
    ck_assert_ptr_eq(hak__pool_acquire(hak__class_of(48), OWNER), slab);
    ck_assert_uint_eq(hak__pages_for_blocks(slab, 0, 1), 1);
    ck_assert_uint_eq(hak_load_relaxed(&hak__taken_bytes), taken);
    ck_assert_uint_eq(hak_load_relaxed(&hak__live_bytes), live + page);
    int steps = count_all(slab);
    ck_assert_int_eq(steps, 1 + (int)(HAK_GRANULE / page / 2)); /* a page, one more, then two at a time */
    ck_assert_uint_eq(hak_load_relaxed(&hak__live_bytes), live + HAK_GRANULE);
    ck_assert_uint_eq(hak_load_relaxed(&hak__taken_bytes), taken + HAK_GRANULE - page);
    slab_freelist_let_go(slab, &now);
    hak__pool_release(slab);
    ck_assert_uint_eq(hak_load_relaxed(&hak__retained_bytes), retained + HAK_GRANULE);
}
END_TEST

START_TEST(a_slab_that_will_be_filled_comes_whole)
{
    static const struct {
        const char *limit;
        size_t size;
        bool whole;
    } cases[] = {{"0", 128, true}, {"0", 8192, true}, {"0", 16384, false}, {"1G", 128, false}};
    struct slab_view now;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hak__superslab_purge(SIZE_MAX, HAK_NEVER, true);
        struct hak_setting limit = {"limit_hard", cases[i].limit, 10, strlen(cases[i].limit)};
        ck_assert_int_eq(hak__options_set(&limit, 0), HAK_OPTION_OK);
        TinySlabMeta *slab = hak__pool_acquire(hak__class_of(cases[i].size), OWNER);
        size_t live = hak_load_relaxed(&hak__live_bytes), bytes = slab->units * HAK_GRANULE;
        hak__pages_for_filled(slab);
        ck_assert_int_eq(slab->cold, !cases[i].whole);
        ck_assert_uint_eq(hak_load_relaxed(&hak__live_bytes), live + (cases[i].whole ? bytes : 0));
        ck_assert_uint_eq(hak__pages_bytes(slab, slab->units), cases[i].whole ? bytes : 0);
        if (cases[i].whole)
            ck_assert_uint_eq(hak__pages_for_blocks(slab, 0, slab->capacity), slab->capacity);
        slab_freelist_let_go(slab, &now);
        hak__pool_release(slab);
    }
    struct hak_setting none = {"limit_hard", "0", 10, 1};
    ck_assert_int_eq(hak__options_set(&none, 0), HAK_OPTION_OK);
}
END_TEST

START_TEST(a_limit_refuses_pages)
{
    struct hak_setting limit = {"limit_hard", "0", 10, 1};
    char text[32];
    TinySlabMeta *slab = hak__pool_acquire(hak__class_of(128), OWNER);
    ck_assert(slab->cold && hak__pages_for_blocks(slab, 0, 1) == 1);
    uint32_t step = (uint32_t)(hak__page_counted() / 128);
    limit.value_length = (size_t)snprintf(text, sizeof text, "%zu", hak__footprint());
    limit.value = text;
    ck_assert_int_eq(hak__options_set(&limit, 0), HAK_OPTION_OK);
    ck_assert_uint_eq(hak__pages_for_blocks(slab, 0, step), step);
    ck_assert_uint_eq(hak__pages_for_blocks(slab, step, 1), 0);
    ck_assert_uint_le(hak__footprint(), strtoull(text, NULL, 10));
    limit = (struct hak_setting){"limit_hard", "0", 10, 1};
    ck_assert_int_eq(hak__options_set(&limit, 0), HAK_OPTION_OK);
    ck_assert_uint_gt(hak__pages_for_blocks(slab, step, 1), 0);
    struct slab_view now;
    slab_freelist_let_go(slab, &now);
    hak__pool_release(slab);
}
END_TEST

START_TEST(a_set_finds_its_members)
{
    static struct super_set set;
    static const unsigned numbers[] = {0, 63, 64, 700, HAK_SET_SIZE - 1};
    ck_assert_uint_eq(super_set_next(&set, 0), HAK_SET_SIZE);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        super_set_add(&set, numbers[i]);
    unsigned from = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        ck_assert_uint_eq(super_set_next(&set, from), numbers[i]);
        from = numbers[i] + 1;
    }
    ck_assert_uint_eq(super_set_next(&set, from), HAK_SET_SIZE);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        super_set_remove(&set, numbers[i]);
    ck_assert_uint_eq(super_set_next(&set, 0), HAK_SET_SIZE);
    ck_assert_uint_eq(hak_load_relaxed(&set.root), 0);
    /* what stopped between leaf and root is repaired by the next who comes */
    hak_or_relaxed(&set.leaf[5], 1);
    super_set_add(&set, 320);
    ck_assert_uint_eq(super_set_next(&set, 0), 320);
}
END_TEST

START_TEST(there_is_no_last_superslab)
{
    enum { SLABS = (2 * HAK_SET_SIZE + 5) * 4, SECOND = (HAK_SET_SIZE + 9) * 4 };
    static TinySlabMeta *slab[SLABS];
    unsigned class_idx = hak__class_of(HAK_SMALL_MAX);
    for (int i = 0; i < SLABS; i++) {
        slab[i] = hak__pool_acquire(class_idx, OWNER);
        ck_assert_ptr_nonnull(slab[i]);
        ck_assert_uint_eq(slab[i]->units, 8);
    }
    ck_assert_uint_gt(hak_load_relaxed(&hak__superslabs_in_use), HAK_SET_SIZE);
    ck_assert_uint_gt(hak__superslab_index(slab[SLABS - 1]), HAK_SET_SIZE * HAK_SUPERSLAB_UNITS);
    struct slab_view now;
    uint32_t first = 0;
    /* what is free in the second and in the third chunk alone is found, and then nothing */
    ck_assert_ptr_null(hak__superslab_take(3, true));
    ck_assert_ptr_null(hak__superslab_take(3, false));
    slab_freelist_let_go(slab[SLABS - 1], &now);
    hak__pool_release(slab[SLABS - 1]);
    slab_freelist_let_go(slab[SECOND], &now);
    hak__pool_release(slab[SECOND]);
    ck_assert_ptr_eq(hak__pool_acquire(class_idx, OWNER), slab[SECOND]);
    ck_assert_ptr_eq(hak__pool_acquire(class_idx, OWNER), slab[SLABS - 1]);
    ck_assert_ptr_null(hak__superslab_take(3, false));
    /* the last ones are in the third chunk: shown there, and found */
    slab_freelist_carve(slab[SLABS - 1], 1, &first);
    slab_freelist_let_go(slab[SLABS - 1], &now);
    hak__superslab_show(slab[SLABS - 1], class_idx);
    ck_assert_ptr_eq(hak__superslab_claim(class_idx), slab[SLABS - 1]);
    slab_freelist_uncarve(slab[SLABS - 1], 1);
    for (int i = 0; i < SLABS; i++) {
        slab_freelist_let_go(slab[i], &now);
        hak__pool_release(slab[i]);
    }
    ck_assert_uint_le(hak_load_relaxed(&hak__superslabs_in_use), 1);
    struct hak_heap_check check;
    hak__heap_check(&check);
    ck_assert_ptr_null(check.wrong);
    ck_assert_uint_eq(check.slabs, 0);
}
END_TEST

START_TEST(superslabs_are_populated_at_once_when_asked_to)
{
    enum { OTHER = 4 };
    void *page = hak__os_map(HAK_GRANULE);
    bool can = hak__os_populate(page, HAK_GRANULE); /* before Linux 5.14 the option does nothing */
    hak__os_unmap(page, HAK_GRANULE);
    TinySlabMeta *slab[2 * OTHER];
    unsigned class_idx = hak__class_of(HAK_SMALL_MAX); /* four to a SuperSlab */
    for (int i = 0; i < 2 * OTHER; i++) {
        if (i == OTHER)
            ck_assert_int_eq(hak__options_set(&(struct hak_setting){"thp_min", "1K", 7, 2}, 0), HAK_OPTION_OK);
        slab[i] = hak__pool_acquire(class_idx, OWNER);
        ck_assert_ptr_nonnull(slab[i]);
        count_all(slab[i]);
        ck_assert_int_eq(!slab[i]->cold, can && i >= OTHER);
    }
    struct hak_heap_check check;
    for (int i = 0; i < 2 * OTHER; i++) {
        struct slab_view now;
        slab_freelist_let_go(slab[i], &now);
        hak__pool_release(slab[i]);
    }
    hak__heap_check(&check);
    ck_assert_ptr_null(check.wrong);
}
END_TEST

static const char *contradiction(void)
{
    struct hak_heap_check check;
    hak__heap_check(&check);
    return check.wrong;
}

START_TEST(the_heap_check_finds_contradictions)
{
    TinySlabMeta *slab = hak__pool_acquire(hak__class_of(1024), OWNER);
    uint32_t first = 0;
    count_all(slab);
    ck_assert_uint_eq(slab_freelist_carve(slab, 6, &first), 6);
    for (uint32_t i = 0; i < 3; i++)
        slab_freelist_push_lockfree(slab, slab->class_idx, slab_freelist_block(slab, i));
    ck_assert_ptr_null(contradiction());
    /* 2 leads to 1 and 1 to 0: let 0 lead back to 2 */
    slab_freelist_link(slab, slab_freelist_block(slab, 0), 2);
    ck_assert_str_eq(contradiction(), "a block stands twice on a free list");
    slab_freelist_link(slab, slab_freelist_block(slab, 0), HAK_SLAB_NO_BLOCK);
    slab_freelist_link(slab, slab_freelist_block(slab, 1), HAK_SLAB_NO_BLOCK);
    ck_assert_str_eq(contradiction(), "a free list is not as long as its count");
    slab_freelist_link(slab, slab_freelist_block(slab, 1), 0);
    slab->size += 16;
    ck_assert_str_eq(contradiction(), "a slab's record does not fit its class");
    slab->size -= 16;
    hak__live_sub(16);
    ck_assert_str_eq(contradiction(), "less is live than slabs and kept spans have");
    hak__live_add(16);
    hak__retained_add(HAK_GRANULE);
    ck_assert_str_eq(contradiction(), "what is retained is not what is counted");
    hak__retained_sub(HAK_GRANULE);
    hak__memory_return(HAK_GRANULE);
    ck_assert_str_eq(contradiction(), "what was taken from the system is neither live nor retained");
    ck_assert(hak__memory_take(HAK_GRANULE));
    slab_freelist_link(slab, slab_freelist_block(slab, 1), 77);
    ck_assert_str_eq(contradiction(),
                     "a free list leads to what was never handed out: written after free");
    slab_freelist_link(slab, slab_freelist_block(slab, 1), 0);
    struct slab_view now;
    slab_freelist_let_go(slab, &now);
    ck_assert_str_eq(contradiction(), "a PARTIAL slab is not shown");
    hak__superslab_show(slab, slab->class_idx);
    ck_assert_str_eq(contradiction(), "a growing slab that no heap holds is shown as one's");
    hak__pool_show(slab, 0);
    ck_assert_ptr_null(contradiction());
    hak__pagemap_set_words(slab->base, slab->units, slab->class_idx + 1u);
    ck_assert_str_eq(contradiction(), "the page map is wrong about whether a slab is growing");
    hak__pool_show(slab, 0);
}
END_TEST

/* The list 2, 1, 0 with a link that was written to: the pop ends the process. */
static void pop_written(uint32_t index, uint32_t link, bool encoded)
{
    TinySlabMeta *slab = hak__pool_acquire(hak__class_of(1024), OWNER);
    void *out[3];
    uint32_t first = 0;
    slab_freelist_carve(slab, 6, &first);
    for (uint32_t i = 0; i < 3; i++)
        slab_freelist_push_lockfree(slab, slab->class_idx, slab_freelist_block(slab, i));
    if (encoded)
        slab_freelist_link(slab, slab_freelist_block(slab, index), link);
    else
        *(uint32_t *)slab_freelist_block(slab, index) = link;
    slab_freelist_pop_batch(slab, out, 3);
}

/* Two links that are equal but for one byte or two neighbours: the one could become the other. */
START_TEST(links_differ_in_bytes_that_are_no_neighbours)
{
    static const uint32_t rest[] = {0xffff0000u, 0xff0000ffu, 0x0000ffffu};
    for (unsigned i = 0; i < sizeof rest / sizeof *rest; i++) {
        static bool seen[3][1 << 16];
        for (uint32_t number = 0; number <= HAK_SLAB_NO_BLOCK; number++) {
            uint32_t link = number * HAK_LINK_SPREAD & rest[i];
            uint32_t folded = (link ^ link >> 16) & 0xffff; /* the bytes that are left lie apart */
            ck_assert(!seen[i][folded]);
            seen[i][folded] = true;
        }
    }
}
END_TEST

START_TEST(a_plain_number_is_no_link)
{
    pop_written(1, 0, false);
}
END_TEST

START_TEST(a_list_does_not_end_before_its_count)
{
    pop_written(1, HAK_SLAB_NO_BLOCK, true);
}
END_TEST

START_TEST(a_list_does_not_go_on_after_its_count)
{
    pop_written(0, 5, true);
}
END_TEST

START_TEST(a_forbidden_move_ends_the_debug_build)
{
    TinySlabMeta *slab = hak__pool_acquire(hak__class_of(1024), OWNER);
    slab_freelist_end(slab); /* CURRENT to UNUSED: never given back */
}
END_TEST

START_TEST(two_tries_of_a_lock)
{
    struct hak_lock lock = {0};
    ck_assert(hak__lock_try(&lock));
    ck_assert(!hak__lock_try(&lock));
    hak__lock_release(&lock);
    ck_assert(hak__lock_try(&lock));
    ck_assert_uint_eq(hak_load_relaxed(&lock.acquisitions), 2);
    ck_assert_uint_eq(hak_load_relaxed(&lock.waits), 0);
    hak__lock_release(&lock);
}
END_TEST

START_TEST(nobody_waits_for_himself)
{
    struct hak_lock lock = {0};
    hak__lock_acquire(&lock);
    ck_assert(hak__lock_is_mine(&lock));
    hak__lock_acquire(&lock);
}
END_TEST

static void *take_and_leave(void *lock)
{
    ck_assert(!hak__lock_is_mine(lock));
    hak__lock_acquire(lock);
    hak__lock_release(lock);
    return NULL;
}

START_TEST(others_wait_for_a_lock)
{
    enum { THREADS = 4 };
    static struct hak_lock lock;
    pthread_t thread[THREADS];
    hak__lock_acquire(&lock);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, take_and_leave, &lock), 0);
    hak__os_sleep_us(20000);
    hak__lock_release(&lock);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    ck_assert_uint_eq(hak_load_relaxed(&lock.word), 0);
    ck_assert_uint_eq(hak_load_relaxed(&lock.acquisitions), THREADS + 1);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, links_differ_in_bytes_that_are_no_neighbours);
    tcase_add_test_raise_signal(tests, a_plain_number_is_no_link, SIGABRT);
    tcase_add_test_raise_signal(tests, a_list_does_not_end_before_its_count, SIGABRT);
    tcase_add_test_raise_signal(tests, a_list_does_not_go_on_after_its_count, SIGABRT);
    tcase_add_test(tests, memory_is_counted_by_the_page);
    tcase_add_test(tests, a_slab_that_will_be_filled_comes_whole);
    tcase_add_test(tests, a_limit_refuses_pages);
    tcase_add_test(tests, a_set_finds_its_members);
    tcase_add_test(tests, there_is_no_last_superslab);
    tcase_add_test(tests, superslabs_are_populated_at_once_when_asked_to);
    tcase_add_test(tests, the_heap_check_finds_contradictions);
    if (HAK_DEBUG)
        tcase_add_test_raise_signal(tests, a_forbidden_move_ends_the_debug_build, SIGABRT);
    tcase_add_test(tests, two_tries_of_a_lock);
    tcase_add_test_raise_signal(tests, nobody_waits_for_himself, SIGABRT);
    tcase_add_test(tests, others_wait_for_a_lock);
    tcase_add_test(tests, every_request_has_the_smallest_class_that_fits);
    tcase_add_test(tests, block_starts_are_recognised);
    tcase_add_test(tests, carve_pop_and_push_keep_the_counts);
    tcase_add_test(tests, the_last_push_claims_a_slab);
    tcase_add_test(tests, a_partial_slab_is_found_again);
    tcase_add_test(tests, slots_go_to_those_who_use_their_memory);
    tcase_add_test(tests, empty_superslabs_go_back);
}

int main(void)
{
    return unit_run("slab", add);
}

/* SPDX-License-Identifier: MIT */
/* Pages inside partly used slabs: which go back to the system, and that their blocks serve again. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <hakmem/hakmem.h>

#include "base/bits.h"
#include "cache/heap.h"
#include "cache/heap_check.h"
#include "cache/heap_flush.h"
#include "cache/reclaim.h"
#include "core/options.h"
#include "os/deadline.h"
#include "os/os.h"
#include "page/locked.h"
#include "page/purge.h"
#include "page/retain.h"
#include "slab/shared_pool.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/slab_holes.h"
#include "slab/slab_pages.h"
#include "slab/superslab.h"
#include "slab/superslab_partial.h"
#include "unit.h"

enum { OWNER = 77, MOST = 4096 };

static unsigned random_below(unsigned n)
{
    static unsigned state = 1;
    state = state * 1103515245u + 12345u;
    return (state >> 8) % n;
}

static void check(void)
{
    struct hak_heap_check check;
    hak__heap_check(&check);
    if (check.wrong != NULL)
        ck_abort_msg("%s, at %p", check.wrong, check.where);
}

static void set_option(const char *key, const char *value)
{
    struct hak_setting setting = {key, value, strlen(key), strlen(value)};
    ck_assert_int_eq(hak__options_set(&setting, 0), HAK_OPTION_OK);
}

/* What a slab's blocks are: out, or free. */
static bool out[MOST];

static void write_to(TinySlabMeta *slab, uint32_t index)
{
    memset(slab_freelist_block(slab, index), (int)(index % 251 + 1), slab->size);
}

static void check_contents(TinySlabMeta *slab, uint32_t index)
{
    const unsigned char *block = slab_freelist_block(slab, index);
    for (uint32_t i = 0; i < slab->size; i++)
        if (block[i] != index % 251 + 1)
            ck_abort_msg("byte %u of block %u of %u bytes was changed", i, index, slab->size);
}

/* A slab of which so many blocks were handed out, and one in `keep` is still out. */
static TinySlabMeta *sparse_slab(unsigned class_idx, uint32_t carved, unsigned keep)
{
    TinySlabMeta *slab = hak__pool_acquire(class_idx, OWNER);
    uint32_t first = 0;
    ck_assert_ptr_nonnull(slab);
    while (slab_freelist_view(slab).carved < carved) {
        uint32_t at = slab_freelist_view(slab).carved;
        slab_freelist_carve(slab, hak__pages_for_blocks(slab, at, carved - at), &first);
    }
    for (uint32_t i = 0; i < carved; i++)
        write_to(slab, i);
    memset(out, 0, sizeof out);
    for (uint32_t i = 0; i < carved; i++)
        out[i] = random_below(keep) == 0;
    out[random_below(carved)] = true;
    for (uint32_t i = 0; i < carved; i++)
        if (!out[i])
            slab_freelist_push_lockfree(slab, (int)class_idx, slab_freelist_block(slab, i));
    if (carved == slab->capacity)
        hak__pool_show(slab, OWNER);
    hak__pool_abandon(slab, class_idx);
    return slab;
}

/* Of the pages under a slab's blocks those that no block which is out lies on; by looking at each. */
static size_t idle_bytes(const TinySlabMeta *slab, uint32_t carved)
{
    size_t page = hak__page_counted(), bytes = 0, end = (size_t)carved * slab->size;
    for (size_t from = 0; from < end; from += page) {
        bool idle = from + page <= end || carved == slab->capacity;
        for (uint32_t i = 0; i < carved; i++)
            if (out[i] && i * (size_t)slab->size < from + page && (i + 1) * (size_t)slab->size > from)
                idle = false;
        bytes += idle ? page : 0;
    }
    return bytes;
}

/* Takes all blocks of a slab that are in holes, each once, and writes to them. */
static void take_all_holes(TinySlabMeta *slab)
{
    uint32_t first = 0, count = 0;
    while ((count = hak__holes_take(slab, 1 + random_below(64), &first)) != 0)
        for (uint32_t i = first; i < first + count; i++) {
            ck_assert(!out[i]);
            out[i] = true;
            write_to(slab, i);
        }
    ck_assert_uint_eq(hak_load_relaxed(&slab->holes), 0);
}

static void take_list(TinySlabMeta *slab)
{
    void *block = NULL;
    while ((block = slab_freelist_pop_lockfree(slab, slab->class_idx)) != NULL) {
        uint32_t index = slab_freelist_index(slab, block);
        ck_assert(!out[index]);
        out[index] = true;
        write_to(slab, index);
    }
}

static void try_class(unsigned class_idx, bool whole, unsigned keep)
{
    uint32_t capacity = hak__class_info[class_idx].capacity;
    uint32_t carved = whole ? capacity : 1 + random_below(capacity - 1);
    TinySlabMeta *slab = sparse_slab(class_idx, carved, keep);
    size_t taken = hak_load_relaxed(&hak__taken_bytes), live = hak_load_relaxed(&hak__live_bytes);
    size_t idle = idle_bytes(slab, carved);
    bool partial = slab_freelist_view(slab).state == SLAB_PARTIAL;
    size_t before = hak__pages_bytes(slab, slab->units);
    size_t gone = hak__holes_purge(SIZE_MAX, HAK_NEVER);
    check();
    ck_assert_uint_ge(gone, partial ? idle : 0); /* and what was populated ahead */
    ck_assert_uint_eq(hak__pages_bytes(slab, slab->units), before - gone);
    ck_assert_uint_eq(hak_load_relaxed(&hak__taken_bytes), taken - gone);
    ck_assert_uint_eq(hak_load_relaxed(&hak__live_bytes), live - gone);
    ck_assert_uint_eq(hak__holes_purge(SIZE_MAX, HAK_NEVER), 0);
    for (uint32_t i = 0; i < carved; i++)
        if (out[i])
            check_contents(slab, i);
    if (!partial) {
        for (uint32_t i = 0; i < carved; i++)
            if (out[i]) {
                struct slab_view now;
                slab_freelist_push_chain(slab, i, slab_freelist_block(slab, i), 1, i, SLAB_PARTIAL, &now);
                if (now.state == SLAB_CLAIMED)
                    hak__pool_release(slab);
                else if (now.free == 1)
                    hak__superslab_show(slab, class_idx);
            }
        return;
    }
    if (hak_load_relaxed(&slab->holes) != 0)
        ck_assert_uint_eq(hak__pagemap_word(slab->base), HAK_GROWING | (class_idx + 1));
    ck_assert_ptr_eq(hak__pool_acquire(class_idx, OWNER), slab);
    if (random_below(2) == 0)
        take_list(slab);
    take_all_holes(slab);
    hak__pool_show(slab, OWNER);
    check();
    take_list(slab);
    for (uint32_t i = 0; i < carved; i++) {
        ck_assert(out[i]);
        check_contents(slab, i);
        slab_freelist_push_lockfree(slab, slab->class_idx, slab_freelist_block(slab, i));
    }
    hak__pool_abandon(slab, class_idx);
    check();
    ck_assert_uint_eq(slab_freelist_view(slab).state, SLAB_UNUSED);
}

START_TEST(idle_pages_go_and_their_blocks_come_back)
{
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++)
        for (int round = 0; round < 6; round++)
            try_class(i, round % 2 == 0, round < 2 ? 5 : round < 4 ? 40 : 100000);
}
END_TEST

/* Blocks that are freed while their slab has holes, until it is empty. */
START_TEST(a_slab_with_holes_becomes_empty)
{
    unsigned class_idx = hak__class_of(112);
    TinySlabMeta *slab = sparse_slab(class_idx, hak__class_info[class_idx].capacity, 50);
    ck_assert_uint_gt(hak__holes_purge(SIZE_MAX, HAK_NEVER), 0);
    size_t taken = hak_load_relaxed(&hak__taken_bytes);
    struct slab_view now = slab_freelist_view(slab);
    for (uint32_t i = 0; i < slab->capacity; i++)
        if (out[i]) {
            ck_assert_uint_ne(now.state, SLAB_CLAIMED);
            slab_freelist_push_chain(slab, i, slab_freelist_block(slab, i), 1, i, SLAB_PARTIAL, &now);
        }
    ck_assert_uint_eq(now.state, SLAB_CLAIMED);
    hak__pool_release(slab);
    check();
    ck_assert_uint_eq(hak_load_relaxed(&hak__taken_bytes), taken);
}
END_TEST

/* ---- through the interface --------------------------------------------- */

enum { BLOCKS = 40000, SIZE = 100, KEEP = 200 };
static char *block[BLOCKS];

static void fill_and_keep_one_in(int keep)
{
    for (int i = 0; i < BLOCKS; i++)
        memset(block[i] = hak_malloc(SIZE), i % 100 + 1, SIZE);
    for (int i = 0; i < BLOCKS; i++)
        if (i % keep != 0)
            hak_free(block[i]);
}

static void fill_and_thin_out(void)
{
    fill_and_keep_one_in(KEEP);
}

static TinySlabMeta *slab_of(int i)
{
    return hak__pagemap_record((uintptr_t)block[i]);
}

/* One that was freed and lies in a hole. */
static int find_hole(void)
{
    for (int i = 0; i < BLOCKS; i++)
        if (i % KEEP != 0 && (hak__pagemap_word((uintptr_t)block[i]) & 0xff) == hak__class_of(SIZE) + 1 &&
            hak__holes_have(slab_of(i), slab_freelist_index(slab_of(i), block[i])))
            return i;
    ck_abort_msg("nothing is in a hole");
}

START_TEST(a_second_free_of_a_block_in_a_hole_is_noticed)
{
    fill_and_thin_out();
    ck_assert_uint_gt(hak_purge(HAK_PURGE_PROCESS, 0), BLOCKS * SIZE / 2);
    hak_free(block[find_hole()]);
}
END_TEST

static bool count_live(const hak_block_info_t *found, void *context)
{
    *(int *)context += found->usable_size >= SIZE && found->usable_size < 2 * SIZE;
    return true;
}

START_TEST(what_is_in_a_hole_is_not_live)
{
    int before = 0, after = 0;
    fill_and_thin_out();
    ck_assert_int_eq(hak_heap_walk(count_live, &before), HAK_CHECKS ? 0 : -1);
    ck_assert_uint_gt(hak_purge(HAK_PURGE_PROCESS, 0), 0);
    find_hole();
    ck_assert_int_eq(hak_heap_walk(count_live, &after), HAK_CHECKS ? 0 : -1);
    ck_assert_int_eq(after, before);
}
END_TEST

START_TEST(a_limit_forbids_memory_for_holes)
{
    char limit[32];
    fill_and_thin_out();
    hak_purge(HAK_PURGE_PROCESS, 0);
    snprintf(limit, sizeof limit, "%zu", hak__footprint());
    set_option("limit_hard", limit);
    char *more = NULL, *last = NULL;
    int count = 0;
    while ((more = hak_malloc(SIZE)) != NULL) {
        memcpy(more, &last, sizeof last);
        last = more;
        count++;
    }
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_int_lt(count, BLOCKS);
    ck_assert_uint_le(hak__footprint(), strtoull(limit, NULL, 10));
    set_option("limit_hard", "0");
    ck_assert_ptr_nonnull(more = hak_malloc(SIZE));
    hak_free(more);
    for (; last != NULL; last = more) {
        memcpy(&more, last, sizeof more);
        hak_free(last);
    }
    for (int i = 0; i < BLOCKS; i += KEEP)
        for (int k = 0; k < SIZE; k++)
            ck_assert_int_eq(block[i][k], i % 100 + 1);
    check();
}
END_TEST

START_TEST(pages_that_are_refused_stay)
{
    fill_and_thin_out();
    char *page = (char *)hak__align_down((uintptr_t)block[BLOCKS / 2 + 1], hak__os_page_size());
    if (mlock(page, 1) != 0)
        return; /* not allowed here */
    hak_purge(HAK_PURGE_PROCESS, 0);
    check();
    uint32_t before = (uint32_t)hak_load_relaxed(&hak__purges_refused);
    for (int i = 0; i < 200; i++)
        hak__reclaim_growth(HAK_GRANULE);
    ck_assert_uint_le((uint32_t)hak_load_relaxed(&hak__purges_refused) - before, 2);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < BLOCKS; i++)
            if (i % KEEP != 0)
                memset(block[i] = hak_malloc(SIZE), 1, SIZE);
        for (int i = 0; i < BLOCKS; i++)
            if (i % KEEP != 0)
                hak_free(block[i]);
        hak_purge(HAK_PURGE_PROCESS, 0);
        check();
    }
    munlock(page, 1);
}
END_TEST

START_TEST(a_process_that_grows_makes_holes)
{
    fill_and_thin_out();
    hak__heap_flush(hak__heap);
    size_t live = hak_load_relaxed(&hak__live_bytes);
    static char *larger[2000];
    for (int i = 0; i < 2000; i++)
        memset(larger[i] = hak_malloc(1500), 1, 1500);
    /* 3 MB more are in use, and at least as much less for what was thinned out */
    ck_assert_uint_le(hak_load_relaxed(&hak__live_bytes), live);
    check();
    for (int i = 0; i < 2000; i++)
        hak_free(larger[i]);
}
END_TEST

/* Every other slot is unused, so that no slab of two has room between them. */
START_TEST(slots_of_no_use_make_way_for_a_process_that_grows)
{
    enum { LARGER = 16384, COUNT = 100 };
    static char *larger[COUNT];
    for (int i = 0; i < BLOCKS; i++)
        memset(block[i] = hak_malloc(SIZE), 1, SIZE);
    for (int i = 0; i < BLOCKS; i++)
        if (((uintptr_t)block[i] / HAK_GRANULE & 1) != 0)
            hak_free(block[i]);
    hak__heap_flush(hak__heap);
    size_t retained = hak_load_relaxed(&hak__retained_bytes), before = hak__footprint();
    ck_assert_uint_ge(retained, (size_t)COUNT * LARGER);
    for (int i = 0; i < COUNT; i++)
        memset(larger[i] = hak_malloc(LARGER), 1, LARGER);
    ck_assert_uint_le(hak__footprint(), before + ((size_t)256 << 10));
    check();
    for (int i = 0; i < COUNT; i++)
        hak_free(larger[i]);
}
END_TEST

/* A block in 32 stays, which is one a page: whoever grows leaves these slabs alone. */
START_TEST(where_each_page_has_a_block_nothing_is_looked_for)
{
    enum { ONE_A_PAGE = 32 };
    fill_and_keep_one_in(ONE_A_PAGE);
    hak__heap_flush(hak__heap);
    struct slab_view before = slab_freelist_view(slab_of(BLOCKS / 2));
    ck_assert_int_eq(before.state, SLAB_PARTIAL);
    for (int i = 0; i < 200; i++)
        hak__reclaim_growth(HAK_GRANULE);
    ck_assert_uint_eq(slab_freelist_view(slab_of(BLOCKS / 2)).tag, before.tag);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, idle_pages_go_and_their_blocks_come_back);
    tcase_add_test(tests, a_slab_with_holes_becomes_empty);
    if (HAK_CHECKS)
        tcase_add_test_raise_signal(tests, a_second_free_of_a_block_in_a_hole_is_noticed, SIGABRT);
    tcase_add_test(tests, what_is_in_a_hole_is_not_live);
    tcase_add_test(tests, a_limit_forbids_memory_for_holes);
    tcase_add_test(tests, pages_that_are_refused_stay);
    tcase_add_test(tests, a_process_that_grows_makes_holes);
    tcase_add_test(tests, slots_of_no_use_make_way_for_a_process_that_grows);
    tcase_add_test(tests, where_each_page_has_a_block_nothing_is_looked_for);
}

int main(void)
{
    return unit_run("holes", add_tests);
}

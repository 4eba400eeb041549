/* SPDX-License-Identifier: MIT */
/* What is kept unused: bounds on caches and on retained memory, and memory that cannot be returned. */
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/annotate.h"
#include "base/bits.h"
#include "cache/heap_list.h"
#include "cache/span_cache.h"
#include "os/os.h"
#include "page/arena.h"
#include "page/fill.h"
#include "page/pagemap.h"
#include "page/purge.h"
#include "page/retain.h"
#include "statistics.h"

enum { BLOCKS = 20000 };

static void *block[BLOCKS];
static size_t count;

static void keep(size_t size)
{
    ck_assert_uint_lt(count, BLOCKS);
    block[count] = hak_malloc(size);
    ck_assert_ptr_nonnull(block[count]);
    memset(block[count++], 1, size);
}

static void free_all(void)
{
    while (count > 0)
        hak_free(block[--count]);
}

/* ---- thread caches --------------------------------------------------------- */

static void use_all_sizes(void)
{
    for (size_t size = 16; size <= 65536; size += size < 1024 ? 16 : size / 4)
        for (int i = 0; i < 100; i++)
            keep(size);
    for (size_t size = MIB; size > 700000; size -= 65536)
        keep(size);
}

static void *free_foreign_blocks(void *cached)
{
    free_all();
    *(uint64_t *)cached = statistics().cached_bytes;
    return NULL;
}

START_TEST(a_small_bound_on_caches_holds)
{
    ck_assert_int_eq(hak_option_set("cache_max", "0"), 0);
    use_all_sizes();
    free_all();
    ck_assert_uint_le(statistics().cached_bytes, 128 * KIB);
    use_all_sizes();
    uint64_t cached = 0;
    pthread_t thread;
    pthread_create(&thread, NULL, free_foreign_blocks, &cached);
    pthread_join(thread, NULL);
    ck_assert_uint_le(cached, 2 * 128 * KIB); /* of two threads */
    ck_assert_ptr_null(hak_check(NULL));
}
END_TEST

START_TEST(caches_follow_a_bound_that_falls)
{
    enum { ROUNDS = 300 };
    use_all_sizes();
    free_all();
    use_all_sizes();
    free_all();
    ck_assert_uint_gt(statistics().cached_bytes, MIB);
    ck_assert_int_eq(hak_option_set("cache_max", "0"), 0);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 100; i++)
            keep(5000);
        free_all();
    }
    ck_assert_uint_le(statistics().cached_bytes, 128 * KIB);
    ck_assert_ptr_null(hak_check(NULL));
}
END_TEST

/* Of thousands of threads, whose share is less than any large block, those that want to keep one all the same. */
START_TEST(large_blocks_are_kept_beside_thousands_of_threads)
{
    enum { THOUSANDS = 10000 };
    hak_add_relaxed(&hak__heaps_in_use, THOUSANDS);
    for (int i = 0; i < 100; i++) {
        hak_free(hak_malloc(100000));
        ck_assert_uint_eq(hak__heap->cached_spans[HAK_SPAN_NEWEST].units, 2);
        hak_free(hak_malloc(1000000));
        ck_assert_uint_eq(hak__heap->cached_spans[HAK_SPAN_NEWEST].units, 16);
        hak_thread_flush(); /* or a hundred such turns would be more than there are */
        ck_assert_uint_eq(hak__heap->cached_spans[HAK_SPAN_NEWEST].units, 0);
    }
    hak_option_set("cache_max", "64K");
    hak_free(hak_malloc(100000));
    ck_assert_uint_eq(hak__heap->cached_spans[HAK_SPAN_NEWEST].units, 0);
    hak_option_set("cache_max", "16M");
    hak_sub_relaxed(&hak__heaps_in_use, THOUSANDS);
}
END_TEST

/* ---- retained memory ------------------------------------------------------- */

static void within_the_bound(void)
{
    hak_stats_t stats = statistics();
    uint64_t share = stats.live_bytes / 4;
    ck_assert_uint_le(stats.retained_bytes, share > 12 * MIB ? share : 12 * MIB);
}

START_TEST(blocks_that_shrink_in_place_leave_no_more_than_the_bound)
{
    for (int i = 0; i < 20; i++)
        keep(6 * MIB);
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_ge(hak_resize_in_place(block[i], 100000, 100000), 100000);
    within_the_bound();
    free_all();
    within_the_bound();
}
END_TEST

START_TEST(a_thread_that_flushes_leaves_no_more_than_the_bound)
{
    ck_assert_int_eq(hak_option_set("retain_min", "64K"), 0);
    ck_assert_int_eq(hak_option_set("retain_max", "64K"), 0);
    ck_assert_int_eq(hak_option_set("retain_percent", "0"), 0);
    ck_assert_int_eq(hak_option_set("retain_percent_max", "0"), 0);
    use_all_sizes();
    free_all();
    ck_assert_uint_gt(statistics().cached_bytes, MIB);
    hak_thread_flush();
    ck_assert_uint_eq(statistics().cached_bytes, 0);
    ck_assert_uint_le(statistics().retained_bytes, 64 * KIB);
}
END_TEST

/* ---- memory that the system does not take back ----------------------------- */

enum { LOCKED = 12, OF_3000 = 15000 };

static unsigned long refusals(void)
{
    return hak_load_relaxed(&hak__purges_refused);
}

/* 45 MB come; of some blocks a page is locked, if that is allowed here; they go. */
static void leave_locked_pages(void *locked[LOCKED])
{
    for (int i = 0; i < OF_3000; i++)
        keep(3000);
    for (int i = 0; i < LOCKED; i++) {
        locked[i] = block[OF_3000 / LOCKED * i];
        mlock(locked[i], 1);
    }
    free_all();
}

static void pairs_of_varying_sizes(void)
{
    for (int round = 0; round < 150; round++) {
        for (int i = 0; i < 300; i++)
            keep(2000 + round % 7 * 300);
        free_all();
    }
}

START_TEST(locked_pages_are_passed_by)
{
    void *locked[LOCKED];
    leave_locked_pages(locked);
    ck_assert_uint_le(refusals(), LOCKED * 16);
    unsigned long before = refusals();
    pairs_of_varying_sizes();
    ck_assert_uint_le(refusals() - before, 50);
    ck_assert_ptr_null(hak_check(NULL));
    /* all else goes: a granule, or two that the page lies in */
    hak_purge(HAK_PURGE_PROCESS, 0);
    ck_assert_uint_le(statistics().retained_bytes, LOCKED * 2 * 64 * KIB);
    ck_assert_uint_eq(hak_load_relaxed(&hak__pinned_bytes), statistics().retained_bytes);
    ck_assert_ptr_null(hak_check(NULL));
    for (int i = 0; i < LOCKED; i++)
        munlock(locked[i], 1);
    hak_purge(HAK_PURGE_PROCESS, 0);
    ck_assert_uint_eq(statistics().retained_bytes, 0);
    ck_assert_uint_eq(hak_load_relaxed(&hak__pinned_bytes), 0);
}
END_TEST

START_TEST(locked_pages_are_tried_again_in_time)
{
    void *locked[LOCKED];
    leave_locked_pages(locked);
    hak_purge(HAK_PURGE_PROCESS, 0);
    for (int i = 0; i < LOCKED; i++)
        munlock(locked[i], 1);
    ck_assert_int_eq(hak_option_set("decay_ms", "1"), 0);
    hak_option_set("retain_min", "0");
    /* however long that takes */
    while (hak_load_relaxed(&hak__pinned_bytes) != 0)
        pairs_of_varying_sizes();
    ck_assert_ptr_null(hak_check(NULL));
}
END_TEST

START_TEST(a_process_that_is_locked_is_left_alone)
{
    void *locked[LOCKED];
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
        return;
    /* an ordinary user may lock 8 MiB, and so map no more than that */
    void *room = hak_malloc(64 * MIB);
    if (room == NULL) {
        munlockall();
        return;
    }
    hak_free(room);
    leave_locked_pages(locked);
    ck_assert_uint_le(refusals(), 100);
    unsigned long before = refusals();
    int64_t begun = hak__os_now_ms();
    pairs_of_varying_sizes();
    unsigned long seconds = (unsigned long)(hak__os_now_ms() - begun) / 1000;
    ck_assert_uint_le(refusals() - before, 50 * (1 + seconds)); /* it is tried again each second */
    munlockall();
    hak_purge(HAK_PURGE_PROCESS, 0);
    ck_assert_uint_eq(statistics().retained_bytes, 0);
    ck_assert_ptr_null(hak_check(NULL));
}
END_TEST

/* Mappings, too, which go by munmap: what is locked of these goes. */
START_TEST(locked_mappings_go)
{
    char *huge = hak_malloc(40 * MIB);
    memset(huge, 1, 40 * MIB);
    mlock(huge, 4096);
    hak_free(huge);
    hak_purge(HAK_PURGE_PROCESS, 0);
    ck_assert_uint_eq(statistics().retained_bytes, 0);
}
END_TEST

START_TEST(populating_goes_on_after_a_failure)
{
    size_t page = hak__os_page_size();
    char *range = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(range, MAP_FAILED);
    if (!hak__os_populate(range, page))
        return; /* before Linux 5.14 */
    munmap(range + 2 * page, 2 * page);
    ck_assert(!hak__os_populate(range + 2 * page, page)); /* ENOMEM */
    ck_assert(!hak__os_populate(range + page, page));     /* left out */
    ck_assert(hak__os_populate(range + page, page));
    mprotect(range + page, page, PROT_READ);
    ck_assert(!hak__os_populate(range + page, page)); /* EINVAL */
    int tries = 0;
    while (!hak__os_populate(range, page))
        ck_assert_int_lt(tries++, 10);
}
END_TEST

static bool has_memory(const void *page)
{
    unsigned char resident = 0;
    ck_assert_int_eq(mincore((void *)(uintptr_t)page, 1, &resident), 0);
    return (resident & 1) != 0;
}

START_TEST(what_can_be_read_and_is_not_zero_is_written)
{
    size_t page = hak__os_page_size();
    char *range = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(range, MAP_FAILED);
    ck_assert(!hak__os_is_written(range));
    range[7] = 1;
    ck_assert(hak__os_is_written(range));
    ck_assert(!hak__os_is_written(range + 8));
    mprotect(range, page, PROT_NONE);
    ck_assert(!hak__os_is_written(range));
    munmap(range, 2 * page);
    ck_assert(!hak__os_is_written(range));
}
END_TEST

START_TEST(blocks_get_their_memory_at_once_while_they_are_filled)
{
    enum { SPANS = 7, SIZE = (HAK_FILL_UNITS << HAK_GRANULE_SHIFT) - 100, LAST_FILLED = 3 };
    static const bool comes_whole[SPANS] = {false, false, true, true, true, true, false};
    size_t page = hak__os_page_size();
    char *range = hak__os_map(page);
    bool can = hak__os_populate(range, page); /* since Linux 5.14 */
    hak__os_unmap(range, page);
    struct hak_span *span[SPANS];
    for (int i = 0; i < SPANS; i++) {
        span[i] = hak__arena_alloc(HAK_FILL_UNITS, 1, true);
        ck_assert(!span[i]->dirty);
        hak_store_relaxed(&span[i]->offset, 0);
        hak__pagemap_show(span[i]->base, span[i]->units, HAK_CODE_LARGE, span[i]);
        hak__fill_expect(span[i], SIZE);
        char *start = (char *)span[i]->base, *end = start + hak__align_down(SIZE, page);
        ck_assert_int_eq(has_memory(end), can && comes_whole[i] && !hak__is_watched());
        *start = 1;
        if (i <= LAST_FILLED)
            memset(end, 1, SIZE % page);
    }
    for (int i = 0; i < SPANS; i++) {
        hak__pagemap_set_words(span[i]->base, span[i]->units, HAK_CODE_SPAN_INSIDE);
        ck_assert(hak__memory_take(hak__span_bytes(span[i])));
        span[i]->dirty = true;
        hak__arena_free(span[i]);
    }
}
END_TEST

/* Replaces blocks of many sizes, of which so many bytes are written; in how many pages they have begun. */
static size_t pages_of_starts(int rounds, int byte, size_t written)
{
    enum { LIVE = 20, LEAST = 65536, RANGE = 1 << 20, PAGES = 1 << 14 };
    static uintptr_t seen[PAGES];
    unsigned state = 1;
    size_t pages = 0;
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < rounds; i++) {
        state = state * 1103515245u + 12345u;
        size_t size = LEAST + (state >> 8) % RANGE;
        int place = i % LIVE;
        hak_free(block[place]);
        memset(block[place] = hak_malloc(size), byte, written < size ? written : size);
        uintptr_t page = (uintptr_t)block[place] >> 12;
        size_t at = 0;
        while (at < pages && seen[at] != page)
            at++;
        if (at == pages) {
            ck_assert_uint_lt(pages, PAGES);
            seen[pages++] = page;
        }
    }
    for (int i = 0; i < LIVE; i++) {
        hak_free(block[i]);
        block[i] = NULL;
    }
    ck_assert_ptr_null(hak_check(NULL));
    return pages;
}

START_TEST(blocks_that_are_hardly_used_begin_where_others_did)
{
    enum { MOST = 250 };
    size_t pages = pages_of_starts(3000, 1, 1);
    if (hak__is_watched() || UNIT_SANITIZED) /* whose memory is resident, too */
        return;
    ck_assert_uint_lt(pages, MOST);
    ck_assert(hak_load_relaxed(&hak__arena_keeps_whole));
    pages_of_starts(300, 1, SIZE_MAX);
    ck_assert(!hak_load_relaxed(&hak__arena_keeps_whole));
}
END_TEST

START_TEST(blocks_that_are_filled_with_zeroes_are_filled)
{
    pages_of_starts(300, 0, SIZE_MAX);
    ck_assert(!hak_load_relaxed(&hak__arena_keeps_whole));
}
END_TEST

START_TEST(a_limit_ends_it_that_spans_stay_whole)
{
    pages_of_starts(3000, 1, 1);
    if (hak__is_watched() || UNIT_SANITIZED)
        return;
    ck_assert(hak_load_relaxed(&hak__arena_keeps_whole));
    ck_assert_int_eq(hak_limit_set(HAK_LIMIT_HARD, (size_t)1 << 30), 0);
    ck_assert(!hak_load_relaxed(&hak__arena_keeps_whole));
    pages_of_starts(300, 1, 1);
    ck_assert(!hak_load_relaxed(&hak__arena_keeps_whole));
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, locked_pages_are_passed_by);
    tcase_add_test(tests, locked_pages_are_tried_again_in_time);
    tcase_add_test(tests, a_process_that_is_locked_is_left_alone);
    tcase_add_test(tests, locked_mappings_go);
    tcase_add_test(tests, populating_goes_on_after_a_failure);
    tcase_add_test(tests, what_can_be_read_and_is_not_zero_is_written);
    tcase_add_test(tests, blocks_get_their_memory_at_once_while_they_are_filled);
    tcase_add_test(tests, blocks_that_are_hardly_used_begin_where_others_did);
    tcase_add_test(tests, blocks_that_are_filled_with_zeroes_are_filled);
    tcase_add_test(tests, a_limit_ends_it_that_spans_stay_whole);
    tcase_add_test(tests, a_small_bound_on_caches_holds);
    tcase_add_test(tests, caches_follow_a_bound_that_falls);
    tcase_add_test(tests, large_blocks_are_kept_beside_thousands_of_threads);
    tcase_add_test(tests, blocks_that_shrink_in_place_leave_no_more_than_the_bound);
    tcase_add_test(tests, a_thread_that_flushes_leaves_no_more_than_the_bound);
}

int main(void)
{
    return unit_run("retain", add);
}

/* SPDX-License-Identifier: MIT */
/*
 * What leads to what, in blocks of this test that lie like a heap's: as a search of the simplest kind says,
 * for any number of threads and any number of wanted blocks.
 */
#include <string.h>

#include "reader/lost.h"
#include "unit.h"

enum { SLABS = 48, SINGLES = 3, UNITS = SLABS + 32, ROOTS = 40, ROUNDS = UNIT_SANITIZED ? 6 : 30, THREADS_MOST = 4 };
enum { WORDS = UNITS * HAK_GRANULE / sizeof(uintptr_t) };

static uintptr_t *memory;
static struct live live;
static struct live_block *blocks; /* all of them, by their numbers */
static unsigned seed;
static size_t reads;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

static bool read_here(const void *context, const void *from, void *to, size_t size)
{
    (void)context;
    if ((uintptr_t)from < (uintptr_t)memory || (uintptr_t)from + size > (uintptr_t)(memory + WORDS))
        ck_abort_msg("a read outside of the heap");
    memcpy(to, from, size);
    __atomic_add_fetch(&reads, 1, __ATOMIC_RELAXED);
    return true;
}

static const struct remote_memory here = {.read = read_here};

/* ---- a heap ------------------------------------------------------------ */

static void add_slab(uintptr_t start)
{
    static const uint32_t sizes[] = {16, 48, 208, 1024, 8192};
    struct live_slab *slab = &live.slabs[live.slab_count++];
    uint32_t size = sizes[draw(5)];
    *slab = (struct live_slab){.start = start, .first = live.count, .size = size,
                               .count = (uint32_t)HAK_GRANULE / size - draw(3)};
    live.leaf[start >> HAK_GRANULE_SHIFT >> HAK_LEAF_BITS][start >> HAK_GRANULE_SHIFT & (HAK_LEAF_SIZE - 1)] =
        (uint32_t)live.slab_count;
    live.count += (slab->count + 63) / 64 * 64;
}

static void add_single(uintptr_t start, size_t size)
{
    live.singles[live.single_count++] = (struct live_single){.start = start, .size = size, .number = live.count++};
    live.single_low = live.singles[0].start;
    live.single_high = start + size;
}

static void make_blocks(void)
{
    uintptr_t start = (uintptr_t)memory;
    live = (struct live){.leaf = calloc(HAK_ROOT_SIZE, sizeof *live.leaf), .low = start,
                         .high = (uintptr_t)(memory + WORDS), .count = 64};
    live.slabs = calloc(SLABS, sizeof *live.slabs);
    live.singles = calloc(SINGLES, sizeof *live.singles);
    for (uintptr_t at = start; at < live.high; at += HAK_GRANULE)
        if (live.leaf[at >> HAK_GRANULE_SHIFT >> HAK_LEAF_BITS] == NULL)
            live.leaf[at >> HAK_GRANULE_SHIFT >> HAK_LEAF_BITS] = calloc(HAK_LEAF_SIZE, sizeof **live.leaf);
    for (int i = 0; i < SLABS; i++)
        add_slab(start + i * HAK_GRANULE);
    add_single(start + SLABS * HAK_GRANULE, 100);
    add_single(start + SLABS * HAK_GRANULE + 4096, 3 * HAK_GRANULE);
    add_single(start + (SLABS + 4) * HAK_GRANULE, 28 * HAK_GRANULE);
    live.room = (live.count + 4095) / 4096 * 4096;
    live.bits[LIVE_IN_USE] = calloc(live.room / 64, sizeof(uint64_t));
    ck_assert(live_add_bits(&live));
    blocks = calloc(live.count, sizeof *blocks);
    for (int i = 0; i < SLABS; i++)
        for (uint32_t k = 0; k < live.slabs[i].count; k++)
            if (!live_find(&live, live.slabs[i].start + k * live.slabs[i].size + 7, &blocks[live.slabs[i].first + k]))
                ck_abort_msg("block %u of slab %d is not found", k, i);
    for (int i = 0; i < SINGLES; i++)
        ck_assert(live_find(&live, live.singles[i].start, &blocks[live.singles[i].number]));
    for (uint64_t i = 0; i < live.count; i++)
        if (blocks[i].size > 0 && draw(10) > 0)
            live_set(&live, LIVE_IN_USE, i);
}

/* Words that lead anywhere into the memory; about so many of each block. */
static void fill(double each)
{
    memset(memory, 0, WORDS * sizeof *memory);
    for (uint64_t i = 0; i < live.count; i++) {
        uint32_t words = (uint32_t)(blocks[i].size / sizeof(uintptr_t)), most = words < 64 ? words : 64;
        for (uint32_t k = 0; k < most && words > 0; k++)
            if (draw(1000) < 1000 * each / most)
                ((uintptr_t *)blocks[i].start)[draw(words)] = (uintptr_t)memory + draw(WORDS * sizeof *memory);
    }
}

static void free_blocks(void)
{
    free(blocks);
    live_free(&live);
}

/* ---- the simplest search ----------------------------------------------- */

static bool *seen;
static uint64_t *stack;
static size_t depth;

static void see(uintptr_t word)
{
    struct live_block block;
    if (!live_find(&live, word, &block) || seen[block.number] || !live_has(&live, LIVE_WANTED, block.number))
        return;
    seen[block.number] = true;
    stack[depth++] = block.number;
}

static void see_all_from(void)
{
    while (depth > 0) {
        const struct live_block *block = &blocks[stack[--depth]];
        for (size_t i = 0; i < block->size / sizeof(uintptr_t); i++)
            see(((const uintptr_t *)block->start)[i]);
    }
}

static void compare(void)
{
    for (uint64_t i = 0; i < live.count; i++) {
        if (live_has(&live, LIVE_REACHED, i) != seen[i] || (seen[i] && !live_has(&live, LIVE_SEARCHED, i)))
            ck_abort_msg("block %llu", (unsigned long long)i);
    }
}

static void begin(unsigned round)
{
    seed = round;
    make_blocks();
    fill((round % 5 + 1) * 0.3);
    seen = calloc(live.count, sizeof *seen);
    stack = calloc(live.count, sizeof *stack);
}

static void end(void)
{
    free(seen);
    free(stack);
    free_blocks();
}

/* ---- tests ------------------------------------------------------------- */

static void search_from_roots(unsigned round, size_t threads, bool sweep, uint64_t edges)
{
    uintptr_t roots[ROOTS];
    begin(round);
    live_copy(&live, LIVE_WANTED, LIVE_IN_USE, LIVE_IN_USE);
    for (int i = 0; i < ROOTS; i++)
        see(roots[i] = (uintptr_t)memory + draw(WORDS * sizeof *memory));
    see_all_from();
    struct reach *reach = reach_new(&live, &here, NULL);
    if (sweep)
        reach->edges = edges_new(&live, edges);
    reach_words(roots, ROOTS, reach);
    reach_all_with(reach, threads);
    compare();
    ck_assert_uint_eq(reach_unread(reach), 0);
    reach_free(reach);
    end();
}

START_TEST(what_roots_lead_to)
{
    for (unsigned round = 0; round < ROUNDS; round++)
        search_from_roots(round, round % (THREADS_MOST + 2), false, 0);
}
END_TEST

/* With room for all edges, for some, or for none. */
START_TEST(what_roots_lead_to_after_a_sweep)
{
    static const uint64_t rooms[] = {1 << 20, 4000, 1};
    for (unsigned round = 0; round < ROUNDS; round++)
        search_from_roots(round, round % (THREADS_MOST + 2), true, rooms[round % 3]);
}
END_TEST

/* A list that goes from slab to slab takes one reading of each. */
START_TEST(a_sweep_reads_all_once)
{
    struct live_block from, to;
    begin(1);
    memset(memory, 0, WORDS * sizeof *memory);
    live_copy(&live, LIVE_WANTED, LIVE_IN_USE, LIVE_IN_USE);
    for (uint32_t k = 0; k < 5 * SLABS; k++)
        live_set(&live, LIVE_WANTED, live.slabs[k % SLABS].first + k / SLABS % live.slabs[k % SLABS].count);
    for (uint32_t k = 0; k + 1 < 5 * SLABS; k++) {
        const struct live_slab *slab = &live.slabs[k % SLABS], *next = &live.slabs[(k + 1) % SLABS];
        ck_assert(live_numbered(&live, slab->first + k / SLABS, &from));
        ck_assert(live_numbered(&live, next->first + (k + 1) / SLABS, &to));
        *(uintptr_t *)from.start = to.start;
    }
    struct reach *reach = reach_new(&live, &here, NULL);
    reach_sweep(reach);
    ck_assert(live_numbered(&live, live.slabs[0].first, &from));
    reach_block(reach, &from);
    reads = 0;
    reach_all_with(reach, 1);
    ck_assert(live_has(&live, LIVE_REACHED, to.number));
    ck_assert_uint_le(reads, SLABS);
    reach_free(reach);
    end();
}
END_TEST

/* All others are searched for a few that are wanted, or many. */
START_TEST(what_others_lead_to)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        begin(round);
        for (uint64_t i = 0; i < live.count; i++)
            if (live_has(&live, LIVE_IN_USE, i) && draw(1 + round * 40) == 0)
                live_set(&live, LIVE_WANTED, i);
        for (uint64_t i = 0; i < live.count; i++)
            if (live_has(&live, LIVE_IN_USE, i) && !live_has(&live, LIVE_WANTED, i)) {
                seen[i] = true;
                stack[depth++] = i;
            }
        see_all_from();
        struct reach *reach = reach_new(&live, &here, NULL);
        reach_few(reach);
        reach_others(reach);
        reach_all_with(reach, round % (THREADS_MOST + 2));
        compare();
        reach_free(reach);
        end();
    }
}
END_TEST

static void count_first(const struct live_block *block, bool first, void *context)
{
    size_t *counts = context;
    counts[first]++;
    if (first) {
        if (seen[block->number])
            ck_abort_msg("one before leads to it");
        seen[block->number] = true;
        stack[depth++] = block->number;
        see_all_from();
    }
}

START_TEST(first_ones_lead_to_all)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t counts[2] = {0}, wanted = 0;
        begin(round);
        live_copy(&live, LIVE_WANTED, LIVE_IN_USE, LIVE_IN_USE);
        struct reach *reach = reach_new(&live, &here, NULL);
        ck_assert(lost_find_first(reach, count_first, counts));
        for (uint64_t i = 0; i < live.count; i++) {
            wanted += live_has(&live, LIVE_WANTED, i);
            if (seen[i] != live_has(&live, LIVE_WANTED, i))
                ck_abort_msg("block %llu", (unsigned long long)i);
        }
        ck_assert_uint_eq(counts[0] + counts[1], wanted);
        ck_assert_uint_gt(counts[1], 0);
        reach_free(reach);
        end();
    }
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, what_roots_lead_to);
    tcase_add_test(tests, what_roots_lead_to_after_a_sweep);
    tcase_add_test(tests, a_sweep_reads_all_once);
    tcase_add_test(tests, what_others_lead_to);
    tcase_add_test(tests, first_ones_lead_to_all);
}

int main(void)
{
    memory = aligned_alloc(HAK_GRANULE, WORDS * sizeof *memory);
    return memory != NULL ? unit_run("reach", add) : 77;
}

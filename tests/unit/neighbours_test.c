/* SPDX-License-Identifier: MIT */
/* No overflow reaches the library's records: the neighbours of each of their mappings are inaccessible. */
#include <stdio.h>
#include <string.h>

#include "core/meta.h"
#include "os/os.h"
#include "page/pagemap.h"
#include "profile/tables.h"
#include "unit.h"

enum { MAPPINGS = 4096, RECORDS = 64 };

static struct mapping {
    uintptr_t start, end;
    bool accessible;
} mapping[MAPPINGS];
static size_t mappings;

static void read_maps(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    ck_assert_ptr_nonnull(maps);
    for (mappings = 0; fgets(line, sizeof line, maps) != NULL; mappings++) {
        unsigned long start = 0, end = 0;
        char access[5] = "";
        ck_assert_int_eq(sscanf(line, "%lx-%lx %4s", &start, &end, access), 3);
        ck_assert_uint_lt(mappings, MAPPINGS);
        mapping[mappings] = (struct mapping){start, end, strncmp(access, "---", 3) != 0};
    }
    fclose(maps);
}

static const struct mapping *find(uintptr_t address)
{
    for (size_t i = 0; i < mappings; i++)
        if (address >= mapping[i].start && address < mapping[i].end)
            return &mapping[i];
    return NULL;
}

static struct mapping record[RECORDS];
static size_t records;

static void add_record(const void *start, size_t size)
{
    ck_assert_uint_lt(records, RECORDS);
    record[records++] = (struct mapping){(uintptr_t)start, (uintptr_t)start + size, true};
}

/* The oldest chunk is part of the library's data. */
static void find_records(void)
{
    records = 0;
    for (const struct hak_meta_chunk *chunk = hak_load_acquire(&hak__meta_newest); chunk->older != NULL;
         chunk = chunk->older)
        add_record(chunk->bytes, chunk->size);
    for (struct hak_pagemap_place place = {0, 0}; place.root < HAK_ROOT_SIZE; place.root++)
        if (hak_load_acquire(&hak__pagemap.root[place.root]) != 0)
            add_record(hak__pagemap_leaf(place), sizeof(struct hak_pagemap_leaf));
}

/* Whether a walk through memory from a mapping's start or end goes on. */
static bool goes_on(uintptr_t address)
{
    const struct mapping *found = find(address);
    return found != NULL && found->accessible;
}

/* A record's mapping is its own, and there is nothing beside it. */
static void check_record(const struct mapping *mine)
{
    const struct mapping *first = find(mine->start), *last = find(mine->end - 1);
    if (first == NULL || last == NULL || !first->accessible)
        ck_abort_msg("%zx is not mapped", (size_t)mine->start);
    if (goes_on(mine->start - 1) || goes_on(mine->end))
        ck_abort_msg("%zx to %zx has accessible neighbours", (size_t)mine->start, (size_t)mine->end);
}

static void check(void)
{
    find_records();
    read_maps();
    for (size_t i = 0; i < records; i++)
        check_record(&record[i]);
}

/* Of all sizes, so that regions, chunks, leaves and blocks with mappings of their own come by turns. */
START_TEST(records_have_guards)
{
    enum { ROUNDS = 24, GIB = 1 << 30 };
    void *block[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        ck_assert_ptr_nonnull(block[i] = hak_malloc((i + 1) * (GIB / 4)));
        ck_assert_ptr_nonnull(hak_malloc(100));
        ck_assert_ptr_nonnull(hak_malloc(3 << 20));
        ck_assert_ptr_nonnull(hak__meta_alloc(200000, 64));
        check();
    }
    ck_assert_uint_gt(records, ROUNDS / 2 + 3);
    for (size_t i = 0; i < ROUNDS; i++)
        hak_free(block[i]);
    check();
}
END_TEST

START_TEST(tables_of_the_profiler_have_guards)
{
    ck_assert(hak__profile_prepare());
    read_maps();
    uintptr_t tables = (uintptr_t)hak__profile.samples.records;
    const struct mapping *found = find(tables);
    ck_assert_ptr_nonnull(found);
    ck_assert(!goes_on(found->start - 1) && !goes_on(found->end));
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, records_have_guards);
    tcase_add_test(tests, tables_of_the_profiler_have_guards);
}

int main(void)
{
    return unit_run("neighbours", add);
}

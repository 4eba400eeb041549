/* SPDX-License-Identifier: MIT */
/*
 * The parts of the address space from outside, on this process: they have the blocks that the statistics have,
 * lie one behind the other, and keep to what a part can have whatever is read.
 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include <hakmem/hakmem.h>

#include "api/own_snapshot.h"
#include "api/snapshot.h"
#include "reader/parts.h"
#include "deceiver.h"
#include "unit.h"

enum { BLOCKS = 4000, ROUNDS = 400, READS = 20000, READS_DECEIVED = 3000 };

static void *block[BLOCKS];

static struct found {
    uintptr_t end; /* of the last part */
    uint64_t live[HAK_CLASS_COUNT + 1], cached[HAK_CLASS_COUNT + 1], slabs[HAK_CLASS_COUNT + 1];
    uint64_t starter_bytes, large, kept, huge, huge_bytes, spare;
} found;

static bool see(const struct reader_part *part, void *context)
{
    (void)context;
    ck_assert_uint_ge(part->start, found.end);
    ck_assert_uint_gt(part->bytes, 0);
    ck_assert_uint_eq((part->start | part->bytes) % HAK_GRANULE, 0);
    ck_assert_uint_le(part->bytes, UINTPTR_MAX - part->start);
    ck_assert_uint_le(part->live_bytes, part->bytes);
    ck_assert_uint_le(part->cached_bytes, part->bytes - part->live_bytes);
    found.end = part->start + part->bytes;
    switch (part->kind) {
    case READER_PART_SLAB:
        ck_assert_uint_le(part->class_idx, HAK_CLASS_STARTER);
        if (part->class_idx == HAK_CLASS_STARTER)
            found.starter_bytes += part->live_bytes;
        else
            ck_assert_uint_le(part->live + part->cached + part->returned, part->capacity);
        found.live[part->class_idx] += part->live;
        found.cached[part->class_idx] += part->cached;
        found.slabs[part->class_idx]++;
        break;
    case READER_PART_LARGE:
        found.large += part->live;
        found.kept += part->cached;
        break;
    case READER_PART_HUGE:
        found.huge++;
        found.huge_bytes += part->bytes;
        break;
    default:
        ck_assert_uint_eq(part->live_bytes + part->cached_bytes, 0);
        found.spare += part->bytes;
    }
    return true;
}

static void compare(void)
{
    pid_t pid = getpid();
    struct remote_memory memory = remote_memory_of(&pid);
    struct reader_summary summary;
    static struct hak_snapshot snapshot;
    uint64_t small_bytes = 0;
    memset(&found, 0, sizeof found);
    enum reader_result result = reader_parts(&memory, &hak__stats_block, READS, see, NULL, &summary);
    ck_assert_msg(result == READER_DONE, "it %s", reader_failure(result));
    ck_assert_uint_eq(summary.passed_over, 0);
    hak__snapshot(&snapshot);
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        small_bytes += found.live[i] * hak__class_size(i);
        ck_assert_uint_le(found.live[i], hak__class_live(&snapshot.class[i])); /* but for those of the starter */
        ck_assert_uint_eq(found.cached[i], snapshot.class[i].cached);
        ck_assert_uint_eq(found.slabs[i], snapshot.class[i].slabs);
    }
    ck_assert_uint_eq(small_bytes + found.starter_bytes, snapshot.value[HAK_STAT_SMALL_BYTES]);
    ck_assert_uint_eq(found.huge, snapshot.value[HAK_STAT_HUGE_BLOCKS]);
}

static void fill(void)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        block[i] = hak_malloc(i * 17 % 20000 + (i % 500 == 1 ? 40000000 : i % 100 < 2 ? 100000 : 0));
        ck_assert_ptr_nonnull(block[i]);
    }
    for (size_t i = 0; i < BLOCKS; i += 5) {
        hak_free(block[i]);
        block[i] = NULL;
    }
}

static void empty(void)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        hak_free(block[i]);
        block[i] = NULL;
    }
}

START_TEST(they_have_what_the_statistics_have)
{
    compare();
    fill();
    compare();
    ck_assert_uint_gt(found.large, 0);
    ck_assert_uint_gt(found.kept, 0);
    hak_thread_flush();
    compare();
    ck_assert_uint_eq(found.kept, 0);
    hak_purge(HAK_PURGE_PROCESS, 0);
    compare();
    empty();
    compare();
    ck_assert_uint_gt(found.spare, 0);
}
END_TEST

/* ---- memory that deceives ---------------------------------------------- */

/* Words of the page map among them: codes of classes, of large and huge blocks, and of unused memory. */
static bool peek_falsely(const void *context, const void *from, void *to, size_t size)
{
    static const uint64_t values[] = {0, 1, UINT64_MAX, 0x7fffffff, 0x10000, 0x0101010101010101, 0xf0000000f0,
                                      0xf1000000f1, 0xf2, 0xf3000000f4, 0x3800000034};
    struct deceiver *deceiver = (struct deceiver *)context;
    for (unsigned n = deceiver_read(deceiver, from, to, size, size > 4096 ? 200 : 4); n > 0; n--) {
        uint64_t value = next_random(deceiver) % 2 ? values[next_random(deceiver) % (sizeof values / sizeof *values)]
                                                   : next_random(deceiver);
        size_t length = 1 + next_random(deceiver) % 8, at = next_random(deceiver) % size;
        if (next_random(deceiver) % 2)
            at &= ~(size_t)3;
        memcpy((char *)to + at, &value, length < size - at ? length : size - at);
    }
    return true;
}

START_TEST(they_are_parts_whatever_is_read)
{
    size_t good = 0;
    fill();
    for (unsigned round = 1; round <= ROUNDS; round++) {
        struct deceiver deceiver = deceiver_of_round(round);
        struct remote_memory memory = {.read = peek_falsely, .context = &deceiver};
        struct reader_summary summary;
        memset(&found, 0, sizeof found);
        good += reader_parts(&memory, &hak__stats_block, READS_DECEIVED, see, NULL, &summary) == READER_DONE;
        ck_assert_uint_le(deceiver.reads, READS_DECEIVED);
    }
    ck_assert_uint_gt(good, 0);
    ck_assert_uint_lt(good, ROUNDS);
    empty();
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, they_have_what_the_statistics_have);
    tcase_add_test(tests, they_are_parts_whatever_is_read);
}

int main(void)
{
    return unit_run("parts", add);
}

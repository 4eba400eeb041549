/* SPDX-License-Identifier: MIT */
/*
 * The reader of statistics on memory that deceives it: a copy of what it reads of this process, of
 * which words are changed. Whatever stands there, the reader ends after a bounded number of reads,
 * and what it returns keeps to its own bounds. Each round is made from its number alone.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <hakmem/hakmem.h>

#include "api/own_snapshot.h"
#include "api/snapshot.h"
#include "cache/heap_list.h"
#include "reader/remote_block.h"
#include "unit.h"

enum { ROUNDS = 20000, PAGE = 4096, PAGES = 512, READS = 2000, CHANGES = 6 };
/* Of the ELF header, program headers and notes, the block, and whether it is disabled. */
enum { READS_BEFORE = 1 + 1 + 8 + 1 + 1 };

extern const char __ehdr_start[] __attribute__((visibility("hidden")));

/* ---- the copy ---------------------------------------------------------- */

/* Sorted pages, and each read of an honest look at them. */
static struct {
    uintptr_t address;
    unsigned char bytes[PAGE];
} page[PAGES];
static size_t pages;
static struct {
    uintptr_t from;
    size_t size;
} honest[READS];
static size_t honest_reads;

/* The page with an address, or where it would stand. */
static size_t place_of(uintptr_t address)
{
    size_t low = 0;
    for (size_t high = pages; low < high;) {
        size_t middle = (low + high) / 2;
        if (page[middle].address + (PAGE - 1) < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_copied(size_t place, uintptr_t address)
{
    return place < pages && page[place].address <= address;
}

static void copy_page(int memory, uintptr_t address)
{
    size_t place = place_of(address);
    if (is_copied(place, address))
        return;
    ck_assert_uint_lt(pages, PAGES);
    memmove(&page[place + 1], &page[place], (pages++ - place) * sizeof *page);
    page[place].address = address;
    ck_assert_int_eq(pread(memory, page[place].bytes, PAGE, (off_t)address), PAGE);
}

/* The context is this process's memory as a file. */
static bool peek_and_copy(const void *context, const void *from, void *to, size_t size)
{
    uintptr_t first = (uintptr_t)from;
    ck_assert_uint_lt(honest_reads, READS);
    honest[honest_reads].from = first;
    honest[honest_reads++].size = size;
    for (uintptr_t at = first & -(uintptr_t)PAGE; at < first + size; at += PAGE)
        copy_page(*(const int *)context, at);
    return pread(*(const int *)context, to, size, (off_t)first) == (ssize_t)size;
}

/* ---- what deceives ----------------------------------------------------- */

struct deceiver {
    uint64_t random;
    size_t reads, reads_max; /* no more can be read after these */
    bool noise;              /* memory that was not copied has something in it */
};

/* xorshift64* */
static uint64_t below(struct deceiver *deceiver, uint64_t end)
{
    deceiver->random ^= deceiver->random >> 12;
    deceiver->random ^= deceiver->random << 25;
    deceiver->random ^= deceiver->random >> 27;
    return (deceiver->random * 0x2545F4914F6CDD1D >> 11) % end;
}

static uintptr_t word_at(struct deceiver *deceiver, uintptr_t address, uintptr_t before)
{
    switch (below(deceiver, 8)) {
    case 0:
        return 0;
    case 1:
        return UINTPTR_MAX;
    case 2:
        return address;
    case 3:
        return address + below(deceiver, 64) - 32;
    case 4:
        return before + 8 * below(deceiver, 64) - 256;
    case 5:
        return honest[below(deceiver, honest_reads)].from;
    case 6:
        return (uintptr_t)(below(deceiver, UINT32_MAX) << 32 | below(deceiver, UINT32_MAX));
    default:
        return before ^ (uintptr_t)1 << below(deceiver, 8 * sizeof before);
    }
}

static unsigned char *byte_at(uintptr_t address)
{
    size_t place = place_of(address);
    return is_copied(place, address) ? &page[place].bytes[address - page[place].address] : NULL;
}

static bool peek_copy(const void *context, const void *from, void *to, size_t size)
{
    struct deceiver *deceiver = (struct deceiver *)context;
    if (deceiver->reads++ == deceiver->reads_max)
        return false;
    for (size_t at = 0, step; at < size; at += step) {
        uintptr_t address = (uintptr_t)from + at;
        const unsigned char *byte = byte_at(address);
        step = PAGE - address % PAGE < size - at ? PAGE - address % PAGE : size - at;
        if (byte != NULL) {
            memcpy((char *)to + at, byte, step);
        } else if (deceiver->noise) {
            uintptr_t word = word_at(deceiver, address, address);
            step = step < sizeof word ? step : sizeof word;
            memcpy((char *)to + at, &word, step);
        } else {
            return false;
        }
    }
    return true;
}

/* ---- a look ------------------------------------------------------------ */

static bool is_plain(const char *text, size_t size)
{
    size_t length = strnlen(text, size);
    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] > '~' || strchr("\"\\{}", text[i]) != NULL)
            return false;
    return length > 0 && length < size;
}

/* NULL, or what is wrong with numbers that came from so many reads. */
static const char *fault_of(const struct hak_snapshot *snapshot, size_t reads)
{
    const uint64_t *value = snapshot->value;
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        const struct hak_class_snapshot *class = &snapshot->class[i];
        if (class->slabs > reads * HAK_SUPERSLAB_UNITS)
            return "more slabs than were read";
        uint64_t started = class->capacity - class->slabs * hak__class_info[i].capacity;
        if (started > HAK_STARTER_KINDS)
            return "slabs of another capacity";
        if (class->out > (class->slabs << 13) + started || class->free > class->slabs << 13)
            return "more blocks than a slab can count";
        if (class->cached > reads * (uint64_t)HAK_BIN_CAPACITY_MAX)
            return "more cached blocks than bins can have";
        if (hak__class_live(class) > class->out)
            return "more blocks live than out";
    }
    if (value[HAK_STAT_LARGE_BYTES] > value[HAK_STAT_LIVE_BYTES] ||
        value[HAK_STAT_ALLOCATED_BYTES] < value[HAK_STAT_SMALL_BYTES] ||
        value[HAK_STAT_ALLOCATED_BYTES] < value[HAK_STAT_LARGE_BYTES] ||
        value[HAK_STAT_FOOTPRINT_BYTES] < value[HAK_STAT_METADATA_BYTES])
        return "a sum that is smaller than a part";
    return NULL;
}

static bool look(const struct remote_memory *memory, struct hak_snapshot *snapshot)
{
    uintptr_t address;
    struct hak_stats_block block;
    memset(&block, 0xff, sizeof block);
    if (remote_block_find(memory, (uintptr_t)__ehdr_start, &address) != REMOTE_FOUND)
        return false;
    enum remote_result result = remote_block_read(memory, address, &block);
    ck_assert_msg(is_plain(block.version, sizeof block.version), "the version is no plain text");
    return result == REMOTE_FOUND &&
           hak__snapshot_read(&block, memory->read, memory->context, READS, snapshot);
}

static bool look_at_copy(struct deceiver *deceiver)
{
    struct hak_snapshot snapshot;
    bool good = look(&(struct remote_memory){.read = peek_copy, .context = deceiver}, &snapshot);
    ck_assert_uint_le(deceiver->reads, READS_BEFORE + READS);
    const char *fault = good ? fault_of(&snapshot, deceiver->reads) : NULL;
    ck_assert_msg(fault == NULL, "%s", fault);
    return good;
}

/* ---- the tests --------------------------------------------------------- */

static void *block[400];
static pthread_barrier_t done;

static void *use(void *none)
{
    for (size_t i = 1; i < 400; i += 2) {
        hak_free(block[i]);
        block[i] = hak_malloc(i * 40);
    }
    pthread_barrier_wait(&done);
    pthread_barrier_wait(&done);
    return none;
}

/* Slabs of many classes, a second heap with chains of blocks of the first, spans that are kept. */
static void copy_memory(void)
{
    pthread_t thread;
    struct hak_snapshot snapshot, own;
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(memory, 0);
    for (size_t i = 0; i < 400; i++)
        block[i] = hak_malloc(i * 30);
    for (size_t i = 0; i < 400; i += 3) {
        hak_free(block[i]);
        block[i] = NULL;
    }
    hak_free(hak_malloc(300000));
    pthread_barrier_init(&done, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, use, NULL), 0);
    pthread_barrier_wait(&done);
    ck_assert(look(&(struct remote_memory){.read = peek_and_copy, .context = &memory}, &snapshot));
    ck_assert_uint_gt(snapshot.value[HAK_STAT_HEAPS], 1);
    hak__snapshot(&own);
    ck_assert_int_eq(memcmp(&snapshot, &own, sizeof own), 0);
    pthread_barrier_wait(&done);
    pthread_join(thread, NULL);
    close(memory);
    /* the copy tells the same, by itself */
    struct deceiver none = {.random = 1, .reads_max = SIZE_MAX};
    ck_assert(look_at_copy(&none));
    ck_assert_uint_eq(none.reads, honest_reads);
}

/* Some word of what an honest look reads; the first reads, which lead to the others, often. */
static uintptr_t some_address(struct deceiver *deceiver)
{
    size_t read = below(deceiver, below(deceiver, 3) == 0 ? READS_BEFORE : honest_reads);
    return honest[read].from + below(deceiver, honest[read].size) / 8 * 8;
}

START_TEST(nothing_that_stands_there_deceives)
{
    size_t good = 0;
    copy_memory();
    for (unsigned round = 1; round <= ROUNDS; round++) {
        struct deceiver deceiver = {.random = round * 0x9E3779B97F4A7C15, .reads_max = SIZE_MAX};
        struct {
            unsigned char *place;
            uintptr_t word;
        } before[CHANGES];
        size_t changes = 0;
        deceiver.noise = below(&deceiver, 2) == 0;
        if (below(&deceiver, 8) == 0)
            deceiver.reads_max = below(&deceiver, honest_reads);
        for (size_t wanted = 1 + below(&deceiver, CHANGES); changes < wanted; changes++) {
            uintptr_t address = some_address(&deceiver), word;
            unsigned char *place = before[changes].place = byte_at(address & -sizeof word);
            memcpy(&word, place, sizeof word);
            before[changes].word = word;
            word = word_at(&deceiver, address, word);
            memcpy(place, &word, sizeof word);
        }
        good += look_at_copy(&deceiver);
        while (changes-- > 0)
            memcpy(before[changes].place, &before[changes].word, sizeof before[changes].word);
    }
    /* not all are refused at first sight, nor are all harmless */
    ck_assert_uint_gt(good, ROUNDS / 10);
    ck_assert_uint_lt(good, ROUNDS * 9 / 10);
}
END_TEST

START_TEST(a_circle_ends_soon)
{
    copy_memory();
    uintptr_t heap = (uintptr_t)hak_load_relaxed(&hak__heaps);
    struct deceiver deceiver = {.random = 1, .reads_max = SIZE_MAX};
    memcpy(byte_at(heap + offsetof(struct hak_heap, older)), &heap, sizeof heap);
    ck_assert(!look_at_copy(&deceiver));
    ck_assert_uint_lt(deceiver.reads, 2 * honest_reads);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, nothing_that_stands_there_deceives);
    tcase_add_test(tests, a_circle_ends_soon);
}

int main(void)
{
    return unit_run("snapshot", add);
}

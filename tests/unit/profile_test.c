/* SPDX-License-Identifier: MIT */
/* The heap profiler: what it samples, what it counts. Each test is a process of its own. */
#define _GNU_SOURCE
#include "profile.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/params.h"
#include "cache/heap.h"
#include "page/pagemap.h"
#include "profile/exponential.h"
#include "profile/sampler.h"
#include "profile/tables.h"

/* ---- numbers ----------------------------------------------------------- */

START_TEST(the_functions_are_those_of_the_library_of_mathematics)
{
    for (uint64_t bits = 1; bits < UINT64_MAX / 3; bits = bits * 3 + 1)
        ck_assert_double_eq_tol(hak__exponential(bits), -log((double)bits / 18446744073709551616.0), 1e-11);
    ck_assert_double_eq_tol(hak__exponential(UINT64_MAX), 0, 1e-11);
    for (double x = 1e-12; x < 100; x *= 1.07) {
        double p = -expm1(-x);
        ck_assert_double_eq_tol(hak__probability(x) / p, 1, 1e-11);
    }
}
END_TEST

START_TEST(buckets_hold_sizes_that_are_near_each_other)
{
    for (uint64_t size = 0; size < 100000; size++) {
        uint32_t bucket = hak__profile_bucket(size);
        ck_assert_uint_le(hak__profile_bucket_size(bucket), size);
        ck_assert_uint_gt(hak__profile_bucket_size(bucket + 1), size);
    }
    for (uint32_t bucket = 4; bucket < 240; bucket++) {
        uint64_t size = hak__profile_bucket_size(bucket);
        ck_assert_uint_eq(hak__profile_bucket(size), bucket);
        ck_assert_uint_eq(hak__profile_bucket(size - 1), bucket - 1);
    }
}
END_TEST

/* ---- estimates --------------------------------------------------------- */

enum { SEEDS = UNIT_SANITIZED ? 20 : 200, SIZES = 8 };
#define INTERVAL 16384.0
static const size_t mixed_size[SIZES] = {16, 48, 200, 1024, 8000, 40000, 1 << 20, 64 << 20};

/* Allocates and frees so many bytes in blocks of a size; some live a while. */
static void churn(size_t size, size_t count)
{
    void *block[8] = {NULL};
    for (size_t i = 0; i < count; i++) {
        hak_free(block[i % 8]);
        block[i % 8] = hak_malloc(size);
    }
    for (int i = 0; i < 8; i++)
        hak_free(block[i]);
}

static struct hak_profile_sum allocated_of(size_t size)
{
    struct hak_profile_sum sum = {0, 0};
    struct hak_site site;
    uint64_t frames[HAK_PROFILE_DEPTH];
    for (uint32_t i = 0; hak__profile_site(i, &site, frames) != 0; i++)
        if (site.bucket == hak__profile_bucket(size)) {
            sum.blocks += site.allocated.blocks;
            sum.bytes += site.allocated.bytes;
        }
    return sum;
}

START_TEST(estimates_are_unbiased_and_spread_as_they_should)
{
    double sum[SIZES] = {0}, squares[SIZES] = {0};
    size_t count[SIZES];
    for (int i = 0; i < SIZES; i++)
        count[i] = ((size_t)8 << 20) / mixed_size[i] + 20;
    for (int seed = 1; seed <= SEEDS; seed++) {
        hak__sample_seed = (uint64_t)seed * 0x9e3779b97f4a7c15u;
        hak_profile_reset();
        ck_assert_int_eq(hak_profile_start((size_t)INTERVAL), 0);
        for (int i = 0; i < SIZES; i++)
            churn(mixed_size[i], count[i]);
        for (int i = 0; i < SIZES; i++) {
            double bytes = (double)allocated_of(mixed_size[i]).bytes;
            sum[i] += bytes;
            squares[i] += bytes * bytes;
        }
    }
    ck_assert_uint_eq(hak__profile.samples_dropped, 0);
    for (int i = 0; i < SIZES; i++) {
        double size = (double)mixed_size[i], truth = size * (double)count[i];
        double p = hak__probability(size / INTERVAL), mean = sum[i] / SEEDS;
        double variance = squares[i] / SEEDS - mean * mean;
        double theory = (double)count[i] * (1 - p) / p * size * size;
        ck_assert_double_eq_tol(mean / truth, 1, UNIT_SANITIZED ? 0.04 : 0.01);
        if (theory > truth && !UNIT_SANITIZED)
            ck_assert_double_eq_tol(variance / theory, 1, 0.4); /* four standard errors */
    }
}
END_TEST

/* ---- what counts ------------------------------------------------------- */

START_TEST(every_way_to_allocate_counts)
{
    start_all();
    void *block[12], *batch[10];
    size_t bytes = 0, size[12] = {100, 200, 300, 5000, 70000, 300000, 5 << 20, 150, 90000, 400, 50 << 20, 128};
    block[0] = hak_malloc(100);
    block[1] = hak_calloc(2, 100);
    block[2] = hak_aligned_alloc(64, 300);
    ck_assert_int_eq(hak_posix_memalign(&block[3], 4096, 5000), 0);
    block[4] = hak_malloc(70000);
    block[5] = hak_calloc(3, 100000);
    block[6] = hak_malloc(5 << 20);
    block[7] = hak_alloc(150, HAK_ALLOC_NO_CACHE);
    block[8] = hak_alloc(90000, HAK_ALLOC_ZERO | 12);
    block[9] = hak_realloc(NULL, 400);
    block[10] = hak_malloc(50 << 20);
    block[11] = hak_reallocarray(NULL, 2, 64);
    for (int i = 0; i < 12; i++) {
        ck_assert_ptr_nonnull(block[i]);
        memset(block[i], 1, size[i] < 1000000 ? size[i] : 1000000);
        bytes += size[i];
    }
    check_in_use(bytes, 12);
    ck_assert_uint_eq(hak_alloc_batch(250, 10, batch), 10);
    check_in_use(bytes + 2500, 22);
    hak_free_batch(batch, 10);
    check_in_use(bytes, 12);
    check_heap();
    for (int i = 0; i < 12; i++) {
        hak_free(block[i]);
        bytes -= size[i];
        check_in_use(bytes, 11 - i);
    }
    check_heap();
}
END_TEST

START_TEST(realloc_takes_its_record_along)
{
    start_all();
    char *block = hak_malloc(1000);
    block = hak_realloc(block, 1010); /* in place */
    check_in_use(1010, 1);
    for (size_t size = 2000; size < (size_t)100 << 20; size = size * 5 / 3) {
        block = hak_realloc(block, size);
        ck_assert_ptr_nonnull(block);
        block[size - 1] = 1;
        check_in_use(size, 1);
    }
    for (size_t size = (size_t)60 << 20; size > 3000; size /= 3) {
        block = hak_realloc(block, size);
        check_in_use(size, 1);
    }
    ck_assert_uint_ge(hak_resize_in_place(block, 100, 3200), 100);
    ck_assert_double_eq_tol(blocks_of(hak__profile.in_use), 1, 0.001);
    hak_free(block);
    check_in_use(0, 0);
}
END_TEST

/* Grown in small steps a block is found as surely as one that was allocated whole. */
START_TEST(growth_in_place_is_sampled)
{
    enum { INTERVAL_OF_GROWTH = 100000, ROUNDS = 400 };
    double found = 0, allocated = 0;
    hak__sample_seed = 12345;
    ck_assert_int_eq(hak_profile_start(INTERVAL_OF_GROWTH), 0);
    for (int round = 0; round < ROUNDS; round++) {
        char *block = hak_malloc(70000);
        allocated += 70000;
        for (size_t size = 74000; size <= 270000; size += 4000) {
            char *before = block;
            block = hak_realloc(block, size);
            allocated += block == before ? 4000 : (double)size; /* one that moves is a new block */
        }
        found += (double)hak__profile.in_use.bytes;
        hak_free(block);
        check_in_use(0, 0);
    }
    ck_assert_double_eq_tol(found / ROUNDS / 270000, 1, 0.15);
    ck_assert_double_eq_tol((double)hak__profile.allocated.bytes / allocated, 1, 0.1);
}
END_TEST

static void *free_it(void *block)
{
    hak_free(block);
    return NULL;
}

START_TEST(another_thread_may_free)
{
    start_all();
    for (size_t size = 64; size < 100000; size *= 3) {
        pthread_t thread;
        void *block = hak_malloc(size);
        ck_assert_uint_ge(hak__profile.in_use.bytes, size);
        pthread_create(&thread, NULL, free_it, block);
        pthread_join(thread, NULL);
    }
    check_heap();
    hak_profile_stop();
}
END_TEST

static void *allocate_once(void *size)
{
    return hak_malloc((size_t)(uintptr_t)size);
}

static void *grow_it(void *block)
{
    return hak_realloc(block, (size_t)90 << 20);
}

/* A thread without a heap gets one when a sample falls into what a block grows by. */
START_TEST(a_thread_may_begin_with_realloc)
{
    pthread_t thread;
    ck_assert_int_eq(hak_profile_start(1000), 0);
    void *block = hak_malloc((size_t)40 << 20);
    pthread_create(&thread, NULL, grow_it, block);
    pthread_join(thread, &block);
    check_in_use((uint64_t)90 << 20, 1);
    hak_free(block);
    check_in_use(0, 0);
}
END_TEST

/* Of the sample of a block that is in use. */
static uint32_t thread_of(const void *block)
{
    const struct hak_sample *sample = hak__profile.samples.records;
    while (sample->address != (uintptr_t)block)
        sample++;
    return sample->thread;
}

/* The first block of a thread counts as well, and what a thread has allocated stays when it ends. */
START_TEST(threads_end)
{
    start_all();
    uint64_t before = hak__profile.in_use.bytes;
    void *blocks[20];
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, allocate_once, (void *)(uintptr_t)(1000 * i + 64));
        pthread_join(thread, &blocks[i]);
        ck_assert_uint_ne(thread_of(blocks[i]), i > 0 ? thread_of(blocks[i - 1]) : (uint32_t)gettid());
    }
    ck_assert_uint_ge(hak__profile.in_use.bytes, before + 190000 + 20 * 64);
    ck_assert_uint_le(hak__profile.in_use.bytes, before + 190000 + 20 * 64 + 20 * 1000); /* libc's own */
    for (int i = 0; i < 20; i++)
        hak_free(blocks[i]);
    check_heap();
}
END_TEST

START_TEST(a_child_of_a_fork_has_a_profile_of_its_own)
{
    start_all();
    void *block = hak_malloc(1000);
    ck_assert_uint_eq(thread_of(block), (uint32_t)gettid());
    pid_t child = fork();
    if (child == 0) {
        void *more = hak_malloc(500);
        bool good = hak__profile.in_use.bytes == 1500 && thread_of(more) == (uint32_t)gettid() &&
                    thread_of(block) == (uint32_t)getppid();
        hak_free(block);
        good = good && hak__profile.in_use.bytes == 500;
        hak_free(more);
        _exit(good && hak__profile.in_use.bytes == 0 && hak_check(NULL) == NULL ? 0 : 1);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    check_in_use(1000, 1);
    hak_free(block);
    check_in_use(0, 0);
}
END_TEST

#if defined(__x86_64__) && !UNIT_SANITIZED
static pid_t me;
static volatile pid_t forked = -1;

/* When the system has told the thread's number, and before that is kept. */
static void fork_there(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    if (forked < 0 && hak__heap_is_real(hak__heap) && hak__heap->thread == 0 &&
        ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] == me)
        forked = fork();
}

/* Whether the records of a thread's first blocks have its number, also that of the child's. */
static void *step_to_the_first_block(void *good)
{
    me = gettid();
    __asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq" : : : "memory", "cc");
    void *first = hak_malloc(1000);
    __asm__ volatile("pushfq; andl $0xfffffeff, (%%rsp); popfq" : : : "memory", "cc");
    void *block = hak_malloc(500);
    *(bool *)good = thread_of(first) == (uint32_t)gettid() && thread_of(block) == (uint32_t)gettid();
    if (forked == 0)
        _exit(*(bool *)good ? 0 : 1);
    hak_free(block);
    hak_free(first);
    return NULL;
}

START_TEST(a_handler_may_fork_as_a_thread_gets_its_heap)
{
    struct sigaction action = {.sa_sigaction = fork_there, .sa_flags = SA_SIGINFO};
    int status = -1;
    pthread_t thread;
    bool good = false;
    start_all();
    ck_assert_int_eq(sigaction(SIGTRAP, &action, NULL), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, step_to_the_first_block, &good), 0);
    pthread_join(thread, NULL);
    ck_assert(good);
    ck_assert_int_gt(forked, 0);
    ck_assert_int_eq(waitpid(forked, &status, 0), forked);
    ck_assert_int_eq(status, 0);
}
END_TEST
#endif

START_TEST(what_is_off_records_nothing)
{
    ck_assert_uint_eq(hak__profile.interval, 0);
    churn(1000, 100000);
    ck_assert_uint_eq(hak__profile.samples_taken, 0);
    ck_assert_ptr_null(hak__profile.samples.records);
    start_all();
    churn(1000, 10000); /* within a megabyte it is heeded */
    ck_assert_uint_ge(hak__profile.samples_taken, 8900);
    void *block = hak_malloc(1000);
    hak_profile_stop();
    uint64_t taken = hak__profile.samples_taken;
    churn(1000, 10000);
    ck_assert_uint_eq(hak__profile.samples_taken, taken);
    check_in_use(1000, 1);
    hak_free(block);
    check_in_use(0, 0);
}
END_TEST

START_TEST(reset_forgets)
{
    start_all();
    void *block = hak_malloc(1000), *large = hak_malloc(1000000);
    hak_profile_reset();
    check_in_use(0, 0);
    void *other = hak_malloc(3000);
    hak_free(block);
    hak_free(large);
    check_in_use(3000, 1);
    ck_assert_uint_eq(hak__profile.allocated.bytes, 3000);
    hak_free(other);
    check_in_use(0, 0);
    check_heap();
}
END_TEST

START_TEST(the_peak_is_kept)
{
    start_all();
    void *small = hak_malloc(10 << 20), *large = hak_malloc(50 << 20);
    hak_free(large);
    hak_free(small);
    ck_assert_uint_ge(hak__profile.at_peak.bytes, (uint64_t)60 << 20);
    struct hak_site site;
    uint64_t frames[HAK_PROFILE_DEPTH], peak = 0;
    for (uint32_t i = 0; hak__profile_site(i, &site, frames) != 0; i++)
        peak += site.at_peak.bytes;
    ck_assert_uint_eq(peak, (uint64_t)60 << 20);
}
END_TEST

/* ---- many threads ------------------------------------------------------ */

enum { THREADS = 4, SLOTS = 256 };
static _Atomic(void *) slot[SLOTS];
static _Atomic bool over;

static void *exchange(void *seed)
{
    uint64_t random = (uintptr_t)seed;
    for (int i = 0; i < (UNIT_SANITIZED ? 20000 : 200000); i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t size = random >> 60 == 0 ? 100000 : random >> 50 & 1023;
        char *block = hak_malloc(size + 1);
        block[0] = 1;
        if (random >> 58 == 1)
            block = hak_realloc(block, size * 3 + 1);
        hak_free(hak_swap_acq_rel(&slot[random >> 33 & (SLOTS - 1)], (void *)block));
    }
    return NULL;
}

static void *switch_and_write(void *unused)
{
    static const size_t interval[] = {1, 1000, 64, 100000};
    FILE *null = fopen("/dev/null", "w");
    for (int i = 0; !hak_load_relaxed(&over); i++) {
        ck_assert_int_eq(hak_profile_start(interval[i % 4]), 0);
        ck_assert_int_eq(hak_profile_write(fileno(null), HAK_PROFILE_IN_USE, HAK_PROFILE_HEAP_V2), 0);
        if (i % 16 == 7)
            hak_profile_reset();
        if (i % 16 == 3)
            hak_profile_stop();
        usleep(1000);
    }
    fclose(null);
    return unused;
}

START_TEST(threads_exchange_sampled_blocks)
{
    pthread_t thread[THREADS], other;
    start_all();
    pthread_create(&other, NULL, switch_and_write, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, exchange, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    hak_store_relaxed(&over, true);
    pthread_join(other, NULL);
    for (int i = 0; i < SLOTS; i++)
        hak_free(hak_load_relaxed(&slot[i]));
    ck_assert_uint_le(hak__profile.in_use.bytes, 10000); /* libc's own */
    check_heap();
}
END_TEST

enum { LEFT = 2048, LEFT_SIZE = 1024 };
static void *left[LEFT];

/* Most blocks of each slab are free, and nobody's, when the thread has ended. */
static void *leave_slabs(void *unused)
{
    for (int i = 0; i < LEFT; i++)
        left[i] = hak_malloc(LEFT_SIZE);
    for (int i = 0; i < LEFT; i++)
        if (i % 32 != 0)
            hak_free(left[i]);
    return unused;
}

/* A slab of others has blocks whose frees know nothing of samples, and with holes it is shown as nobody's. */
START_TEST(slabs_that_others_have_left_serve_no_samples)
{
    void *sampled[LEFT];
    pthread_t thread;
    pthread_create(&thread, NULL, leave_slabs, NULL);
    pthread_join(thread, NULL);
    hak_purge(HAK_PURGE_PROCESS, 0);
    start_all();
    for (int i = 0; i < LEFT; i++)
        sampled[i] = hak_malloc(LEFT_SIZE);
    ck_assert_uint_eq(hak__profile.samples_dropped, 0);
    check_in_use(LEFT * LEFT_SIZE, LEFT);
    for (int i = 0; i < LEFT; i++)
        hak_free(sampled[i]);
    check_in_use(0, 0);
    for (int i = 0; i < LEFT; i += 32)
        hak_free(left[i]);
    check_heap();
}
END_TEST

/* ---- the interface ----------------------------------------------------- */

START_TEST(wrong_arguments_are_refused)
{
    errno = 0;
    ck_assert_int_eq(hak_profile_start(0), -1);
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_int_eq(hak_profile_write(1, (hak_profile_view_t)7, HAK_PROFILE_HEAP_V2), -1);
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_int_eq(hak_profile_write(-1, HAK_PROFILE_IN_USE, HAK_PROFILE_HEAP_V2), -1);
    ck_assert_int_eq(errno, EBADF);
}
END_TEST

START_TEST(a_profile_is_written_for_pprof)
{
    start_all();
    void *block = hak_malloc(1000), *other = hak_malloc(1000);
    hak_free(other);
    hak_profile_stop();
    FILE *file = tmpfile();
    ck_assert_int_eq(hak_profile_write(fileno(file), HAK_PROFILE_IN_USE, HAK_PROFILE_HEAP_V2), 0);
    rewind(file);
    char line[4096];
    unsigned long now, bytes, all, all_bytes, interval;
    bool maps = false, ours = false;
    ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    ck_assert_int_eq(sscanf(line, "heap profile: %lu: %lu [%lu: %lu] @ heap_v2/%lu", &now, &bytes, &all,
                            &all_bytes, &interval), 5);
    ck_assert_uint_ge(bytes, 1000);
    ck_assert_uint_eq(interval, EVERY);
    while (fgets(line, sizeof line, file) != NULL) {
        maps |= strcmp(line, "MAPPED_LIBRARIES:\n") == 0;
        ours |= sscanf(line, "%lu: %lu [%lu: %lu] @ 0x", &now, &bytes, &all, &all_bytes) == 4 && bytes == 1000;
    }
    ck_assert(maps && ours);
    fclose(file);
    hak_free(block);
}
END_TEST

/* Readers divide by one probability: it must be one by which no sample stands for less than a sample. */
START_TEST(a_profile_of_two_intervals_is_written_by_the_shorter)
{
    enum { SHORT = 1000, LONG = 100000, BLOCKS = 20000, SIZE = 500 };
    static void *blocks[BLOCKS];
    unsigned long now, bytes, all, all_bytes, interval;
    ck_assert_int_eq(hak_profile_start(SHORT), 0);
    for (int i = 0; i < BLOCKS; i++) {
        if (i == BLOCKS / 2)
            ck_assert_int_eq(hak_profile_start(LONG), 0);
        blocks[i] = hak_malloc(SIZE);
    }
    hak_profile_stop();
    FILE *file = tmpfile();
    ck_assert_int_eq(hak_profile_write(fileno(file), HAK_PROFILE_IN_USE, HAK_PROFILE_HEAP_V2), 0);
    rewind(file);
    ck_assert_int_eq(fscanf(file, "heap profile: %lu: %lu [%lu: %lu] @ heap_v2/%lu", &now, &bytes, &all, &all_bytes,
                            &interval), 5);
    fclose(file);
    ck_assert_uint_eq(interval, SHORT);
    double estimate = (double)bytes / -expm1(-(double)SIZE / SHORT);
    ck_assert(fabs(estimate - BLOCKS * SIZE) < BLOCKS * SIZE * 0.6); /* 8 standard errors */
    for (int i = 0; i < BLOCKS; i++)
        hak_free(blocks[i]);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_checked_fixture(tests, unit_end_starter, NULL);
    tcase_add_test(tests, the_functions_are_those_of_the_library_of_mathematics);
    tcase_add_test(tests, buckets_hold_sizes_that_are_near_each_other);
    tcase_add_test(tests, estimates_are_unbiased_and_spread_as_they_should);
    tcase_add_test(tests, every_way_to_allocate_counts);
    tcase_add_test(tests, realloc_takes_its_record_along);
    tcase_add_test(tests, growth_in_place_is_sampled);
    tcase_add_test(tests, another_thread_may_free);
    tcase_add_test(tests, threads_end);
    tcase_add_test(tests, a_thread_may_begin_with_realloc);
    tcase_add_test(tests, a_child_of_a_fork_has_a_profile_of_its_own);
#if defined(__x86_64__) && !UNIT_SANITIZED
    tcase_add_test(tests, a_handler_may_fork_as_a_thread_gets_its_heap);
#endif
    tcase_add_test(tests, what_is_off_records_nothing);
    tcase_add_test(tests, reset_forgets);
    tcase_add_test(tests, the_peak_is_kept);
    tcase_add_test(tests, threads_exchange_sampled_blocks);
    tcase_add_test(tests, slabs_that_others_have_left_serve_no_samples);
    tcase_add_test(tests, wrong_arguments_are_refused);
    tcase_add_test(tests, a_profile_is_written_for_pprof);
    tcase_add_test(tests, a_profile_of_two_intervals_is_written_by_the_shorter);
}

int main(void)
{
    return unit_run("profile", add);
}

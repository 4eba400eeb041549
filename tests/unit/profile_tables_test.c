/* SPDX-License-Identifier: MIT */
/* What the heap profiler keeps: slabs of sampled blocks, records, call stacks. Each test is a process of its own. */
#include "profile.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic.h"
#include "cache/sampled.h"
#include "core/meta.h"
#include "core/options.h"
#include "os/os.h"
#include "os/registers.h"

/* ---- slabs of sampled blocks ------------------------------------------- */

/* Half of many blocks goes, by chance, and comes again: slabs that have room serve first. */
START_TEST(slabs_with_room_serve_again)
{
    enum { MANY = 20000, ROUNDS = 60, SIZE = 200 };
    static void *block[MANY];
    hak_stats_t stats = {.struct_size = sizeof stats};
    uint64_t random = 1, first = 0;
    start_all();
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < MANY; i++)
            if (block[i] == NULL)
                block[i] = hak_malloc(SIZE);
        ck_assert_int_eq(hak_stats_get(&stats), 0);
        if (round == 0)
            first = stats.live_bytes;
        for (int i = 0; i < MANY; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            if (random >> 63 != 0) {
                hak_free(block[i]);
                block[i] = NULL;
            }
        }
    }
    ck_assert_uint_le(stats.live_bytes, first + first / 8);
    for (int i = 0; i < MANY; i++)
        hak_free(block[i]);
    ck_assert_int_eq(hak_stats_get(&stats), 0);
    ck_assert_uint_le(stats.live_bytes, first / 2);
    check_heap();
}
END_TEST

/* ---- tables ------------------------------------------------------------ */

/* By either call. */
START_TEST(what_cannot_be_read_is_told)
{
    size_t page = hak__os_page_size();
    char *memory = mmap(NULL, 2 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    ck_assert_int_eq(mprotect(memory + page, page, PROT_NONE), 0);
    for (int i = 0; i < 2; i++, hak__os_sandboxed()) {
        ck_assert(hak__os_can_read(memory));
        ck_assert(hak__os_can_read(memory + page - 1));
        ck_assert(!hak__os_can_read(memory + page));
        ck_assert(!hak__os_can_read(NULL));
        ck_assert(!hak__os_can_read((const void *)-sizeof(void *)));
    }
}
END_TEST

#if !UNIT_SANITIZED
/* False under emulation. */
static bool forbid_masks(void)
{
    struct sock_filter filter[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                                   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigprocmask, 0, 1),
                                   BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                                   BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {.len = HAK_COUNT_OF(filter), .filter = filter};
    return syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

/* A filter of calls that the library has not heard of. */
START_TEST(the_call_that_tells_may_be_forbidden_later)
{
    void *nobodys = mmap(NULL, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool readable = true;
    ck_assert_ptr_ne(nobodys, MAP_FAILED);
    ck_assert(hak__os_can_read(&readable));
    if (!forbid_masks())
        return;
    ck_assert(hak__os_can_read(&readable));
    ck_assert(!hak__os_can_read(nobodys));
}
END_TEST
#endif

/* Against a plain array: whatever comes and goes in whatever order. */
START_TEST(records_are_found_again)
{
    enum { ADDRESSES = 3000, STEPS = 200000 };
    static size_t size[ADDRESSES];
    uint64_t random = 42, bytes = 0;
    ck_assert(hak__profile_prepare());
    for (int step = 0; step < STEPS; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t at = (random >> 33) % ADDRESSES;
        const void *address = (const void *)(at * 16 + 4096);
        if (size[at] == 0) {
            uint64_t frames[4] = {1 + (random >> 20) % 7, 2, 3 + (random >> 24) % 50, 4};
            size[at] = 1 + (random >> 40) % 5000;
            struct hak_profile_block block = {.address = address, .size = size[at], .frames = frames,
                                              .weight = 1 << HAK_PROFILE_WEIGHT_SHIFT, .interval = 1,
                                              .depth = 4};
            ck_assert(hak__profile_add(&block));
            bytes += size[at];
        } else {
            hak__profile_end(address);
            bytes -= size[at];
            size[at] = 0;
        }
        ck_assert_uint_eq(hak__profile.in_use.bytes, bytes);
    }
    struct hak_site site;
    uint64_t frames[HAK_PROFILE_DEPTH], sum = 0;
    for (uint32_t i = 0; hak__profile_site(i, &site, frames) != 0; i++) {
        sum += site.in_use.bytes;
        ck_assert_uint_eq(frames[1], 2);
    }
    ck_assert_uint_eq(sum, bytes);
    ck_assert_uint_eq(hak__profile.stacks.used, 350 * 5); /* each stack once */
}
END_TEST

static bool add_sample(uintptr_t address, uintptr_t frame)
{
    uint64_t frames[100];
    for (int i = 0; i < 100; i++)
        frames[i] = frame;
    struct hak_profile_block block = {.address = (const void *)address, .size = 100, .frames = frames, .depth = 100,
                                      .weight = 1 << HAK_PROFILE_WEIGHT_SHIFT, .interval = 1};
    return hak__profile_add(&block);
}

/* Samples that come and go need no more memory than those that are in use at once. */
START_TEST(the_index_grows_with_its_table)
{
    ck_assert(hak__profile_prepare());
    ck_assert(add_sample(4096, 1));
    hak__profile_end((const void *)4096);
    size_t before = hak_load_relaxed(&hak__metadata_bytes);
    for (uintptr_t i = 0; i < 100000; i++) {
        ck_assert(add_sample(i * 16 + 4096, 1));
        hak__profile_end((const void *)(i * 16 + 4096));
    }
    ck_assert_uint_eq(hak_load_relaxed(&hak__metadata_bytes), before);
}
END_TEST

/* Where stacks have no room any more, those that are known serve on. */
START_TEST(known_stacks_need_no_room)
{
    hak__options[HAK_OPTION_PROFILE_MAX] = 1 << 20;
    ck_assert(hak__profile_prepare());
    uintptr_t stacks = 0;
    while (stacks < 10000 && add_sample(4096 + stacks * 16, stacks + 1))
        stacks++;
    ck_assert_uint_gt(stacks, 100);
    ck_assert_uint_lt(stacks, 10000);
    ck_assert(add_sample(1 << 20, 1));
    ck_assert(!add_sample(2 << 20, stacks + 1));
}
END_TEST

/* gcc would make several functions of it. */
#if defined(__clang__)
#define ONE_FUNCTION __attribute__((noinline))
#else
#define ONE_FUNCTION __attribute__((noinline, noclone))
#endif

static ONE_FUNCTION void *deep(int depth, size_t size)
{
    void *block = depth > 0 ? deep(depth - 1, size) : hak_malloc(size);
    __asm__ volatile("" : : : "memory"); /* not a jump */
    return block;
}

START_TEST(full_tables_drop_and_say_so)
{
    hak__options[HAK_OPTION_PROFILE_MAX] = 1 << 20;
    start_all();
    enum { MANY = 20000 };
    static void *block[MANY];
    for (int i = 0; i < MANY; i++) {
        block[i] = deep(i % 100, 64 + (size_t)i % 1000);
        ck_assert_ptr_nonnull(block[i]);
    }
    ck_assert_uint_gt(hak__profile.samples_dropped, 10000);
    ck_assert_uint_eq(hak__profile.samples_dropped + hak__profile.samples_taken, MANY);
    check_heap();
    for (int i = 0; i < MANY; i++)
        hak_free(block[i]);
    check_in_use(0, 0);
    check_heap();
}
END_TEST

#if HAK_CALL_FRAMES
START_TEST(stacks_name_who_has_called)
{
    start_all();
    void *block = deep(20, 777);
    struct hak_site site;
    uint64_t frames[HAK_PROFILE_DEPTH];
    uint32_t depth = hak__profile_site(0, &site, frames), calls = 0;
    ck_assert_uint_eq(site.in_use.bytes, 777);
    for (uint32_t i = 0; i < depth; i++)
        calls += frames[i] - (uint64_t)(uintptr_t)deep < 200;
    ck_assert_uint_eq(calls, 21);
    hak_free(block);
}
END_TEST
#endif

/* ---- signal handlers that allocate ------------------------------------- */

static _Atomic int held; /* 1: the other thread holds the lock; 2: it shall let go */

static void *hold_sampled(void *unused)
{
    hak__lock_acquire(&hak__sampled_lock);
    hak_store_release(&held, 1);
    while (hak_load_acquire(&held) != 2)
        usleep(1000);
    hak__lock_release(&hak__sampled_lock);
    return unused;
}

/* As if one had interrupted the holder of the lock, for which a fork waits that has the other one already. */
START_TEST(what_interrupts_the_profiler_does_not_wait)
{
    pthread_t thread;
    start_all();
    pthread_create(&thread, NULL, hold_sampled, NULL);
    while (hak_load_acquire(&held) == 0)
        usleep(1000);
    hak__lock_acquire(&hak__profile_lock);
    void *block = hak_malloc(1000);
    hak__lock_release(&hak__profile_lock);
    hak_store_release(&held, 2);
    pthread_join(thread, NULL);
    ck_assert_ptr_nonnull(block);
    hak_free(block);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_checked_fixture(tests, unit_end_starter, NULL);
    tcase_add_test(tests, slabs_with_room_serve_again);
    tcase_add_test(tests, what_cannot_be_read_is_told);
#if !UNIT_SANITIZED
    tcase_add_test(tests, the_call_that_tells_may_be_forbidden_later);
#endif
    tcase_add_test(tests, records_are_found_again);
    tcase_add_test(tests, the_index_grows_with_its_table);
    tcase_add_test(tests, known_stacks_need_no_room);
    tcase_add_test(tests, full_tables_drop_and_say_so);
    tcase_add_test(tests, what_interrupts_the_profiler_does_not_wait);
#if HAK_CALL_FRAMES
    tcase_add_test(tests, stacks_name_who_has_called);
#endif
}

int main(void)
{
    return unit_run("profile_tables", add);
}

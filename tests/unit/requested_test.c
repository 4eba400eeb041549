/* SPDX-License-Identifier: MIT */
/* The bytes that the program has asked for: in all, of each heap, and who has the heap. */
#define _GNU_SOURCE
#include "statistics.h"

#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/snapshot.h"
#include "base/atomic.h"

/* Also of this process while other threads are at work, as everything that reads its statistics. */
__attribute__((no_sanitize("thread"))) static bool peek(const void *context, const void *from, void *to, size_t size)
{
    (void)context;
    memcpy(to, from, size);
    return true;
}

/* The heap that a thread has; of the id 0 if it has none, or several. */
struct search {
    uint32_t thread;
    struct hak_heap_snapshot found;
    uint64_t cached; /* of all */
};

static void look_at(const struct hak_heap_snapshot *heap, void *context)
{
    struct search *search = context;
    search->cached += heap->cached_bytes;
    if (heap->thread != search->thread)
        return;
    ck_assert_uint_eq(search->found.id, 0);
    search->found = *heap;
}

static uint32_t me(void)
{
    return (uint32_t)syscall(SYS_gettid);
}

static struct hak_heap_snapshot heap_of(uint32_t thread)
{
    struct search search = {.thread = thread};
    struct hak_snapshot snapshot;
    ck_assert(hak__snapshot_read_heaps(&hak__stats_block, peek, NULL, UINT64_MAX, &snapshot, look_at, &search));
    ck_assert_uint_eq(search.cached, snapshot.value[HAK_STAT_CACHED_BYTES]);
    return search.found;
}

static uint64_t requested_by(uint32_t thread)
{
    struct hak_heap_snapshot heap = heap_of(thread);
    return heap.requested_bytes - heap.requested_before;
}

/* ---- what counts ------------------------------------------------------- */

static void *kept[16];

/* Asks in all ways, and many times; how many bytes that is. */
static uint64_t ask(void)
{
    enum { TIMES = 5000, BATCH = 16 };
    static const size_t sizes[] = {0, 1, 40, 1000, 8000, 40000, 3000000};
    uint64_t bytes = 0;
    void *batch[BATCH];
    for (int i = 0; i < TIMES; i++)
        for (size_t s = 0; s < HAK_COUNT_OF(sizes) && (s < 5 || i % 50 == 0); s++) {
            hak_free(kept[i % 16]);
            kept[i % 16] = hak_malloc(sizes[s]);
            bytes += sizes[s];
        }
    for (int i = 0; i < 100; i++) {
        ck_assert_uint_eq(hak_alloc_batch(100, BATCH, batch), BATCH);
        hak_free_batch(batch, BATCH);
        hak_free(hak_calloc(10, 1000));
        hak_free(hak_aligned_alloc(4096, 8192));
        hak_free(hak_alloc(500, HAK_ALLOC_NO_CACHE));
        hak_free(hak_realloc(hak_malloc(100), 600));
        bytes += 100 * BATCH + 10000 + 8192 + 500 + 100 + 600;
    }
    return bytes;
}

static void all_that_is_asked_for_counts(void)
{
    hak_free(hak_malloc(1));
    uint64_t total = statistics().requested_bytes, own = requested_by(me());
    ck_assert_uint_ge(own, 1);
    uint64_t bytes = ask();
    ck_assert_uint_eq(statistics().requested_bytes - total, bytes);
    ck_assert_uint_eq(requested_by(me()) - own, bytes);
}

START_TEST(while_the_profiler_is_off)
{
    all_that_is_asked_for_counts();
}
END_TEST

START_TEST(while_it_is_on)
{
    ck_assert_int_eq(hak_profile_start(100000), 0);
    all_that_is_asked_for_counts();
    ck_assert_int_eq(hak_profile_start(1), 0);
    all_that_is_asked_for_counts();
}
END_TEST

START_TEST(while_it_is_switched_on_and_off)
{
    hak_free(hak_malloc(1));
    for (int i = 0; i < 100; i++) {
        uint64_t total = statistics().requested_bytes;
        ck_assert_int_eq(hak_profile_start(1000), 0);
        for (int n = 0; n < i * 7; n++)
            hak_free(hak_malloc(1000));
        hak_profile_stop();
        for (int n = 0; n < i * 7; n++)
            hak_free(hak_malloc(30000));
        ck_assert_uint_eq(statistics().requested_bytes - total, (uint64_t)i * 7 * 31000);
    }
}
END_TEST

/* ---- threads ----------------------------------------------------------- */

static pthread_barrier_t met;

static void *ask_and_wait(void *thread)
{
    void *block = hak_malloc(12345); /* its first */
    *(uint32_t *)thread = me();
    pthread_barrier_wait(&met);
    pthread_barrier_wait(&met);
    hak_free(block);
    return NULL;
}

START_TEST(a_heap_begins_anew_with_its_thread)
{
    enum { THREADS = 4, ROUNDS = 5 };
    uint32_t id[THREADS];
    pthread_t thread[THREADS];
    hak_free(hak_malloc(1));
    pthread_barrier_init(&met, NULL, THREADS + 1);
    uint64_t total = statistics().requested_bytes;
    for (int round = 1; round <= ROUNDS; round++) {
        for (int i = 0; i < THREADS; i++)
            ck_assert_int_eq(pthread_create(&thread[i], NULL, ask_and_wait, &id[i]), 0);
        pthread_barrier_wait(&met);
        for (int i = 0; i < THREADS; i++)
            ck_assert_uint_eq(requested_by(id[i]), 12345);
        pthread_barrier_wait(&met);
        for (int i = 0; i < THREADS; i++)
            pthread_join(thread[i], NULL);
        for (int i = 0; i < THREADS; i++)
            ck_assert_uint_eq(heap_of(id[i]).id, 0);
        ck_assert_uint_eq(statistics().requested_bytes - total, (uint64_t)round * THREADS * 12345);
    }
}
END_TEST

static void *ask_without_heap(void *unused)
{
    (void)unused;
    hak_free(hak_malloc((size_t)100 << 20)); /* of which no cache keeps anything */
    return NULL;
}

START_TEST(threads_without_a_heap_count)
{
    pthread_t thread;
    uint64_t total = statistics().requested_bytes;
    pthread_create(&thread, NULL, ask_without_heap, NULL);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(statistics().requested_bytes - total, (uint64_t)100 << 20);
}
END_TEST

START_TEST(the_child_of_a_fork_has_a_thread_of_its_own)
{
    int status;
    hak_free(hak_malloc(1));
    ck_assert_uint_ne(heap_of(me()).id, 0);
    uint32_t parent = me();
    pid_t child = fork();
    if (child == 0)
        _exit(heap_of((uint32_t)getpid()).id != 0 && heap_of(parent).id == 0 ? 0 : 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

static _Atomic bool over;

static void *draw_often(void *unused)
{
    while (!hak_load_relaxed(&over))
        hak_free(hak_malloc(50));
    return unused;
}

/* Where the system stops the thread amid a change, readers take what they see after some looks: once, if ever. */
START_TEST(the_sum_never_falls)
{
    enum { LOOKS = UNIT_SANITIZED ? 5000 : 100000 };
    pthread_t thread;
    int falls = 0;
    ck_assert_int_eq(hak_profile_start(3000), 0);
    pthread_create(&thread, NULL, draw_often, NULL);
    uint64_t last = 0;
    for (int i = 0; i < LOOKS; i++) {
        uint64_t now = statistics().requested_bytes;
        falls += now < last;
        last = now;
    }
    hak_store_relaxed(&over, true);
    pthread_join(thread, NULL);
    ck_assert_int_le(falls, 1);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, while_the_profiler_is_off);
    tcase_add_test(tests, while_it_is_on);
    tcase_add_test(tests, while_it_is_switched_on_and_off);
    tcase_add_test(tests, a_heap_begins_anew_with_its_thread);
    tcase_add_test(tests, threads_without_a_heap_count);
    tcase_add_test(tests, the_child_of_a_fork_has_a_thread_of_its_own);
    tcase_add_test(tests, the_sum_never_falls);
}

int main(void)
{
    return unit_run("requested", add);
}

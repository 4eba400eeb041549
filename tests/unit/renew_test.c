/* SPDX-License-Identifier: MIT */
/* New secrets: children have different ones, and everything works and is detected as before. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/params.h"
#include "cache/heap.h"
#include "cache/heap_check.h"
#include "cache/thread_cache.h"
#include "page/pagemap.h"
#include "slab/shared_pool.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/superslab.h"
#include "unit.h"

enum { BLOCKS = 6000 };
static void *block[BLOCKS];

static size_t size_of(size_t i)
{
    return 16 + i * 37 % 3000;
}

/* Every third block lives; others are in bins, in the mail, on lists, and on pages that have gone. */
static void *free_some(void *unused)
{
    for (size_t i = 1; i < BLOCKS; i += 3)
        hak_free(block[i]);
    return unused;
}

static void fill(void)
{
    pthread_t thread;
    unit_end_starter();
    for (size_t i = 0; i < BLOCKS; i++) {
        block[i] = hak_malloc(size_of(i));
        ck_assert_ptr_nonnull(block[i]);
        memset(block[i], (int)(i % 255), size_of(i));
    }
    for (size_t i = BLOCKS / 2 / 3 * 3 + 2; i < BLOCKS; i += 3)
        hak_free(block[i]);
    hak_purge(HAK_PURGE_PROCESS, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, free_some, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    for (size_t i = 2; i < BLOCKS / 2 / 3 * 3 + 2; i += 3)
        hak_free(block[i]);
}

static void check(void)
{
    struct hak_heap_check check;
    hak__heap_check(&check);
    if (check.wrong != NULL)
        ck_abort_msg("%s, at %p", check.wrong, check.where);
}

/* Which signal, or status, a child ends with. */
static int in_child(int (*work)(void))
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(work());
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- two children ------------------------------------------------------ */

struct secrets {
    uint64_t marks, links, mark, key;
};

static struct secrets secrets_now(void)
{
    const TinySlabMeta *slab = hak__pagemap_record((uintptr_t)block[0]);
    const void *last = block[2];
    struct secrets now = {hak__heap_secret, hak__slab_link_secret, *hak__block_mark((void *)last),
                          slab->link_key};
    return now;
}

static int pipes[2];

static int tell(void)
{
    if (hak_secret_renew() != 0)
        return 1;
    struct secrets now = secrets_now();
    return write(pipes[1], &now, sizeof now) == sizeof now ? 0 : 2;
}

static struct secrets of_child(void)
{
    struct secrets secrets;
    ck_assert_int_eq(in_child(tell), 0);
    ck_assert_int_eq(read(pipes[0], &secrets, sizeof secrets), sizeof secrets);
    return secrets;
}

static void all_differ(const struct secrets *a, const struct secrets *b)
{
    ck_assert(a->marks != b->marks && a->links != b->links && a->key != b->key);
    ck_assert(!HAK_CHECKS || a->mark != b->mark);
}

START_TEST(children_differ)
{
    fill();
    ck_assert_int_eq(pipe(pipes), 0);
    struct secrets parent = secrets_now(), first = of_child(), second = of_child();
    all_differ(&parent, &first);
    all_differ(&parent, &second);
    all_differ(&first, &second);
}
END_TEST

/* ---- and go on --------------------------------------------------------- */

/* All that was free serves again; what lives has kept its contents. */
static int use_all(void)
{
    static void *more[BLOCKS];
    for (int round = 0; round < 2; round++) {
        if (hak_secret_renew() != 0)
            return 1;
        check();
        for (size_t i = 0; i < BLOCKS; i++) {
            more[i] = hak_malloc(size_of(i));
            memset(more[i], 0xaa, size_of(i));
        }
        for (size_t i = 0; i < BLOCKS; i += 3)
            for (size_t at = 0; at < size_of(i); at++)
                if (((unsigned char *)block[i])[at] != i % 255)
                    return 2;
        check();
        for (size_t i = 0; i < BLOCKS; i++)
            hak_free(more[i]);
    }
    for (size_t i = 0; i < BLOCKS; i += 3)
        hak_free(block[i]);
    hak_purge(HAK_PURGE_PROCESS, 0);
    check();
    return 0;
}

START_TEST(everything_serves_again)
{
    fill();
    ck_assert_int_eq(in_child(use_all), 0);
    check();
}
END_TEST

static size_t twice;

static int free_twice(void)
{
    close(STDERR_FILENO);
    if (hak_secret_renew() != 0)
        return 1;
    hak_free(block[twice]);
    return 0;
}

START_TEST(double_frees_are_seen)
{
    fill();
    for (twice = 1; twice < BLOCKS; twice += 3 * 97)
        ck_assert_int_eq(in_child(free_twice), HAK_CHECKS ? -SIGABRT : 0);
    for (twice = 2; twice < BLOCKS; twice += 3 * 97)
        ck_assert_int_eq(in_child(free_twice), HAK_CHECKS ? -SIGABRT : 0);
}
END_TEST

/* ---- refused ----------------------------------------------------------- */

static pthread_barrier_t barrier;

static void *wait_twice(void *allocates)
{
    if (allocates != NULL)
        hak_free(hak_malloc(100));
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

START_TEST(other_threads_make_it_busy)
{
    uint64_t before = hak__heap_secret;
    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 2), 0);
    for (uintptr_t allocates = 0; allocates < 2; allocates++) {
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, wait_twice, (void *)allocates), 0);
        pthread_barrier_wait(&barrier);
        errno = 0;
        ck_assert_int_eq(hak_secret_renew(), -1);
        ck_assert_int_eq(errno, EBUSY);
        pthread_barrier_wait(&barrier);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
    }
    ck_assert_uint_eq(hak__heap_secret, before);
}
END_TEST

/* A signal handler that interrupts the library is refused: what it interrupted has the old secrets. */
START_TEST(a_busy_heap_is_left_alone)
{
    hak_free(hak_malloc(1));
    hak_store_relaxed(&hak__heap->busy, true);
    ck_assert_int_eq(hak_secret_renew(), -1);
    ck_assert_int_eq(errno, EBUSY);
    hak_store_relaxed(&hak__heap->busy, false);
    ck_assert_int_eq(hak_secret_renew(), 0);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, children_differ);
    tcase_add_test(tests, everything_serves_again);
    tcase_add_test(tests, double_frees_are_seen);
    tcase_add_test(tests, other_threads_make_it_busy);
    tcase_add_test(tests, a_busy_heap_is_left_alone);
}

int main(void)
{
    return unit_run("renew", add);
}

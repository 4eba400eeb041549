/* SPDX-License-Identifier: MIT */
/*
 * Blocks of all sizes come from all functions, grow, shrink, change hands and are freed.
 * What a block holds is compared at each step; what fails must say ENOMEM and change nothing,
 * and what does not fail must leave errno alone.
 */
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <hakmem/hakmem.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/reclaim.h"
#include "os/maps.h"
#include "os/os.h"
#include "os/thread.h"
#include "page/locked.h"
#include "profile/sampler.h"

#undef pthread_create /* of its own threads nothing fails */

enum { OWN = 96, EXCHANGED = 64, WHOLE = 4096, PIECE = 64, UNTOUCHED = 4242, THREADS = 4 };
#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

struct block {
    unsigned char *at;
    size_t size;
    uint32_t fill;
};

struct worker {
    uint32_t state;
    bool large; /* mostly blocks that have mappings of their own */
    int operations;
    struct block own[OWN];
};

static pthread_mutex_t exchange_lock = PTHREAD_MUTEX_INITIALIZER;
static struct block exchanged[EXCHANGED];

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void begin(struct worker *worker, uint32_t seed, int operations, bool large)
{
    memset(worker, 0, sizeof *worker);
    worker->state = seed * 2654435761u + 12345;
    if (worker->state == 0)
        worker->state = 1;
    worker->operations = operations;
    worker->large = large;
}

/* ---- contents ---------------------------------------------------------- */

static unsigned char byte_of(const struct block *block, size_t offset)
{
    return (unsigned char)(block->fill + offset + (offset >> 12));
}

/* Small blocks are used whole, of larger ones a piece of each page or granule and the end. */
static size_t next_used(size_t size, size_t offset)
{
    if (size <= WHOLE || offset % WHOLE < PIECE - 1)
        return offset + 1;
    size_t step = size <= 256 * KIB ? 4 * KIB : 64 * KIB;
    size_t next = (offset / step + 1) * step;
    if (next >= size && offset < size - PIECE)
        return size - PIECE;
    return offset >= size - PIECE ? offset + 1 : next;
}

static void use(struct block *block)
{
    for (size_t i = 0; i < block->size; i = next_used(block->size, i))
        block->at[i] = byte_of(block, i);
}

static void verify(const struct block *block, size_t kept)
{
    for (size_t i = 0; i < block->size && i < kept; i = next_used(block->size, i))
        if (block->at[i] != byte_of(block, i))
            workload_fail("a block lost its contents");
}

static void verify_zero(const unsigned char *at, size_t size)
{
    size_t step = size <= 64 * KIB ? 1 : 64;
    for (size_t i = 0; i < size; i += step)
        if (at[i] != 0)
            workload_fail("calloc is not zero");
}

static void verify_apart(const struct worker *worker, const struct block *block)
{
    for (int i = 0; i < OWN; i++) {
        const struct block *other = &worker->own[i];
        if (other->at != NULL && other->at < block->at + block->size &&
            block->at < other->at + other->size)
            workload_fail("two blocks overlap");
    }
}

/* ---- operations -------------------------------------------------------- */

static size_t pick_size(struct worker *worker)
{
    uint32_t kind = next_random(&worker->state) % 128;
    if (worker->large)
        kind = 96 + kind / 4;
    size_t most = kind < 80    ? 1000
                  : kind < 104 ? 60 * KIB
                  : kind < 118 ? 700 * KIB
                  : kind < 125 ? 6 * MIB
                               : 40 * MIB;
    return next_random(&worker->state) % most + 1;
}

static void *judge(void *result)
{
    if (result == NULL && errno != ENOMEM)
        workload_fail("an allocation failed with another errno than ENOMEM");
    if (result != NULL && errno != UNTOUCHED)
        workload_fail("an allocation that succeeded has changed errno");
    errno = UNTOUCHED;
    return result;
}

static void create(struct worker *worker, struct block *block)
{
    uint32_t kind = next_random(&worker->state) % 8;
    size_t size = pick_size(worker);
    size_t alignment = (size_t)16 << next_random(&worker->state) % (kind == 7 ? 19 : 10);
    void *at = NULL;
    if (kind < 2) {
        at = judge(hak_calloc(1, size));
        if (at != NULL)
            verify_zero(at, size);
    } else if (kind == 2) {
        int error = hak_posix_memalign(&at, alignment, size);
        if (error != 0 && error != ENOMEM)
            workload_fail("posix_memalign failed with something else than ENOMEM");
        if (errno != UNTOUCHED)
            workload_fail("posix_memalign has changed errno");
    } else if (kind == 3 || kind == 7) {
        at = judge(hak_aligned_alloc(alignment, size));
    } else {
        at = judge(hak_malloc(size));
    }
    if (at == NULL)
        return;
    if ((uintptr_t)at % (kind == 2 || kind == 3 || kind == 7 ? alignment : 16) != 0)
        workload_fail("a block is not aligned");
    struct block fresh = {at, size, next_random(&worker->state)};
    verify_apart(worker, &fresh);
    *block = fresh;
    if (next_random(&worker->state) % 8 != 0)
        use(block);
    else
        block->size = 0; /* freed without ever having been written */
}

static void destroy(struct block *block)
{
    if (block->at == NULL)
        return;
    verify(block, block->size);
    hak_free(block->at);
    if (errno != UNTOUCHED)
        workload_fail("free has changed errno");
    block->at = NULL;
}

static void resize(struct worker *worker, struct block *block)
{
    size_t size = pick_size(worker);
    if (block->size > 64 * KIB && next_random(&worker->state) % 2 != 0)
        size = block->size / 2 + next_random(&worker->state) % (block->size * 2);
    if (size > 80 * MIB)
        size = 80 * MIB;
    struct block old = *block;
    block->at = NULL;
    unsigned char *moved = judge(hak_realloc(old.at, size));
    if (moved == NULL) {
        verify(&old, old.size);
        *block = old;
        return;
    }
    old.at = moved;
    verify(&old, size);
    struct block fresh = {moved, size, next_random(&worker->state)};
    verify_apart(worker, &fresh);
    use(&fresh);
    *block = fresh;
}

static void exchange(struct worker *worker, struct block *block)
{
    struct block *place = &exchanged[next_random(&worker->state) % EXCHANGED];
    pthread_mutex_lock(&exchange_lock);
    struct block other = *place;
    *place = *block;
    *block = other;
    pthread_mutex_unlock(&exchange_lock);
}

static void step(struct worker *worker)
{
    struct block *block = &worker->own[next_random(&worker->state) % OWN];
    uint32_t what = next_random(&worker->state) % 256;
    if (what == 0)
        hak_purge(HAK_PURGE_PROCESS, 0);
    else if (what < 40)
        exchange(worker, block);
    else if (block->at == NULL)
        create(worker, block);
    else if (what < 140)
        destroy(block);
    else if (what < 230)
        resize(worker, block);
    else
        verify(block, block->size);
}

static void destroy_all(struct block *block, int count)
{
    for (int i = 0; i < count; i++)
        destroy(&block[i]);
}

static void *work(void *context)
{
    struct worker *worker = context;
    errno = UNTOUCHED;
    for (int i = 0; i < worker->operations; i++)
        step(worker);
    destroy_all(worker->own, OWN);
    return NULL;
}

static void end_all(void)
{
    errno = UNTOUCHED;
    destroy_all(exchanged, EXCHANGED);
}

/* ---- workloads --------------------------------------------------------- */

static void mixed(uint32_t seed)
{
    static struct worker worker;
    begin(&worker, seed, 500, false);
    work(&worker);
    end_all();
}

/* Many blocks guarded, as it was marked from the start, and as where the system cannot do that. */
static void guarded(uint32_t seed)
{
    hak_store_relaxed(&hak__guard_interval, 20000);
    mixed(seed);
    hak_store_relaxed(&hak__guard_interval, 0);
}

static void large(uint32_t seed)
{
    static struct worker worker;
    begin(&worker, seed, 120, true);
    work(&worker);
    end_all();
}

static void run_threads(uint32_t seed, int operations)
{
    static struct worker worker[THREADS];
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++) {
        begin(&worker[i], seed + (uint32_t)i * 7919, operations, i == 3);
        if (pthread_create(&thread[i], NULL, work, &worker[i]) != 0)
            workload_fail("cannot start a thread");
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

static void threads(uint32_t seed)
{
    run_threads(seed, 150);
    end_all();
}

/* Threads that live for a few operations and leave blocks to those that follow. */
static void churn(uint32_t seed)
{
    for (uint32_t i = 0; i < 12; i++)
        run_threads(seed * 100 + i, 15);
    end_all();
}

static void in_child(struct worker *worker)
{
    alarm(60);
    hak_secret_renew(); /* whatever is refused */
    errno = UNTOUCHED;
    worker->operations = 40;
    work(worker);
    end_all();
    _exit(0);
}

static void *fork_at_times(void *context)
{
    struct worker *worker = context;
    errno = UNTOUCHED;
    for (int i = 0; i < 120; i++) {
        step(worker);
        if (i % 40 != 39)
            continue;
        pthread_mutex_lock(&exchange_lock);
        pid_t child = fork();
        pthread_mutex_unlock(&exchange_lock);
        if (child == 0)
            in_child(worker);
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            workload_fail("a forked child ended badly");
        errno = UNTOUCHED;
    }
    destroy_all(worker->own, OWN);
    return NULL;
}

static void forks(uint32_t seed)
{
    static struct worker forker, other;
    pthread_t thread[2];
    begin(&forker, seed, 0, false);
    begin(&other, seed + 1, 120, false);
    if (pthread_create(&thread[0], NULL, fork_at_times, &forker) != 0 ||
        pthread_create(&thread[1], NULL, work, &other) != 0)
        workload_fail("cannot start a thread");
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    end_all();
}

/* Much of one size and nothing afterwards, then zeroed blocks from the same memory. */
static void bursts(uint32_t seed)
{
    enum { MOST = 20000 };
    static const size_t sizes[] = {100, 1000, 9000, 50000, 200000, 3000000};
    static struct block block[MOST];
    struct worker worker;
    begin(&worker, seed, 0, false);
    errno = UNTOUCHED;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = sizes[(i + seed) % (sizeof sizes / sizeof *sizes)];
        int count = (int)(4 * MIB / size) < MOST ? (int)(4 * MIB / size) : MOST;
        for (int k = 0; k < count; k++) {
            block[k] = (struct block){judge(hak_malloc(size)), size, next_random(&worker.state)};
            if (block[k].at != NULL)
                use(&block[k]);
        }
        destroy_all(block, count);
        if (next_random(&worker.state) % 2 != 0)
            hak_purge(HAK_PURGE_PROCESS, 0);
        for (int k = 0; k < 5; k++) {
            void *zeroed = judge(hak_calloc(3, size));
            if (zeroed != NULL)
                verify_zero(zeroed, 3 * size);
            hak_free(zeroed);
        }
    }
    end_all();
}

/* As profile_dump does it. The first name is free: whatever has it is taken away. */
static void write_file(int number)
{
    char first[64], second[64];
    snprintf(first, sizeof first, "/tmp/hakmem-faults-%d-%d.new", (int)getpid(), number);
    snprintf(second, sizeof second, "/tmp/hakmem-faults-%d-%d", (int)getpid(), number);
    int file = hak__os_create(first);
    if (file >= 0)
        hak__os_close(file);
    hak__os_rename(first, second);
    unlink(first);
    unlink(second);
    errno = UNTOUCHED;
}

/*
 * Whole SuperSlabs as huge pages, files, statistics, sleep. What stays resident is not steady: of
 * a SuperSlab in huge pages nothing is purged while a block lives in it.
 */
static void rest(uint32_t seed)
{
    char text[64];
    int fd = open("/dev/null", O_WRONLY);
    hak_option_set("thp_min", "1M");
    hak_stats_print(fd, HAK_STATS_TEXT);
    for (int i = 0; i < 8; i++) {
        errno = UNTOUCHED;
        hak__os_read_file("/etc/passwd", text, sizeof text, i % 2 != 0);
        hak__os_program_file(text, sizeof text);
        hak__os_mark_file("/etc/passwd");
        hak__os_process();
        hak__os_thread();
        hak__os_can_read(text);
        int file = hak__os_append("/dev/null");
        if (file >= 0)
            hak__os_close(file);
        write_file(i);
        hak__maps_write(fd);
        hak__os_is_open(fd);
        int special = hak__os_open_special("/dev/null");
        if (special >= 0)
            hak__os_close(special);
        hak__os_random();
        int copy = hak__os_duplicate(fd);
        if (errno != UNTOUCHED)
            workload_fail("a call of lib/os has changed errno");
        if (copy >= 0)
            close(copy);
    }
    close(fd);
    bursts(seed);
    mixed(seed);
    hak_option_set("thp_min", "0");
}

/* As in a process that has called mlockall: what cannot be locked is not handed out. */
static void locked(uint32_t seed)
{
    static char page[WHOLE];
    hak__os_lock_limit();
    hak__os_lock(page, sizeof page, true);
    hak_store_relaxed(&hak__memory_is_locked, true);
    mixed(seed);
    hak__locked_no_more();
    munlockall();
}

/* Blocks that have grown and grow on, several at a time, so that they must move. */
static void growth(uint32_t seed)
{
    enum { BLOCKS = 4, STEPS = 6 };
    static struct worker worker;
    begin(&worker, seed, 0, true);
    errno = UNTOUCHED;
    for (size_t i = 0; i < BLOCKS * STEPS; i++) {
        struct block *block = &worker.own[i % BLOCKS];
        size_t size = 3 * MIB + i / BLOCKS * 4 * MIB + next_random(&worker.state) % MIB;
        unsigned char *grown = judge(hak_realloc(block->at, size));
        if (grown == NULL)
            continue;
        struct block old = {grown, block->size, block->fill};
        if (block->at != NULL)
            verify(&old, old.size);
        *block = (struct block){grown, size, next_random(&worker.state)};
        use(block);
    }
    destroy_all(worker.own, BLOCKS);
}

/* Memory that a thread in the background returns, if it comes, from threads that sleep, if it can. */
static void background(uint32_t seed)
{
    enum { LOOKS = 50, LOOK_US = 10000 };
    hak_option_set("background", "1");
    hak_option_set("decay_ms", "80");
    bursts(seed);
    void *large = judge(hak_malloc(3 * MIB / 2));
    for (int i = 0; i < LOOKS && hak_load_relaxed(&hak__purger) == HAK_PURGER_THERE; i++)
        usleep(LOOK_US);
    hak_free(large);
    hak_option_set("background", "0");
    for (int i = 0; i < 5 * LOOKS && hak_load_relaxed(&hak__purger) == HAK_PURGER_THERE; i++)
        usleep(LOOK_US);
    hak_option_set("decay_ms", "10000");
    if (hak_load_relaxed(&hak__purger) == HAK_PURGER_THERE)
        workload_fail("the thread in the background does not end");
}

static void *end_at_once(void *unused)
{
    return unused;
}

/* A little of everything, for cases of which there are many. */
static void brief(uint32_t seed)
{
    static struct worker worker;
    char text[64];
    int fd = open("/dev/null", O_WRONLY);
    hak_option_set("thp_min", "1");
    begin(&worker, seed, 40, false);
    work(&worker);
    growth(seed);
    run_threads(seed, 8);
    end_all();
    hak_stats_print(fd, HAK_STATS_TEXT);
    hak__os_barrier_prepare();
    hak__os_barrier();
    hak__os_name_thread("faults");
    hak__thread_start(end_at_once);
    hak__os_read_file("/etc/passwd", text, sizeof text, true);
    hak__os_program_file(text, sizeof text);
    hak__os_mark_file("/etc/passwd");
    hak__os_random();
    int copy = hak__os_duplicate(fd);
    if (copy >= 0)
        close(copy);
    void *page = hak__os_map(WHOLE);
    if (page != NULL) {
        hak__os_protect(page, WHOLE, false);
        hak__os_protect(page, WHOLE, true);
        hak__os_unmap_unused(page, WHOLE);
    }
    hak__os_yield();
    hak__os_sleep_us(1);
    close(fd);
    hak_option_set("thp_min", "0");
}

const struct workload workloads[] = {
    {"mixed", mixed, true},  {"guarded", guarded, true}, {"large", large, true}, {"threads", threads, false},
    {"churn", churn, false}, {"forks", forks, false}, {"bursts", bursts, true},
    {"rest", rest, false},   {"background", background, false}, {"growth", growth, true}, {"locked", locked, false},
};
const int workload_count = sizeof workloads / sizeof *workloads;
const struct workload brief_workload = {"brief", brief, false};

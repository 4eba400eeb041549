/* SPDX-License-Identifier: MIT */
/*
 * relay THREADS BATCHES LARGEST SEED: no block is freed by the thread that allocated it, as
 * in programs whose threads each do one part of the work: one reads, the next parses, the
 * next answers.
 *
 * Each thread allocates blocks in batches of 64 and puts each batch into the mailbox of
 * another thread at random. It frees what it finds in its own mailbox.
 *
 * BATCHES  of each thread
 * LARGEST  size of the blocks in bytes, all from 16 alike. The batch itself is a block too,
 *          of 528 bytes. A malloc is an operation, and a free.
 */
#include <sched.h>
#include <stdatomic.h>

#include "bench.h"

enum { BATCH = 64, SMALLEST = 16, MOST_WAITING = 64 };

struct batch {
    struct batch *next; /* in the mailbox */
    struct mailbox *from;
    char *block[BATCH];
};

/* Any thread pushes a batch; the owner takes all batches at once. */
struct mailbox {
    _Alignas(64) _Atomic(struct batch *) first;
    _Alignas(64) atomic_uint waiting; /* batches of the owner that nobody has freed yet */
};

static struct mailbox mailbox[BENCH_THREADS];
static _Alignas(64) atomic_size_t working; /* threads that still send */
static size_t threads;
static uint64_t batches;
static uint32_t range, seed;

static struct batch *made(uint32_t *state)
{
    struct batch *batch = bench_malloc(sizeof *batch);
    for (size_t i = 0; i < BATCH; i++) {
        batch->block[i] = bench_malloc(SMALLEST + bench_below(state, range));
        batch->block[i][0] = (char)i;
    }
    return batch;
}

static void send(struct mailbox *to, struct batch *batch)
{
    batch->next = atomic_load_explicit(&to->first, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&to->first, &batch->next, batch,
                                                  memory_order_release, memory_order_relaxed))
        continue;
}

/* Frees all that is in a mailbox; whether there was anything. */
static bool receive(struct mailbox *mine)
{
    struct batch *batch = atomic_exchange_explicit(&mine->first, NULL, memory_order_acquire);
    bool found = batch != NULL;
    while (batch != NULL) {
        struct batch *next = batch->next;
        for (size_t i = 0; i < BATCH; i++)
            free(batch->block[i]);
        atomic_fetch_sub_explicit(&batch->from->waiting, 1, memory_order_relaxed);
        free(batch);
        batch = next;
    }
    return found;
}

static void *work(void *number)
{
    size_t own = (size_t)number;
    struct mailbox *mine = &mailbox[own];
    uint32_t state = bench_seed(seed, own);
    for (uint64_t i = 0; i < batches; i++) {
        size_t other = own + 1 + bench_below(&state, (uint32_t)threads - 1);
        struct batch *batch = made(&state);
        batch->from = mine;
        atomic_fetch_add_explicit(&mine->waiting, 1, memory_order_relaxed);
        send(&mailbox[other % threads], batch);
        receive(mine);
        while (atomic_load_explicit(&mine->waiting, memory_order_relaxed) >= MOST_WAITING)
            if (!receive(mine))
                sched_yield();
    }
    atomic_fetch_sub_explicit(&working, 1, memory_order_release);
    while (atomic_load_explicit(&working, memory_order_acquire) > 0)
        if (!receive(mine))
            sched_yield();
    receive(mine);
    return NULL;
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: relay THREADS BATCHES LARGEST SEED\n"
                                "e.g.   relay 2 100000 500 42\n";
    bench_help(argc, argv, usage, 4, 4);
    threads = (size_t)bench_number(argv[1], 2, BENCH_THREADS, "THREADS");
    batches = bench_number(argv[2], 1, INT64_MAX, "BATCHES");
    range = (uint32_t)bench_number(argv[3], SMALLEST, 1 << 30, "LARGEST") - SMALLEST + 1;
    seed = (uint32_t)bench_number(argv[4], 0, UINT32_MAX, "SEED");
    atomic_init(&working, threads);
    double start = bench_now();
    bench_run(threads, work);
    bench_report((double)threads * (double)batches * (BATCH + 1) * 2, bench_now() - start);
    return 0;
}

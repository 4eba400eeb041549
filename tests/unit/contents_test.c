/* SPDX-License-Identifier: MIT */
/*
 * contents [THREADS OPERATIONS]: blocks keep their contents under random
 * allocation, reallocation and freeing by several threads that hand blocks to
 * each other, in generations of threads. Without arguments: 1, 2, 4, 8 and 16.
 */
#include <hakmem/hakmem.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef TEST_LIBC_NAMES
#define hak_malloc malloc
#define hak_calloc calloc
#define hak_realloc realloc
#define hak_aligned_alloc aligned_alloc
#define hak_free free
#endif

enum { OWN = 256, SHARED = 512, GENERATIONS = 3 };

struct block {
    size_t size;
    unsigned char fill;
    unsigned char bytes[];
};

static _Atomic(struct block *) exchange[SHARED];
static long operations;

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 7;
}

static void fail(const char *what)
{
    fprintf(stderr, "contents: %s\n", what);
    abort();
}

static void verify(const struct block *block, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (block->bytes[i] != block->fill)
            fail("a block lost its contents");
}

static size_t pick_size(uint32_t *state)
{
    uint32_t kind = next_random(state) % 100;
    size_t most = kind < 80 ? 200 : kind < 95 ? 5000 : kind < 99 ? 60000 : 400000;
    return 1 + next_random(state) % most;
}

static struct block *fill(struct block *block, size_t size, uint32_t *state)
{
    if (block == NULL)
        fail("out of memory");
    block->size = size;
    block->fill = (unsigned char)next_random(state);
    memset(block->bytes, block->fill, size);
    return block;
}

static struct block *create(uint32_t *state)
{
    size_t size = pick_size(state);
    size_t bytes = sizeof(struct block) + size;
    struct block *block = NULL;
    switch (next_random(state) % 4) {
    case 0:
        block = hak_calloc(1, bytes);
        if (block != NULL)
            for (size_t i = 0; i < size; i++)
                if (block->bytes[i] != 0)
                    fail("calloc is not zero");
        break;
    case 1: {
        size_t alignment = (size_t)16 << next_random(state) % 9;
        block = hak_aligned_alloc(alignment, bytes);
        if ((uintptr_t)block % alignment != 0)
            fail("wrong alignment");
        break;
    }
    default:
        block = hak_malloc(bytes);
    }
    if ((uintptr_t)block % 16 != 0)
        fail("wrong alignment");
    return fill(block, size, state);
}

static struct block *change(struct block *block, uint32_t *state)
{
    size_t size = pick_size(state);
    size_t kept = size < block->size ? size : block->size;
    struct block *moved = hak_realloc(block, sizeof *block + size);
    if (moved == NULL)
        fail("out of memory");
    verify(moved, kept);
    return fill(moved, size, state);
}

static void destroy(struct block *block)
{
    if (block != NULL)
        verify(block, block->size);
    hak_free(block);
}

static void *work(void *seed)
{
    uint32_t state = (uint32_t)(uintptr_t)seed;
    struct block *own[OWN] = {NULL};
    for (long i = 0; i < operations; i++) {
        struct block **slot = &own[next_random(&state) % OWN];
        switch (next_random(&state) % 4) {
        case 0:
            *slot = atomic_exchange_explicit(&exchange[next_random(&state) % SHARED], *slot,
                                             memory_order_acq_rel);
            break;
        case 1:
            if (*slot != NULL)
                *slot = change(*slot, &state);
            break;
        default:
            destroy(*slot);
            *slot = *slot == NULL ? create(&state) : NULL;
        }
    }
    for (int i = 0; i < OWN; i++)
        destroy(own[i]);
    return NULL;
}

static void run(int threads)
{
    for (int generation = 0; generation < GENERATIONS; generation++) {
        pthread_t thread[64];
        for (int i = 0; i < threads; i++)
            if (pthread_create(&thread[i], NULL, work,
                               (void *)(uintptr_t)(generation * 1000 + i + 1)) != 0)
                fail("cannot start a thread");
        for (int i = 0; i < threads; i++)
            pthread_join(thread[i], NULL);
    }
    for (int i = 0; i < SHARED; i++)
        destroy(atomic_exchange_explicit(&exchange[i], NULL, memory_order_acquire));
}

int main(int argc, char **argv)
{
    static const int counts[] = {1, 2, 4, 8, 16};
    operations = argc > 2 ? atol(argv[2]) : 40000;
    if (argc > 1) {
        run(atoi(argv[1]) > 64 ? 64 : atoi(argv[1]));
        return 0;
    }
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        run(counts[i]);
        operations = operations * 2 / 3;
    }
    return 0;
}

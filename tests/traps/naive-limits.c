/* SPDX-License-Identifier: MIT */
/*
 * What an allocator looks like that has not met the traps: libc's, with a lock, a thread cache or
 * a reservation put in front as a first draft would have them. NAIVE names the mistake.
 *
 *     lock       a lock that fork knows nothing about
 *     atfork     the lock is taken by handlers of fork, which are not expected to allocate
 *     cache      freed blocks stay with the thread, however many, and go unreturned when it ends
 *     reserve    64 GiB of address space are set aside, readable and writable, at the start
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

extern void *__libc_malloc(size_t size);
extern void __libc_free(void *block);

enum mistake { NONE, LOCK, ATFORK, CACHE, RESERVE };

static enum mistake mistake;
static bool chosen;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *region, *region_end; /* RESERVE: handed out from its start */

/* In front of every block; 32 bytes keep the alignment. */
struct header {
    size_t size;
    struct header *next;
    uintptr_t origin, unused;
};

enum { CACHED_MAX = 4096 };
static __thread struct header *cached[CACHED_MAX / 16 + 1];

static void take_lock(void)
{
    pthread_mutex_lock(&lock);
}

static void drop_lock(void)
{
    pthread_mutex_unlock(&lock);
}

static void reserve(size_t size)
{
    region = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                  -1, 0);
    if (region == MAP_FAILED) {
        static const char text[] = "naive: no address space\n";
        (void)!write(2, text, sizeof text - 1);
        abort();
    }
    region_end = region + size;
}

static void choose(void)
{
    static const char *const names[] = {"", "lock", "atfork", "cache", "reserve"};
    chosen = true;
    const char *wanted = getenv("NAIVE");
    for (int i = 0; wanted != NULL && i <= RESERVE; i++)
        if (strcmp(wanted, names[i]) == 0)
            mistake = (enum mistake)i;
    if (mistake == RESERVE)
        reserve((size_t)64 << 30);
}

static __attribute__((constructor)) void begin(void)
{
    if (!chosen)
        choose();
    if (mistake == ATFORK)
        pthread_atfork(take_lock, drop_lock, drop_lock);
}

static struct header **bin_of(size_t size)
{
    return mistake == CACHE && size <= CACHED_MAX ? &cached[size / 16] : NULL;
}

static struct header *fresh(size_t size)
{
    if (region != NULL) {
        struct header *block = (struct header *)region;
        if (size > (size_t)(region_end - region))
            return NULL;
        region += size;
        return block;
    }
    return __libc_malloc(size);
}

static void *allocate(size_t size)
{
    if (!chosen)
        choose();
    if (size > PTRDIFF_MAX - 4096) {
        errno = ENOMEM;
        return NULL;
    }
    size = (size + sizeof(struct header) + 15) / 16 * 16;
    bool locking = mistake == LOCK || mistake == ATFORK;
    if (locking)
        take_lock();
    struct header **bin = bin_of(size);
    struct header *block = bin != NULL ? *bin : NULL;
    if (block != NULL)
        *bin = block->next;
    else if ((block = fresh(size)) != NULL)
        block->size = size;
    if (locking)
        drop_lock();
    if (block == NULL)
        errno = ENOMEM;
    return block != NULL ? block + 1 : NULL;
}

EXPORT void *malloc(size_t size)
{
    return allocate(size);
}

EXPORT void free(void *pointer)
{
    if (pointer == NULL)
        return;
    struct header *block = (struct header *)pointer - 1;
    struct header **bin = bin_of(block->size);
    bool locking = mistake == LOCK || mistake == ATFORK;
    if (locking)
        take_lock();
    if (bin != NULL) {
        block->next = *bin;
        *bin = block;
    } else if (region == NULL) {
        __libc_free(block);
    }
    if (locking)
        drop_lock();
}

EXPORT void *calloc(size_t count, size_t size)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = allocate(bytes);
    return block != NULL ? memset(block, 0, bytes) : NULL;
}

EXPORT void *realloc(void *pointer, size_t size)
{
    if (pointer == NULL)
        return allocate(size);
    size_t old = ((struct header *)pointer - 1)->size - sizeof(struct header);
    void *block = allocate(size);
    if (block == NULL)
        return NULL;
    memcpy(block, pointer, old < size ? old : size);
    free(pointer);
    return block;
}

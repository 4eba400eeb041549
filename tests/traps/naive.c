/* SPDX-License-Identifier: MIT */
/*
 * The malloc that falls into the traps: blocks from a mapping, one behind the other, a word in front
 * of each that tells its own from others', and nothing of what libhakmem does about the rest.
 *
 *   NAIVE_TLS      bytes of thread-local memory
 *   NAIVE_SETTINGS start-up as most people would write it: names of libc, under a lock
 *   NAIVE_MORE     every block asks the system for what a sandbox may not know
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { GRANULE = 16, REGION = 64 << 20 };
#define SIGN ((size_t)0x6e616976)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *next, *end;

#ifdef NAIVE_TLS
static __thread char thread_state[NAIVE_TLS] __attribute__((tls_model("initial-exec")));
#endif

#ifdef NAIVE_SETTINGS
static int started;

static void start_locked(void)
{
    if (started)
        return;
    char text[16];
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, sizeof text) >= 0)
        close(fd);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_key_t key;
    pthread_key_create(&key, NULL);
    pthread_setspecific(key, &key);
    pthread_atfork(NULL, NULL, NULL);
    if (getenv("NAIVE") != NULL || secure_getenv("NAIVE") != NULL || getauxval(AT_SECURE) != 0 ||
        sysconf(_SC_NPROCESSORS_ONLN) < 1 || syscall(SYS_getpid) != getpid() ||
        sched_getcpu() < 0 || dlsym(RTLD_NEXT, "malloc") == NULL)
        abort();
    started = 1;
}
#endif

static void region_locked(void)
{
    next = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                -1, 0);
    if (next == MAP_FAILED)
        abort();
    end = next + REGION;
}

static void *take(size_t alignment, size_t size)
{
    if (size > REGION / 2) {
        errno = ENOMEM;
        return NULL;
    }
    pthread_mutex_lock(&lock);
#ifdef NAIVE_SETTINGS
    start_locked();
#endif
    if (next == NULL || (size_t)(end - next) < size + 2 * alignment)
        region_locked();
    uintptr_t block = ((uintptr_t)next + GRANULE + alignment - 1) & ~(uintptr_t)(alignment - 1);
    next = (char *)((block + size + GRANULE - 1) & ~(uintptr_t)(GRANULE - 1));
    pthread_mutex_unlock(&lock);
#ifdef NAIVE_MORE
    madvise((void *)(block & ~(uintptr_t)4095), 4096, MADV_NOHUGEPAGE);
#endif
#ifdef NAIVE_TLS
    thread_state[0]++;
#endif
    ((size_t *)block)[-1] = size;
    ((size_t *)block)[-2] = SIGN;
    return (void *)block;
}

static size_t size_of(void *block)
{
    static const char message[] = "naive: not a block of this malloc\n";
    if (((size_t *)block)[-2] != SIGN) {
        if (write(2, message, sizeof message - 1) < 0)
            abort();
        abort();
    }
    return ((size_t *)block)[-1];
}

void *malloc(size_t size)
{
    return take(GRANULE, size);
}

void free(void *block)
{
    if (block != NULL)
        size_of(block);
}

void *calloc(size_t count, size_t size)
{
    void *block = take(GRANULE, count * size);
    return block != NULL ? memset(block, 0, count * size) : NULL;
}

void *realloc(void *block, size_t size)
{
    size_t old = block != NULL ? size_of(block) : 0;
    void *fresh = take(GRANULE, size);
    return fresh != NULL ? memcpy(fresh, block, old < size ? old : size) : NULL;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return take(alignment < GRANULE ? GRANULE : alignment, size);
}

void *memalign(size_t alignment, size_t size)
{
    return aligned_alloc(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    *out = aligned_alloc(alignment, size);
    return *out != NULL ? 0 : ENOMEM;
}

size_t malloc_usable_size(void *block)
{
    return block != NULL ? size_of(block) : 0;
}

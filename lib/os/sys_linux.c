/* SPDX-License-Identifier: MIT */
/* Everything but memory from Linux: environment, time, chance, sleep, output. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/stat.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/annotate.h"
#include "base/atomic.h"
#include "os/call.h"
#include "os/os.h"

#ifndef SYS_futex
#define SYS_futex SYS_futex_time64
#endif

bool hak__os_random_anew(uint64_t *bits)
{
    long got = hak__call(SYS_getrandom, bits, sizeof *bits, 1 /* GRND_NONBLOCK */);
    return got == (long)sizeof *bits;
}

uint64_t hak__os_random(void)
{
    uint64_t bits = 0;
    if (hak__os_random_anew(&bits))
        return bits;
    const void *seed = (const void *)hak__auxiliary(AT_RANDOM);
    if (seed != NULL)
        memcpy(&bits, seed, sizeof bits);
    return bits ^ (uint64_t)(uintptr_t)&bits;
}

int64_t hak__os_now_ms(void)
{
    struct timespec now;
    int saved = errno;
    int failed = clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    errno = saved;
    return failed ? 0 : (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool hak__os_is_secure(void)
{
    return hak__auxiliary(AT_SECURE) != 0;
}

const char *hak__os_environment(const char *name)
{
    size_t length = strlen(name);
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++)
        if (**entry == *name && strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
            return *entry + length + 1;
    return NULL;
}

const char *hak__os_program_path(void)
{
    return (const char *)hak__auxiliary(AT_EXECFN);
}

uintptr_t hak__os_linker(void)
{
    return hak__auxiliary(AT_BASE);
}

bool hak__os_program_file(char *path, size_t size)
{
    long got = hak__call(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", path, size);
    bool whole = !hak__call_failed(got) && (size_t)got < size;
    if (whole)
        path[got] = '\0';
    return whole;
}

int hak__os_process(void)
{
    return (int)hak__call(SYS_getpid);
}

int hak__os_thread(void)
{
    return (int)hak__call(SYS_gettid);
}

const char *hak__os_program_name(void)
{
    const char *path = hak__os_program_path();
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    return slash != NULL ? slash + 1 : path != NULL ? path : "";
}

static int open_to_write(const char *path, int how)
{
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    return (int)hak__call(SYS_openat, AT_FDCWD, path, flags | how, 0666);
}

int hak__os_append(const char *path)
{
    return open_to_write(path, O_APPEND);
}

int hak__os_create(const char *path)
{
    hak__os_unlink(path);
    return open_to_write(path, O_EXCL);
}

/* A folder has a link for each of its folders and two of its own. */
unsigned hak__os_thread_count(void)
{
    struct statx status;
    bool there = hak__call(SYS_statx, AT_FDCWD, "/proc/self/task", 0, STATX_NLINK, &status) == 0;
    return there && status.stx_nlink > 2 ? status.stx_nlink - 2 : 0;
}

int hak__os_open_special(const char *path)
{
    struct statx status;
    bool there = hak__call(SYS_statx, AT_FDCWD, path, 0, STATX_TYPE, &status) == 0;
    if (!there || (status.stx_mode & S_IFMT) == S_IFREG || (status.stx_mode & S_IFMT) == S_IFDIR)
        return -ENOENT;
    return (int)hak__call(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

int hak__os_rename(const char *from, const char *to)
{
    return (int)-hak__call(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

void hak__os_unlink(const char *path)
{
    hak__call(SYS_unlinkat, AT_FDCWD, path, 0);
}

bool hak__os_is_open(int fd)
{
    return hak__call(SYS_fcntl, fd, F_GETFD) >= 0;
}

void hak__os_close(int fd)
{
    hak__call(SYS_close, fd);
}

/* Whether an open file is root's and nobody else may write to it. */
static bool is_trusted(long fd)
{
    struct statx status;
    unsigned wanted = STATX_TYPE | STATX_MODE | STATX_UID;
    return hak__call(SYS_statx, fd, "", AT_EMPTY_PATH, wanted, &status) == 0 &&
           (status.stx_mask & wanted) == wanted && (status.stx_mode & S_IFMT) == S_IFREG &&
           status.stx_uid == 0 && (status.stx_mode & (S_IWGRP | S_IWOTH)) == 0;
}

size_t hak__os_read_file(const char *path, char *bytes, size_t size, bool trusted)
{
    long fd = hak__call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (hak__call_failed(fd))
        return 0;
    long got = !trusted || is_trusted(fd) ? hak__call(SYS_read, fd, bytes, size) : 0;
    hak__call(SYS_close, fd);
    return hak__call_failed(got) ? 0 : (size_t)got;
}

int hak__os_write(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        long written = hak__call(SYS_write, fd, bytes, size);
        if (!hak__call_failed(written)) {
            bytes += written;
            size -= (size_t)written;
        } else if (written != -EINTR) {
            return (int)-written;
        }
    }
    return 0;
}

int hak__os_duplicate(int fd)
{
    static const int least[] = {900, 3}; /* below 1024, the usual limit; or any */
    long copy = -1;
    for (size_t i = 0; i < HAK_COUNT_OF(least) && copy < 0; i++)
        copy = hak__call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, least[i]);
    return copy < 0 ? -1 : (int)copy;
}

void hak__os_wait(void *word, uint32_t value, unsigned microseconds)
{
    long seconds_and_nanoseconds[2] = {(long)(microseconds / 1000000), (long)(microseconds % 1000000) * 1000};
    hak__call(SYS_futex, word, FUTEX_WAIT_PRIVATE, value,
              microseconds != 0 ? seconds_and_nanoseconds : NULL);
}

void hak__os_wake(void *word)
{
    hak__call(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1);
}

/* A call that does not wake anybody, and compares a word: memory that the program has protected is no fault. */
static long compare_to_zero(const uint32_t *word)
{
    return hak__call(SYS_futex, word, FUTEX_CMP_REQUEUE_PRIVATE, 0, NULL, word, 0);
}

static bool is_zero(const uint32_t *word)
{
    return compare_to_zero(word) != -EAGAIN;
}

/*
 * Changes no mask: there is no such way to. The kernel reads the mask first and then finds that out, at
 * half the cost of a futex call; a system that only resembles it may see it first, or forbid the call,
 * at any time. Memcheck tells of each such way, which is none.
 */
static long offer_mask(uintptr_t address)
{
    const int no_way = -1;
    const long size = 8;
    return hak__call(SYS_rt_sigprocmask, no_way, address, NULL, size);
}

/* What is asked first cannot be read. */
static bool masks_are_read(void)
{
    enum { UNKNOWN, YES, NO };
    static _Atomic int are; /* whoever asks writes the same */
    int known = hak_load_relaxed(&are);
    if (hak__is_watched() || hak__os_is_sandboxed())
        return false;
    if (known == UNKNOWN) {
        known = offer_mask((uintptr_t)-8) == -EFAULT ? YES : NO;
        hak_store_relaxed(&are, known);
    }
    return known == YES;
}

bool hak__os_can_read(const void *address)
{
    uintptr_t eight = (uintptr_t)address & ~(uintptr_t)7;
    long result = eight != 0 && masks_are_read() ? offer_mask(eight) : -ENOSYS;
    if (result == -EINVAL || result == -EFAULT)
        return result == -EINVAL;
    result = compare_to_zero((const uint32_t *)eight);
    return result == 0 || result == -EAGAIN;
}

bool hak__os_is_written(const void *address)
{
    const uint32_t *word = address;
    return !hak__os_is_sandboxed() && (!is_zero(word) || !is_zero(word + 1));
}

size_t hak__os_peak(void)
{
    enum { USAGE_WORDS = 18, PEAK = 4 }; /* of the kernel's struct rusage; in KiB */
    long usage[USAGE_WORDS];
    return hak__call_failed(hak__call(SYS_getrusage, 0, usage)) ? SIZE_MAX : (size_t)usage[PEAK] << 10;
}

/* linux/membarrier.h, which old headers do not have */
enum { BARRIER = 1 << 3, BARRIER_PREPARE = 1 << 4 };

bool hak__os_barrier(void)
{
    return hak__call(SYS_membarrier, BARRIER, 0) == 0;
}

bool hak__os_barrier_prepare(void)
{
    return hak__call(SYS_membarrier, BARRIER_PREPARE, 0) == 0;
}

void hak__os_name_thread(const char *name)
{
    hak__call(SYS_prctl, PR_SET_NAME, name);
}

void hak__os_yield(void)
{
    hak__call(SYS_sched_yield);
}

/*
 * Most often not a system call: what the C library has of rseq(2), or the vDSO. On aarch64, which has no
 * such vDSO, it is one before glibc 2.35 or where rseq is off, and sandboxes kill for it.
 */
unsigned hak__os_cpu(void)
{
    int saved = errno;
    int cpu = hak__os_is_sandboxed() ? 0 : sched_getcpu();
    errno = saved;
    return cpu > 0 ? (unsigned)cpu : 0;
}

/* No cancellation point, as nanosleep(2) would be. */
void hak__os_sleep_us(unsigned microseconds)
{
    long seconds_and_nanoseconds[2] = {0, (long)microseconds * 1000};
    hak__call(SYS_nanosleep, seconds_and_nanoseconds, NULL);
}

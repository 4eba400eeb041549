/* SPDX-License-Identifier: MIT */
/* Everything but memory from Linux: environment, time, chance, sleep, output. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "os/os.h"

#ifndef SYS_futex
#define SYS_futex SYS_futex_time64
#endif

uint64_t hak__os_random(void)
{
    uint64_t bits = 0;
    int saved = errno;
    long got = syscall(SYS_getrandom, &bits, sizeof bits, 1 /* GRND_NONBLOCK */);
    errno = saved;
    if (got == (long)sizeof bits)
        return bits;
    const void *seed = (const void *)getauxval(AT_RANDOM);
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
    return getauxval(AT_SECURE) != 0;
}

const char *hak__os_environment(const char *name)
{
    size_t length = strlen(name);
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++)
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
            return *entry + length + 1;
    return NULL;
}

const char *hak__os_program_path(void)
{
    return (const char *)getauxval(AT_EXECFN);
}

/* Whether an open file is root's and nobody else may write to it. */
static bool is_trusted(long fd)
{
    struct statx status;
    unsigned wanted = STATX_TYPE | STATX_MODE | STATX_UID;
    return syscall(SYS_statx, fd, "", AT_EMPTY_PATH, wanted, &status) == 0 &&
           (status.stx_mask & wanted) == wanted && (status.stx_mode & S_IFMT) == S_IFREG &&
           status.stx_uid == 0 && (status.stx_mode & (S_IWGRP | S_IWOTH)) == 0;
}

size_t hak__os_read_file(const char *path, char *bytes, size_t size, bool trusted)
{
    int saved = errno;
    size_t length = 0;
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0) {
        long got = !trusted || is_trusted(fd) ? syscall(SYS_read, fd, bytes, size) : -1;
        length = got > 0 ? (size_t)got : 0;
        syscall(SYS_close, fd);
    }
    errno = saved;
    return length;
}

int hak__os_write(int fd, const char *bytes, size_t size)
{
    int saved = errno;
    int error = 0;
    while (size > 0 && error == 0) {
        long written = syscall(SYS_write, fd, bytes, size);
        if (written >= 0) {
            bytes += written;
            size -= (size_t)written;
        } else if (errno != EINTR) {
            error = errno;
        }
    }
    errno = saved;
    return error;
}

void hak__os_wait(void *word, uint32_t value)
{
    int saved = errno;
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
    errno = saved;
}

void hak__os_wake(void *word)
{
    int saved = errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = saved;
}

void hak__os_yield(void)
{
    int saved = errno;
    syscall(SYS_sched_yield);
    errno = saved;
}

void hak__os_sleep_us(unsigned microseconds)
{
    int saved = errno;
    struct timespec time = {.tv_nsec = (long)microseconds * 1000};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
    errno = saved;
}

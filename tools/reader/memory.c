/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "reader/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    WORDS = 2 * sizeof(uint64_t),
    NEAR = 2048,   /* blocks so far apart or less are read together with what lies between them */
    AT_ONCE = 1 << 16,
    PIECES = 512   /* of one system call; the system allows 1024 */
};

bool file_read_at(int fd, uint64_t offset, void *to, size_t size)
{
    while (size > 0) {
        ssize_t got = offset <= INT64_MAX ? pread(fd, to, size, (off_t)offset) : 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got == 0 ? EFAULT : errno;
            return false;
        }
        to = (char *)to + got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return true;
}

bool remote_read(const struct remote_memory *memory, uintptr_t from, void *to, size_t size)
{
    return memory->read(memory->context, (const void *)from, to, size);
}

/* By reading all from the first block on, a part at a time. */
static bool read_near(hak_peek *read, const void *context, uintptr_t from, size_t step, size_t count,
                      uint64_t (*words)[2])
{
    unsigned char part[AT_ONCE];
    while (count > 0) {
        size_t blocks = (sizeof part - WORDS) / step + 1;
        if (blocks > count)
            blocks = count;
        if (!read(context, (const void *)from, part, (blocks - 1) * step + WORDS))
            return false;
        for (size_t i = 0; i < blocks; i++)
            memcpy(words[i], part + i * step, WORDS);
        from += blocks * step;
        words += blocks;
        count -= blocks;
    }
    return true;
}

bool remote_read_starts(const struct remote_memory *memory, uintptr_t from, size_t step, size_t count,
                        uint64_t (*words)[2])
{
    if (memory->starts != NULL)
        return memory->starts(memory->context, from, step, count, words);
    if (step <= NEAR)
        return read_near(memory->read, memory->context, from, step, count, words);
    for (size_t i = 0; i < count; i++)
        if (!remote_read(memory, from + i * step, words[i], WORDS))
            return false;
    return true;
}

/* ---- a process --------------------------------------------------------- */

static bool (*when_read_fails)(int error);

void remote_when_read_fails(bool (*function)(int error))
{
    when_read_fails = function;
}

/* All of it; false with errno. */
static bool read_process(const pid_t *pid, void *to, size_t size, const struct iovec *there, size_t pieces)
{
    struct iovec here = {to, size};
    ssize_t got;
    int error;
    do {
        got = process_vm_readv(__atomic_load_n(pid, __ATOMIC_RELAXED), &here, 1, there, pieces, 0);
        if (got == (ssize_t)size)
            return true;
        error = got < 0 ? errno : EFAULT;
    } while (when_read_fails != NULL && when_read_fails(error));
    errno = error;
    return false;
}

static bool peek(const void *context, const void *from, void *to, size_t size)
{
    return read_process(context, to, size, &(struct iovec){(void *)from, size}, 1);
}

static bool peek_starts(const void *context, uintptr_t from, size_t step, size_t count,
                        uint64_t (*words)[2])
{
    struct iovec there[PIECES];
    if (step <= NEAR)
        return read_near(peek, context, from, step, count, words);
    while (count > 0) {
        size_t pieces = count < PIECES ? count : PIECES;
        for (size_t i = 0; i < pieces; i++)
            there[i] = (struct iovec){(void *)(from + i * step), WORDS};
        if (!read_process(context, words, pieces * WORDS, there, pieces))
            return false;
        from += pieces * step;
        words += pieces;
        count -= pieces;
    }
    return true;
}

struct remote_memory remote_memory_of(const pid_t *pid)
{
    return (struct remote_memory){.read = peek, .context = pid, .starts = peek_starts};
}

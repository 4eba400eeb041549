/* SPDX-License-Identifier: MIT */
/*
 * Memory that is not ours: of a process, in a core, in a snapshot, or of a test. Addresses there are
 * numbers, which are never dereferenced here.
 */
#ifndef HAK_TOOLS_READER_MEMORY_H
#define HAK_TOOLS_READER_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "api/snapshot.h"

/*
 * Copies the first two words of 64 bits of blocks that lie `step` bytes apart; false with errno when
 * one of them cannot be read.
 */
typedef bool remote_starts(const void *context, uintptr_t from, size_t step, size_t count,
                           uint64_t (*words)[2]);

struct remote_memory {
    hak_peek *read;        /* false with errno */
    const void *context;
    remote_starts *starts; /* NULL: by read */
    size_t page_size;      /* of the machine that it is from; 0: as here */
};

/* All of a part of a file; false with errno, which is EFAULT where the file ends before. */
bool file_read_at(int fd, uint64_t offset, void *to, size_t size);

/* The memory of a running process, or of a thread of it. The ID stays where it is, and may change to another's. */
struct remote_memory remote_memory_of(const pid_t *pid);

/* A function to be called, by any thread, when a read of a process fails with that errno; true: read again. */
void remote_when_read_fails(bool (*function)(int error));

bool remote_read(const struct remote_memory *memory, uintptr_t from, void *to, size_t size);
bool remote_read_starts(const struct remote_memory *memory, uintptr_t from, size_t step, size_t count,
                        uint64_t (*words)[2]);

#endif

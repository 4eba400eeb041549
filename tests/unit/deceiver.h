/* SPDX-License-Identifier: MIT */
/* Memory that deceives: that of this process, of which whoever reads it gets some bytes changed by chance. */
#ifndef HAK_TESTS_UNIT_DECEIVER_H
#define HAK_TESTS_UNIT_DECEIVER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "reader/memory.h"

struct deceiver {
    uint64_t random;
    size_t reads;
    unsigned rate; /* of so many reads one is changed */
    pid_t pid;
};

static inline struct deceiver deceiver_of_round(unsigned round)
{
    return (struct deceiver){.random = round * 0x9E3779B97F4A7C15, .rate = 1 + round % 50, .pid = getpid()};
}

static inline uint64_t next_random(struct deceiver *deceiver)
{
    deceiver->random ^= deceiver->random << 13;
    deceiver->random ^= deceiver->random >> 7;
    deceiver->random ^= deceiver->random << 17;
    return deceiver->random;
}

/* Unchanged; what cannot be read has all bits set. Returns how many changes there shall be, at most so many. */
static inline unsigned deceiver_read(struct deceiver *deceiver, const void *from, void *to, size_t size, unsigned most)
{
    struct remote_memory memory = remote_memory_of(&deceiver->pid);
    deceiver->reads++;
    if (!remote_read(&memory, (uintptr_t)from, to, size))
        memset(to, 0xff, size);
    return next_random(deceiver) % deceiver->rate == 0 ? 1 + (unsigned)(next_random(deceiver) % most) : 0;
}

#endif

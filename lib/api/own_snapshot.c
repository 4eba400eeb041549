/* SPDX-License-Identifier: MIT */
#include "api/own_snapshot.h"

#include <string.h>

#include "api/stats_block.h"
#include "base/annotate.h"
#include "base/atomic.h"

/* Memory of this process, which other threads write as they like: 64 bits at once if it can be. */
__attribute__((no_sanitize("thread"))) static bool peek_here(const void *context, const void *from,
                                                             void *to, size_t size)
{
    (void)context;
    size_t at = 0;
    for (; at + sizeof(uint64_t) <= size; at += sizeof(uint64_t)) {
        typedef uint64_t __attribute__((may_alias)) plain;
        const _Atomic uint64_t *word = (const void *)((const char *)from + at);
        uint64_t value = HAK_THREAD_SANITIZER /* which looks at atomics in any function */
                             ? *(const plain *)word
                             : hak_load_relaxed(word);
        memcpy((char *)to + at, &value, sizeof value);
    }
    for (; at < size; at += sizeof(uint32_t)) {
        const _Atomic uint32_t *word = (const void *)((const char *)from + at);
        uint32_t value = hak_load_relaxed(word);
        memcpy((char *)to + at, &value, sizeof value);
    }
    return true;
}

void hak__snapshot(struct hak_snapshot *snapshot)
{
    HAK_UNSEEN;
    hak__snapshot_read(&hak__stats_block, peek_here, NULL, UINT64_MAX, snapshot);
}

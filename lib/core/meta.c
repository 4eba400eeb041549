/* SPDX-License-Identifier: MIT */
#include "core/meta.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/annotate.h"
#include "base/atomic.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/compiler.h"
#include "core/race.h"
#include "core/stats.h"
#include "os/os.h"

/* Behind the first chunk stands more that all processes touch (compiler.h). */
enum { BEHIND_FIRST = 1856, FIRST_CHUNK = 32 * 1024 - BEHIND_FIRST, CHUNK = 256 * 1024 };

/*
 * Memory handed out from its end. Any thread moves `left` back by CAS, which publishes
 * nothing: what it gets is nobody else's, and was zero since the chunk was published. No
 * ABA: `left` never grows.
 */
struct chunk {
    char *bytes;
    _Atomic size_t left;
};

/* A process that allocates little lives from the first chunk without a system call. */
static HAK_FIRST_RECORDS char first_bytes[FIRST_CHUNK];
static struct chunk first_chunk = {first_bytes, FIRST_CHUNK};

HAK_WRITTEN_OFTEN struct hak_lock hak__meta_lock;
static _Atomic(struct chunk *) current = &first_chunk; /* replaced under the lock; release */
_Atomic size_t hak__metadata_bytes = FIRST_CHUNK;

static void *take(struct chunk *chunk, size_t size, size_t alignment)
{
    size_t left = hak_load_relaxed(&chunk->left);
    for (;;) {
        if (size > left)
            return NULL;
        size_t start = hak__align_down(left - size, alignment);
        hak__race_point("record");
        if (hak__shared_cas(hak_cas_relaxed(&chunk->left, &left, start))) {
            hak__annotate_record(chunk->bytes + start, size);
            return chunk->bytes + start;
        }
    }
}

/* A new chunk whose last bytes are its own record. */
static bool add_chunk_locked(size_t size)
{
    size_t needed = hak__align_up(size + sizeof(struct chunk), 64);
    size_t wanted = hak__align_up(needed > CHUNK ? needed : CHUNK, hak__os_page_size());
    char *bytes = hak__os_map(wanted);
    if (bytes == NULL) {
        wanted = hak__align_up(needed, hak__os_page_size());
        bytes = hak__os_map(wanted);
    }
    if (bytes == NULL)
        return false;
    size_t left = wanted - hak__align_up(sizeof(struct chunk), 64);
    struct chunk *chunk = (struct chunk *)(void *)(bytes + left);
    chunk->bytes = bytes;
    hak_store_relaxed(&chunk->left, left);
    hak_add_relaxed(&hak__metadata_bytes, wanted);
    hak_store_release(&current, chunk);
    return true;
}

void *hak__meta_alloc(size_t size, size_t alignment)
{
    HAK_ASSERT(hak__is_power_of_two(alignment) && alignment <= 64);
    void *memory = take(hak_load_acquire(&current), size, alignment);
    if (hak_likely(memory != NULL))
        return memory;
    hak__lock_acquire(&hak__meta_lock);
    memory = take(hak_load_acquire(&current), size, alignment);
    if (memory == NULL && add_chunk_locked(size + alignment))
        memory = take(hak_load_acquire(&current), size, alignment);
    hak__lock_release(&hak__meta_lock);
    return memory;
}

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

enum { FIRST_CHUNK = 32 * 1024, CHUNK = 256 * 1024 };

/*
 * Memory handed out from its start. Any thread moves `used` forward by CAS, which
 * publishes nothing: what it gets is nobody else's, and was zero since the chunk
 * was published. No ABA: `used` never goes back.
 */
struct chunk {
    char *bytes;
    size_t size;
    _Atomic size_t used;
};

/*
 * A process that allocates little lives from the first chunk without a system call. It begins with a
 * page, and so, by the linker's order, all that is aligned less stands together behind it.
 */
static _Alignas(4096) char first_bytes[FIRST_CHUNK];
static struct chunk first_chunk = {first_bytes, FIRST_CHUNK, 0};

struct hak_lock hak__meta_lock;
static _Atomic(struct chunk *) current = &first_chunk; /* replaced under the lock; release */
_Atomic size_t hak__metadata_bytes = FIRST_CHUNK;

static void *take(struct chunk *chunk, size_t size, size_t alignment)
{
    size_t used = hak_load_relaxed(&chunk->used);
    for (;;) {
        size_t start = hak__align_up(used, alignment);
        if (start > chunk->size || size > chunk->size - start)
            return NULL;
        hak__race_point("record");
        if (hak__shared_cas(hak_cas_relaxed(&chunk->used, &used, start + size))) {
            hak__annotate_record(chunk->bytes + start, size);
            return chunk->bytes + start;
        }
    }
}

/* A new chunk whose first bytes are its own record. */
static bool add_chunk_locked(size_t size)
{
    size_t needed = hak__align_up(size + sizeof(struct chunk), 64);
    size_t wanted = hak__align_up(needed > CHUNK ? needed : CHUNK, hak__os_page_size());
    struct chunk *chunk = hak__os_map(wanted);
    if (chunk == NULL) {
        wanted = hak__align_up(needed, hak__os_page_size());
        chunk = hak__os_map(wanted);
    }
    if (chunk == NULL)
        return false;
    chunk->bytes = (char *)chunk;
    chunk->size = wanted;
    hak_store_relaxed(&chunk->used, hak__align_up(sizeof *chunk, 64));
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

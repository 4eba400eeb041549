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

/* A process that allocates little lives from the first chunk without a system call. */
static HAK_FIRST_RECORDS char first_bytes[FIRST_CHUNK];
static struct hak_meta_chunk first_chunk = {first_bytes, FIRST_CHUNK, FIRST_CHUNK, NULL};

HAK_WRITTEN_OFTEN struct hak_lock hak__meta_lock;
_Atomic(struct hak_meta_chunk *) hak__meta_newest = &first_chunk;
_Atomic size_t hak__metadata_bytes = FIRST_CHUNK;

static void *take(struct hak_meta_chunk *chunk, size_t size, size_t alignment)
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

/* A new chunk, with guards around it, whose last bytes are its own record. */
static bool add_chunk_locked(size_t size)
{
    size_t needed = hak__align_up(size + sizeof(struct hak_meta_chunk), 64);
    size_t wanted = hak__align_up(needed > CHUNK ? needed : CHUNK, hak__os_page_size());
    char *bytes = hak__os_map_record(wanted);
    if (bytes == NULL) {
        wanted = hak__align_up(needed, hak__os_page_size());
        bytes = hak__os_map_record(wanted);
    }
    if (bytes == NULL)
        return false;
    size_t left = wanted - hak__align_up(sizeof(struct hak_meta_chunk), 64);
    struct hak_meta_chunk *chunk = (struct hak_meta_chunk *)(void *)(bytes + left);
    chunk->bytes = bytes;
    chunk->size = wanted;
    chunk->older = hak_load_relaxed(&hak__meta_newest);
    hak_store_relaxed(&chunk->left, left);
    hak_add_relaxed(&hak__metadata_bytes, wanted);
    hak_store_release(&hak__meta_newest, chunk);
    return true;
}

void *hak__meta_alloc(size_t size, size_t alignment)
{
    HAK_ASSERT(hak__is_power_of_two(alignment) && alignment <= 64);
    void *memory = take(hak_load_acquire(&hak__meta_newest), size, alignment);
    if (hak_likely(memory != NULL))
        return memory;
    hak__lock_acquire(&hak__meta_lock);
    memory = take(hak_load_acquire(&hak__meta_newest), size, alignment);
    if (memory == NULL && add_chunk_locked(size + alignment))
        memory = take(hak_load_acquire(&hak__meta_newest), size, alignment);
    hak__lock_release(&hak__meta_lock);
    return memory;
}

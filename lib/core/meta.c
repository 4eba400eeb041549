/* SPDX-License-Identifier: MIT */
#include "core/meta.h"

#include <stdint.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "base/check.h"
#include "os/os.h"

enum { FIRST_CHUNK = 32 * 1024, CHUNK = 256 * 1024 };

/* A process that allocates little lives from the first chunk without a system call. */
static char first_chunk[FIRST_CHUNK] HAK_CACHE_ALIGNED;

struct hak_lock hak__meta_lock;
static char *next = first_chunk;              /* under hak__meta_lock: free part of the chunk */
static char *end = first_chunk + FIRST_CHUNK; /* under hak__meta_lock */
static _Atomic size_t mapped = FIRST_CHUNK;   /* written under hak__meta_lock, read by any */

static void *alloc_locked(size_t size, size_t alignment)
{
    char *start = (char *)hak__align_up((uintptr_t)next, alignment);
    if (start > end || size > (size_t)(end - start)) {
        size_t wanted = hak__align_up(size > CHUNK ? size : CHUNK, hak__os_page_size());
        start = hak__os_map(wanted);
        if (start == NULL) {
            wanted = hak__align_up(size, hak__os_page_size());
            start = hak__os_map(wanted);
        }
        if (start == NULL)
            return NULL;
        end = start + wanted;
        hak_add_relaxed(&mapped, wanted);
    }
    next = start + size;
    return start;
}

void *hak__meta_alloc(size_t size, size_t alignment)
{
    HAK_ASSERT(hak__is_power_of_two(alignment) && alignment <= 64);
    hak__lock_acquire(&hak__meta_lock);
    void *memory = alloc_locked(size, alignment);
    hak__lock_release(&hak__meta_lock);
    return memory;
}

size_t hak__meta_mapped(void)
{
    return hak_load_relaxed(&mapped);
}

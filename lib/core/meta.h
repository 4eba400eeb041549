/* SPDX-License-Identifier: MIT */
/*
 * Memory for the library's own records, apart from user data.
 *
 * Records are never given back: each module recycles its own as the same
 * type, so that a stale pointer to a record always leads to a record.
 */
#ifndef HAK_CORE_META_H
#define HAK_CORE_META_H

#include <stddef.h>

#include "os/lock.h"

/* Zeroed memory; alignment is a power of two up to 64. NULL when there is none. Any thread. */
void *hak__meta_alloc(size_t size, size_t alignment);

/* Bytes mapped for records so far; written under the lock, read by any thread. */
extern _Atomic size_t hak__metadata_bytes;

/*
 * Memory that records are taken from, from its end. Any thread moves `left` back by CAS, which publishes
 * nothing: what it gets is nobody else's, and was zero since the chunk was published. No ABA: `left`
 * never grows. The rest is constant, for readers outside of the process, too.
 */
struct hak_meta_chunk {
    char *bytes;
    _Atomic size_t left;
    size_t size;                  /* of all of it */
    struct hak_meta_chunk *older; /* NULL: it is the first */
};

/* The newest; replaced under the lock; release. */
extern _Atomic(struct hak_meta_chunk *) hak__meta_newest;

extern struct hak_lock hak__meta_lock;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The front: allocation and freeing with the semantics of the C library. The
 * functions here set errno as the public ones do.
 */
#ifndef HAK_FRONT_FRONT_H
#define HAK_FRONT_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "harden/harden.h"

/* Slow ends of the fast paths in fast.h. */
void *hak__malloc_slow(size_t size);
/* Above HAK_SMALL_MAX; what the thread does not keep comes from hak__malloc_slow. */
void *hak__malloc_large(size_t size);
/* In the hardened variant: a size of none, or one that no block has. */
void *hak__harden_odd(size_t size, enum hak_kind kind);
/* A block of just this class, which has the alignment, for so many bytes, when libc does not serve the caller. */
void *hak__class_malloc_slow(unsigned class_idx, size_t size, size_t alignment);
void hak__free_slow(void *block, const char *call);

/* As calloc, for a size above those of the classes. */
void *hak__large_zeroed(size_t size, size_t alignment);
void *hak__realloc(void *block, size_t size, const char *call);
/* The usable size after it was changed to between min and max if there was room, else 0. */
size_t hak__resize_in_place(void *block, size_t min, size_t max, const char *call);
void *hak__reallocarray(void *block, size_t count, size_t size, const char *call);
/* Alignment is a power of two. */
void *hak__aligned(size_t alignment, size_t size);
void *hak__aligned_alloc(size_t alignment, size_t size);
int hak__posix_memalign(void **out, size_t alignment, size_t size);
size_t hak__usable_size(const void *block, const char *call);
size_t hak__good_size(size_t size);

/* purge_all.c */
/* Gives back all that this thread and the process keep ready; how many bytes were returned. */
size_t hak__purge(void);
/* The same until a time is past, and with process false only as much as this thread kept. */
size_t hak__purge_until(bool process, int64_t until);
/* Hands back all that this thread keeps ready. */
void hak__thread_flush(void);

/* oom.c */
/* What hak_oom_handler_set has set, or NULL. */
typedef bool hak__oom_handler_fn(size_t size);
extern _Atomic(hak__oom_handler_fn *) hak__oom_handler;
/* An allocation has failed: whether the handler says that it may be tried again. */
bool hak__oom_retry(size_t size);

/* batch.c: as so many calls of malloc; how many blocks there were. And of free. */
size_t hak__malloc_batch(size_t size, size_t count, void **blocks);
void hak__free_batch(void *const *blocks, size_t count, const char *call);

/* aligned.c: a block of an alignment, a power of two, and in the way that flags ask for. */
enum {
    HAK_WITH_ZERO = 0x100,
    HAK_WITH_NO_CACHE = 0x200,
    HAK_WITH_HUGE_PAGES = 0x400,
    HAK_WITH_SMALL_PAGES = 0x800,
    HAK_WITH_PAGES = HAK_WITH_HUGE_PAGES | HAK_WITH_SMALL_PAGES
};
void *hak__alloc_with(size_t size, size_t alignment, unsigned flags);

/*
 * large.c: counts a block of a span, unless that was done and it may be one to sample; samples it then, or gives it
 * back for one that is guarded. The block that the program gets.
 */
void *hak__large_sample(void *block, size_t size, size_t alignment);

/* Blocks above HAK_SMALL_MAX, all bytes zero if asked for. Without errno. */
void *hak__large_alloc(size_t size, size_t alignment, bool zero);
/* The same, but none of those that the thread keeps. */
void *hak__large_alloc_uncached(size_t size, size_t alignment, bool zero);
/* For a block that has grown and may do so again: one whose pages can be moved, or NULL. */
void *hak__large_alloc_to_grow(size_t size);
/* A mapping from 2 MiB on that shall lie in huge pages, or shall not. */
void *hak__large_alloc_advised(size_t size, size_t alignment, bool huge_pages);
/* word is that of the page map, LARGE or HUGE; caller is for hak__purger_start (cache/purger.h). */
void hak__large_free(void *block, uint32_t word, const char *call, const void *caller);
/* The same for a live block of which the thread will not want another. */
void hak__large_release(void *block, uint32_t word, const char *call, const void *caller);
/* The record of a live block of code LARGE or HUGE; anything else ends the process in a message. */
const struct hak_span *hak__large_span(const void *block, uint32_t word, const char *call);
/* Changes a live block's size where it is or by moving pages; NULL when it must be copied. */
void *hak__large_resize(void *block, uint32_t word, size_t size);
/* The same without moving, to max or as near as there is room; the size that it has then. */
size_t hak__large_resize_in_place(void *block, uint32_t word, size_t min, size_t max);

/* guarded.c */
/* Frees a guarded block; a message ends the process if it was freed, or written beside its ends. */
struct hak_span;
void hak__guarded_free(struct hak_span *span, const char *call);

/* checked.c */
/* The usable size of a live block; anything else ends the process in a message. */
size_t hak__checked_size(const void *block, uint32_t word, const char *call);

/* misuse.c */
/* The pointer of which the message was that ends the process, or NULL. */
extern _Atomic(const void *) hak__misused;
HAK_NORETURN void hak__misuse(const char *call, const void *block, const char *reason, size_t size);
/* Of a free that tells something of the block that is not so, a size or an alignment. */
HAK_NORETURN void hak__misuse_given(const char *call, const void *block, const char *what,
                                    size_t given, size_t size);
HAK_NORETURN void hak__misuse_foreign(const char *call, const void *block, uint32_t word);

/* init.c */
/* Reads options and secrets once; cheap afterwards. */
void hak__init(void);
/* Whether libc's own heap holds the pointer. */
bool hak__is_libc_block(const void *block);

/* renew.c: new secrets; 0, or EBUSY where others may run, or EAGAIN where the system has no random bits. */
int hak__secrets_renew(void);

/* crash.c: from now on a crash is reported; called once, when the library starts. */
void hak__crash_start(void);

/* fork.c */
/* Registers the handlers of fork, the first time. */
void hak__fork_register(void);

/* passthrough.c: libc's own allocator. */
bool hak__libc_has_malloc(void);
void *hak__libc_realloc(void *block, size_t size);
void hak__libc_free(void *block);
size_t hak__libc_usable_size(const void *block);

/*
 * The other allocator, while this one is disabled. Found without locks held, always or only if the
 * program's malloc is not ours; whether it was. The calls set errno.
 */
bool hak__other_find(bool always);
/* Whether what the program's malloc returns is ours, if perhaps through a wrapper. */
bool hak__malloc_is_ours(void);
void *hak__other_malloc(size_t size);
void *hak__other_calloc(size_t count, size_t size);
void *hak__other_realloc(void *block, size_t size);
/* Whether it has blocks of an alignment, a power of two. */
bool hak__other_has_aligned(size_t alignment);
void *hak__other_aligned(size_t alignment, size_t size);
void hak__other_free(void *block);
size_t hak__other_usable_size(void *block);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * hakmem.h - the public interface of libhakmem, a general-purpose memory allocator.
 *
 * libhakmem replaces the C and C++ allocation functions of the program it is
 * linked to or preloaded into. The functions below offer the same heap under
 * names of its own: a block from any of them may be given to free(3) and the
 * reverse, unless the library was configured with --disable-override, when
 * only the hak_* names reach it.
 *
 * Unless a function says otherwise:
 *  - it may be called by any thread at any time, also from atfork handlers;
 *  - it is not async-signal-safe, as malloc(3) is not;
 *  - sizes and alignments are in bytes;
 *  - blocks are aligned to HAK_MIN_ALIGNMENT;
 *  - a request for 0 bytes yields a unique block that must be freed;
 *  - a size above PTRDIFF_MAX fails with ENOMEM;
 *  - a pointer that is not the start of a live block ends the process: one
 *    line on standard error names the call, the pointer and the reason, then
 *    abort(3) is called.
 */
#ifndef HAKMEM_HAKMEM_H
#define HAKMEM_HAKMEM_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HAK_API __attribute__((__visibility__("default")))
#define HAK_ATTR_MALLOC __attribute__((__malloc__))
#define HAK_ATTR_SIZE(n) __attribute__((__alloc_size__(n)))
#define HAK_ATTR_SIZE2(n, m) __attribute__((__alloc_size__(n, m)))
#define HAK_ATTR_USE_RESULT __attribute__((__warn_unused_result__))
#else
#define HAK_API
#define HAK_ATTR_MALLOC
#define HAK_ATTR_SIZE(n)
#define HAK_ATTR_SIZE2(n, m)
#define HAK_ATTR_USE_RESULT
#endif

/** Every block is aligned to at least this many bytes. */
#define HAK_MIN_ALIGNMENT 16

/**
 * Allocates a block of at least @p size bytes, contents unspecified.
 * @param size 0 to PTRDIFF_MAX.
 * @return the block, or NULL with errno ENOMEM.
 * Follows malloc(3), ISO C 7.24.3.6.
 */
HAK_API void *hak_malloc(size_t size) HAK_ATTR_MALLOC HAK_ATTR_SIZE(1) HAK_ATTR_USE_RESULT;

/**
 * Allocates an array of @p count elements of @p size bytes, all bytes zero.
 * @return the block, or NULL with errno ENOMEM, also when count * size overflows.
 * Follows calloc(3), ISO C 7.24.3.2.
 */
HAK_API void *hak_calloc(size_t count, size_t size) HAK_ATTR_MALLOC HAK_ATTR_SIZE2(1, 2)
    HAK_ATTR_USE_RESULT;

/**
 * Changes the size of @p block to at least @p size bytes, keeping the contents
 * up to the smaller of the two sizes; the block may move.
 * @param block a live block, or NULL: then as hak_malloc(size).
 * @param size  0 frees the block and returns NULL, as the GNU C library does.
 * @return the block, or NULL with errno ENOMEM; then @p block is untouched.
 * Follows realloc(3).
 */
HAK_API void *hak_realloc(void *block, size_t size) HAK_ATTR_SIZE(2) HAK_ATTR_USE_RESULT;

/**
 * As hak_realloc(block, count * size), but fails with errno ENOMEM and leaves
 * the block untouched when the product overflows.
 * Follows reallocarray(3), POSIX.1-2024.
 */
HAK_API void *hak_reallocarray(void *block, size_t count, size_t size) HAK_ATTR_SIZE2(2, 3)
    HAK_ATTR_USE_RESULT;

/**
 * Frees @p block. Keeps errno.
 * @param block a live block, or NULL: then nothing happens.
 * Follows free(3), POSIX.1-2024.
 */
HAK_API void hak_free(void *block);

/**
 * Frees @p block, whose size the caller states.
 * @param block a live block from an allocation without explicit alignment, or NULL.
 * @param size  the size it was last requested with; a size above the block's
 *              usable size is reported as misuse.
 * Follows free_sized, ISO C23 7.24.3.4.
 */
HAK_API void hak_free_sized(void *block, size_t size);

/**
 * Frees @p block, whose alignment and size the caller states.
 * @param block     a live block from an aligned allocation, or NULL.
 * @param alignment the alignment it was requested with; checked against the address.
 * @param size      the size it was requested with; checked as in hak_free_sized.
 * Follows free_aligned_sized, ISO C23 7.24.3.5.
 */
HAK_API void hak_free_aligned_sized(void *block, size_t alignment, size_t size);

/**
 * Allocates a block of at least @p size bytes, aligned to @p alignment.
 * @param alignment a power of two; any size is accepted with any alignment.
 * @return the block, or NULL with errno EINVAL (alignment is 0, no power of
 *         two) or ENOMEM.
 * Follows aligned_alloc(3), ISO C 7.24.3.1.
 */
HAK_API void *hak_aligned_alloc(size_t alignment, size_t size) HAK_ATTR_MALLOC HAK_ATTR_SIZE(2)
    HAK_ATTR_USE_RESULT;

/**
 * Allocates as hak_aligned_alloc and stores the block in *@p out.
 * @param out       where the block goes; left as it is on failure.
 * @param alignment a power of two and a multiple of sizeof(void *).
 * @return 0, EINVAL or ENOMEM; errno is kept.
 * Follows posix_memalign(3).
 */
HAK_API int hak_posix_memalign(void **out, size_t alignment, size_t size) HAK_ATTR_USE_RESULT;

/**
 * Tells how many bytes of @p block may be used: at least what was requested,
 * and the same for the whole life of the block.
 * @param block a live block, or NULL: then 0.
 * Follows malloc_usable_size(3).
 */
HAK_API size_t hak_usable_size(const void *block);

/**
 * Tells the usable size that a block requested with @p size has at least, so
 * that a caller can ask for all that it gets anyway. Allocates nothing.
 * @return the size, at least @p size; @p size itself above PTRDIFF_MAX.
 */
HAK_API size_t hak_good_size(size_t size);

/**
 * Tells whether @p address lies in memory that libhakmem holds for blocks.
 * Any value may be given; nothing is dereferenced.
 * @return true when a block, live or free, may cover the address.
 */
HAK_API bool hak_owns(const void *address);

/**
 * Gives memory back: empties the calling thread's cache, then returns all
 * memory that libhakmem retains without need to the system.
 * @return true when any memory was returned.
 */
HAK_API bool hak_purge(void);

/** The forms in which hak_stats_print writes. */
typedef enum hak_stats_format {
    HAK_STATS_TEXT = 0, /**< for people */
    HAK_STATS_JSON = 1  /**< one JSON object */
} hak_stats_format_t;

/**
 * Writes the statistics of the whole process to a file descriptor, without
 * allocating. The fields are described in hakmem(7).
 * @param fd     an open file descriptor.
 * @param format the form.
 * @return 0, or -1 with errno from write(2), or EINVAL for an unknown format.
 * Counters of other threads are read while they run: each is exact, together
 * they may be of slightly different moments.
 */
HAK_API int hak_stats_print(int fd, hak_stats_format_t format);

/**
 * Reads the value of an option as text.
 * @param key    an option of hakmem(7).
 * @param buffer where the value goes, with a terminating null byte.
 * @param size   the size of the buffer.
 * @return the value's length, which was truncated if it is not below @p size,
 *         or -1 with errno ENOENT when there is no such option.
 * Follows snprintf(3) in its treatment of the buffer.
 */
HAK_API int hak_option_get(const char *key, char *buffer, size_t size);

/**
 * Changes an option of the running process.
 * @param key   an option of hakmem(7).
 * @param value its new value, in the form that HAKMEM_CONF takes.
 * @return 0, or -1 with errno ENOENT (no such option) or EINVAL (bad value).
 */
HAK_API int hak_option_set(const char *key, const char *value);

/** Returns the version of the library that runs, as "MAJOR.MINOR.PATCH", in static storage. */
HAK_API const char *hak_version(void);

#ifdef __cplusplus
}
#endif

#endif /* HAKMEM_HAKMEM_H */

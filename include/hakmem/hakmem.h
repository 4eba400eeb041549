/* SPDX-License-Identifier: MIT */
/*
 * hakmem.h - the public interface of libhakmem, a general-purpose memory allocator.
 *
 * libhakmem replaces the C and C++ allocation functions of the program it is
 * linked to or preloaded into. The functions below offer the same heap under
 * names of its own: a block from any of them may be given to free(3) and the
 * reverse, unless the library was configured with --disable-override, when
 * only the hak_* names reach it. Where the program has another malloc, because
 * it brings one or because only a library of it is linked with libhakmem or was
 * opened later, the functions below allocate from that malloc.
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
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HAK_API __attribute__((__visibility__("default")))
#define HAK_ATTR_MALLOC __attribute__((__malloc__))
#define HAK_ATTR_USE_RESULT __attribute__((__warn_unused_result__))
#else
#define HAK_API
#define HAK_ATTR_MALLOC
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
HAK_API void *hak_malloc(size_t size) HAK_ATTR_MALLOC HAK_ATTR_USE_RESULT;

/**
 * Allocates an array of @p count elements of @p size bytes, all bytes zero.
 * @return the block, or NULL with errno ENOMEM, also when count * size overflows.
 * Follows calloc(3), ISO C 7.24.3.2.
 */
HAK_API void *hak_calloc(size_t count, size_t size) HAK_ATTR_MALLOC HAK_ATTR_USE_RESULT;

/**
 * Changes the size of @p block to at least @p size bytes, keeping the contents
 * up to the smaller of the two sizes; the block may move.
 * @param block a live block, or NULL: then as hak_malloc(size).
 * @param size  0 frees the block and returns NULL, as the GNU C library does.
 * @return the block, or NULL with errno ENOMEM; then @p block is untouched.
 * Follows realloc(3).
 */
HAK_API void *hak_realloc(void *block, size_t size) HAK_ATTR_USE_RESULT;

/**
 * As hak_realloc(block, count * size), but fails with errno ENOMEM and leaves
 * the block untouched when the product overflows.
 * Follows reallocarray(3), POSIX.1-2024.
 */
HAK_API void *hak_reallocarray(void *block, size_t count, size_t size) HAK_ATTR_USE_RESULT;

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
HAK_API void *hak_aligned_alloc(size_t alignment, size_t size) HAK_ATTR_MALLOC HAK_ATTR_USE_RESULT;

/**
 * Allocates as hak_aligned_alloc and stores the block in *@p out.
 * @param out       where the block goes; left as it is on failure.
 * @param alignment a power of two and a multiple of sizeof(void *).
 * @return 0, EINVAL or ENOMEM; errno is kept.
 * Follows posix_memalign(3).
 */
HAK_API int hak_posix_memalign(void **out, size_t alignment, size_t size) HAK_ATTR_USE_RESULT;

/** What hak_alloc may be asked for, or-ed together and with hak_alloc_align(). */
typedef enum hak_alloc_flags {
    HAK_ALLOC_ZERO = 0x100,      /**< all bytes are zero */
    HAK_ALLOC_NO_CACHE = 0x200,  /**< a hint: leave the thread's cache as it is */
    HAK_ALLOC_HUGE_PAGES = 0x400, /**< a hint: from 2 MiB on, ask the system for huge pages */
    HAK_ALLOC_SMALL_PAGES = 0x800 /**< a hint: from 2 MiB on, ask the system for none */
} hak_alloc_flags_t;

/**
 * The flags of hak_alloc that stand for an alignment: its logarithm in the lowest six bits.
 * @param alignment a power of two; with another value hak_alloc fails.
 */
static inline unsigned hak_alloc_align(size_t alignment)
{
    unsigned power = 0;
    while (power < 63 && (size_t)1 << power % (8 * sizeof alignment) != alignment)
        power++;
    return power;
}

/**
 * Allocates a block of at least @p size bytes in the way that @p flags ask for.
 * @param size  0 to PTRDIFF_MAX.
 * @param flags 0, or hak_alloc_flags_t and hak_alloc_align() or-ed together. Hints change the
 *              cost of a block, never its contents; the page hints mean mappings of their own.
 * @return the block, or NULL with errno EINVAL (a flag that is not known, both page hints, no
 *         power of two) or ENOMEM.
 */
HAK_API void *hak_alloc(size_t size, unsigned flags) HAK_ATTR_MALLOC HAK_ATTR_USE_RESULT;

/**
 * Allocates @p count blocks of at least @p size bytes each, as so many calls of hak_malloc would,
 * in fewer instructions. Each may be freed by any function that frees a block.
 * @param size   0 to PTRDIFF_MAX.
 * @param count  0 and up.
 * @param blocks room for @p count pointers; the blocks are stored from its start on.
 * @return how many were allocated; if these are fewer than @p count, errno is ENOMEM.
 */
HAK_API size_t hak_alloc_batch(size_t size, size_t count, void **blocks) HAK_ATTR_USE_RESULT;

/**
 * Frees @p count blocks, as so many calls of hak_free would, in fewer instructions. Keeps errno.
 * @param blocks live blocks of any sizes from any allocation function, each once, or NULLs.
 */
HAK_API void hak_free_batch(void *const *blocks, size_t count);

/**
 * Changes the usable size of @p block to @p max bytes, or to some of what is between @p min and
 * @p max if there is not room for all, without moving it. Blocks up to 64 KiB have the size of
 * their class for good, others whole units of 64 KiB or pages: the size may be above @p max.
 * @param block a live block, not NULL.
 * @param min   the least that is of use, 0 to @p max.
 * @param max   what is wanted, up to PTRDIFF_MAX. A block that is larger gives its end back where
 *              that serves others.
 * @return the usable size, @p min or more; or 0 with errno EINVAL (@p min above @p max, NULL) or
 *         ENOMEM (no room for @p min); then the block is as it was.
 */
HAK_API size_t hak_resize_in_place(void *block, size_t min, size_t max) HAK_ATTR_USE_RESULT;

/**
 * Tells how many bytes of @p block may be used: at least what was requested,
 * and the same until the block is resized or freed.
 * @param block a live block, or NULL: then 0.
 * The functions of this header do not tell the compiler the size of a block, so that all of it may
 * be used under _FORTIFY_SOURCE, too. Of blocks from malloc(3) and operator new compilers know the
 * requested size: checks that they make end the process when more is used.
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

/** Where a block lives. */
typedef enum hak_block_kind {
    HAK_BLOCK_SMALL = 0, /**< in a slab, with others of its class */
    HAK_BLOCK_LARGE = 1, /**< a span of the page arena */
    HAK_BLOCK_HUGE = 2   /**< a mapping of its own */
} hak_block_kind_t;

/** What a block is to the program. */
typedef enum hak_block_state {
    HAK_BLOCK_LIVE = 0,  /**< allocated and not freed */
    HAK_BLOCK_FREE = 1,  /**< freed, or ready in a thread's cache for the first time */
    HAK_BLOCK_UNKNOWN = 2 /**< nobody knows: the library was configured with --disable-checks */
} hak_block_state_t;

/** What the library knows about a block. */
typedef struct hak_block_info_t {
    size_t struct_size;      /**< set by the caller to the size of this struct */
    void *start;             /**< what the allocation function returned */
    size_t usable_size;      /**< in bytes */
    hak_block_kind_t kind;   /**< where it lives */
    hak_block_state_t state; /**< what it is to the program */
    int class_index;         /**< number of its size class, or -1 when it is not in a slab */
    uint32_t owner;          /**< number of the heap that its slab belongs to, 0: to none */
    bool owner_alive;        /**< a thread uses that heap */
    void *slab;              /**< start of its slab, or NULL */
    size_t slab_size;        /**< in bytes, or 0 */
} hak_block_info_t;

/**
 * Describes the block that covers @p address, also one that was freed. Any value may be given.
 * @param info where the answer goes; @p info->struct_size is sizeof(hak_block_info_t).
 * @return 0, or -1 with errno ENOENT (no block covers the address, nor did one) or EINVAL (a
 *         struct_size below that of the first version; a larger one is filled up with zeroes).
 * Of a block that another thread allocates or frees meanwhile the state may be either. The owner
 * is where the slab belongs at this moment; it may change at any time.
 */
HAK_API int hak_block_info(const void *address, hak_block_info_t *info);

/**
 * Called by hak_heap_walk for a live block. It may allocate and free, any block, and call any
 * function of this header but hak_check.
 * @param block   the block; valid until the function returns.
 * @param context what was given to hak_heap_walk.
 * @return true to go on, false to end the walk.
 */
typedef bool hak_block_visitor_t(const hak_block_info_t *block, void *context);

/**
 * Calls @p visit for every live block of the process, in the order of addresses.
 * A block that is live from before the call until it returns is visited once, whatever other
 * threads do meanwhile; one that is allocated or freed meanwhile, or that another thread is just
 * taking from memory that had no blocks, is visited once or not at all. When @p visit is called, a
 * block of another thread may have been freed already: its contents are for who knows that it was
 * not.
 * @return 0, also when @p visit ended the walk; or -1 with errno ENOTSUP when the library was
 *         configured with --disable-checks, as freed blocks are not marked then.
 */
HAK_API int hak_heap_walk(hak_block_visitor_t *visit, void *context);

/**
 * Derives every count of the library anew from what it counts: free lists, thread caches, slabs,
 * SuperSlabs, page map, retained memory. No other thread may be in an allocation function
 * meanwhile; else what is found may be of different moments.
 * @param where unless NULL, set to what a contradiction is about, or to NULL.
 * @return NULL when all is as it should be, else the first contradiction as text in static
 *         storage, "out of memory" when there was none for the look.
 */
HAK_API const char *hak_check(const void **where);

/** What hak_purge empties first. */
typedef enum hak_purge_scope {
    HAK_PURGE_THREAD = 0, /**< the calling thread's cache; as much goes back as it held */
    HAK_PURGE_PROCESS = 1 /**< all caches; all that is retained goes back */
} hak_purge_scope_t;

/**
 * Returns memory that serves no block to the system. The caches of other threads are handed back
 * when they are filled or drained the next time; a thread that makes no calls keeps its own.
 * @param scope  whose memory.
 * @param max_ms bound on the time in milliseconds, 0: none. It is looked at after each step; a
 *               step is one call to the system for up to 16 MiB.
 * @return how many bytes were returned.
 */
HAK_API size_t hak_purge(hak_purge_scope_t scope, unsigned max_ms);

/**
 * Hands all blocks that the calling thread's cache keeps back to where any thread finds them, as
 * the end of the thread would: for one that will be idle. Only what exceeds the bound on unused
 * memory is returned to the system.
 */
HAK_API void hak_thread_flush(void);

/**
 * Gives the process secrets of its own for the marks and links by which the library detects double frees and
 * damaged free lists. The children of a fork share those of their parent: a worker calls this before it
 * starts threads. Takes time in proportion to the memory of small blocks. Not async-signal-safe.
 * @return 0, or -1 with nothing changed and errno EBUSY: the process has other threads, or EAGAIN: no random numbers.
 */
HAK_API int hak_secret_renew(void);

/** The two limits on what the library takes from the system. */
typedef enum hak_limit {
    HAK_LIMIT_SOFT = 0, /**< memory that serves no block goes back before more is taken */
    HAK_LIMIT_HARD = 1  /**< more is refused: allocations fail with ENOMEM */
} hak_limit_t;

/**
 * Limits the memory that the library takes from the system: that of live blocks, of slabs and
 * caches, what is retained, and its own records (footprint_bytes of the statistics). Whatever the
 * number of threads, the hard limit is passed by no more than 1 MiB: memory for blocks is refused
 * exactly, records are counted but never refused. What is above a new limit stays until it is
 * freed.
 * @param limit which.
 * @param bytes 0: no limit.
 * @return 0, or -1 with errno EINVAL (no such limit, or @p bytes above PTRDIFF_MAX).
 * The same as the options limit_soft and limit_hard.
 */
HAK_API int hak_limit_set(hak_limit_t limit, size_t bytes);

/** Tells a limit, in bytes; 0: none. With an unknown limit 0 and errno EINVAL. */
HAK_API size_t hak_limit_get(hak_limit_t limit);

/**
 * Called when an allocation is about to fail, after all that could be purged was: by the thread
 * that allocates, without locks held. It may free, raise a limit, and allocate: an allocation of
 * its own that fails does so without another call.
 * @param size what was asked for, in bytes.
 * @return true to try again, false to fail with ENOMEM.
 */
typedef bool hak_oom_handler_t(size_t size);

/**
 * Sets the handler for failing allocations, of all threads.
 * @param handler NULL: none.
 * @return the one before, or NULL.
 * Requests above PTRDIFF_MAX fail without a call. For C++ see std::set_new_handler(): operator
 * new calls that handler when this one has given up.
 */
HAK_API hak_oom_handler_t *hak_oom_handler_set(hak_oom_handler_t *handler);

/**
 * Called when misuse of the heap was found, after the message was written to standard error and
 * before abort(3), once in a process. It must not allocate or free: the heap may be broken. What a
 * thread does wrong after that, here or in a handler of SIGABRT, is written to standard error and
 * ends the process at once, by SIGABRT without the handler.
 * @param message the message, with a line end and a null byte.
 */
typedef void hak_error_handler_t(const char *message);

/**
 * Sets the handler for misuse of the heap, of all threads.
 * @param handler NULL: none.
 * @return the one before, or NULL; NULL, too, once it has been called.
 */
HAK_API hak_error_handler_t *hak_error_handler_set(hak_error_handler_t *handler);

/**
 * Statistics of the whole process. Gauges tell how it is, counters what has happened since the
 * process began; hakmem(7) describes them. The struct may get further fields at its end.
 */
typedef struct hak_stats {
    size_t struct_size; /**< set by the caller to the size of this struct */
    /* the rows of lib/core/stats.def; tools/dev/stats-fields --update */
    /** Blocks that are allocated and not freed, with all that may be used of each. */
    uint64_t allocated_bytes;
    /** Freed blocks in thread caches, or on their way from one to a slab. */
    uint64_t cached_bytes;
    /** Memory that serves blocks: pages of slabs, spans and mappings. */
    uint64_t live_bytes;
    /** Unused memory that may still be resident. */
    uint64_t retained_bytes;
    /** Memory mapped for the library's own records. */
    uint64_t metadata_bytes;
    /** Sum of live_bytes, retained_bytes and metadata_bytes: what limit_soft and limit_hard limit. */
    uint64_t footprint_bytes;
    /** Readable and writable part of the address space of the page arena. */
    uint64_t committed_bytes;
    /** Allocated bytes of blocks in slabs. */
    uint64_t small_bytes;
    /** Allocated bytes of blocks with a span or a mapping of their own. */
    uint64_t large_bytes;
    /** Allocated bytes of blocks with a mapping of their own. */
    uint64_t huge_bytes;
    /** Blocks that are mappings of their own. */
    uint64_t huge_blocks;
    /** SuperSlabs in use. */
    uint64_t superslabs;
    /** Heaps that belong to a thread. */
    uint64_t heaps;
    /** Slabs taken from the heap's own. */
    uint64_t stage0_l0;
    /** Slabs that had just become empty, taken again. */
    uint64_t stage0_5_empty;
    /** Partly free slabs that nobody owned, taken. */
    uint64_t stage1_lockfree;
    /** Slabs made in an unused slot of a SuperSlab. */
    uint64_t stage2_lockfree;
    /** Slabs for which a SuperSlab was made. */
    uint64_t stage3;
    /** Slabs that became empty and were given back. */
    uint64_t slab_releases;
    /** SuperSlabs that became empty and were given back. */
    uint64_t superslab_releases;
    /** Searches of STAGE1 that found a slab claimed or emptied by somebody else. */
    uint64_t failed_claims;
    /** How often a thread cache was filled. */
    uint64_t refills;
    /** How often a thread cache was emptied, by half or whole. */
    uint64_t drains;
    /** Chains of blocks handed back to slabs. */
    uint64_t remote_chains;
    /** Blocks in the chains that were handed back to slabs. */
    uint64_t remote_blocks;
    /** Blocks served as spans of the page arena. */
    uint64_t large_allocations;
    /** Blocks served as mappings of their own. */
    uint64_t huge_allocations;
    /** Huge blocks that were served from mappings that had been kept. */
    uint64_t huge_reuses;
    /** How often memory was returned to the system. */
    uint64_t purges;
    /** How much memory was returned to the system. */
    uint64_t purged_bytes;
    /** How often limit_hard refused memory, even if the request succeeded after a purge. */
    uint64_t refusals;
    /** Heaps attached to threads. */
    uint64_t threads_started;
    /** Heaps that threads gave up. */
    uint64_t threads_ended;
    /** Atomic read-modify-writes of words that several threads change, without those of locks. */
    uint64_t shared_rmws;
    /** Compare-and-swaps of words that several threads change, if they lost to another thread. */
    uint64_t failed_cas;
    /** How often a thread had to wait for a lock. */
    uint64_t lock_waits;
    /** How often a thread was started to return memory in the background. */
    uint64_t purger_starts;
    /** How much memory the background thread returned to the system. */
    uint64_t purger_bytes;
    /** Small blocks that the background thread took from caches that their threads did not use. */
    uint64_t idle_blocks;
    /** How many bytes the program has asked for so far, including those that it has freed since. */
    uint64_t requested_bytes;
    /* end of rows */
} hak_stats_t;

/**
 * Reads the statistics of the whole process, without allocating.
 * @param stats where they go; @p stats->struct_size is sizeof(hak_stats_t).
 * @return 0, or -1 with errno EINVAL (a struct_size as hak_block_info refuses it).
 * Each value is exact of its moment; while other threads run, together they are of slightly
 * different moments.
 */
HAK_API int hak_stats_get(hak_stats_t *stats);

/** Statistics of a size class. capacity_blocks = never handed out + free + cached + live */
typedef struct hak_class_stats {
    size_t struct_size;       /**< set by the caller to the size of this struct */
    uint64_t block_size;      /**< of a block, in bytes */
    uint64_t slabs;           /**< slabs that serve the class */
    uint64_t capacity_blocks; /**< blocks that these slabs have room for, and the starter's */
    uint64_t free_blocks;     /**< of these, on the free lists of slabs */
    uint64_t cached_blocks;   /**< in thread caches, or on their way from one to a slab */
    uint64_t live_blocks;     /**< allocated and not freed */
    uint64_t starter_blocks;  /**< of these, in the starter: the slab of the first blocks of a process */
} hak_class_stats_t;

/**
 * Reads the statistics of a size class, without allocating.
 * @param class_index 0 and up, in the order of block sizes.
 * @param stats       where they go; @p stats->struct_size is sizeof(hak_class_stats_t).
 * @return 0, or -1 with errno ENOENT (no such class) or EINVAL (as hak_stats_get).
 */
HAK_API int hak_class_stats_get(unsigned class_index, hak_class_stats_t *stats);

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
 * @return 0, or -1 with errno ENOENT (no such option), EINVAL (bad value) or EPERM (an option
 *         that is only read when the process begins).
 */
HAK_API int hak_option_set(const char *key, const char *value);

/** What the value of an option is. */
typedef enum hak_option_type {
    HAK_OPTION_TYPE_BOOL = 0,   /**< 0 or 1 */
    HAK_OPTION_TYPE_NUMBER = 1, /**< a signed number */
    HAK_OPTION_TYPE_SIZE = 2,   /**< bytes, with an optional suffix K, M or G */
    HAK_OPTION_TYPE_WORD = 3,   /**< one of the words that the help names, numbered from 0 */
    HAK_OPTION_TYPE_FILE = 4    /**< a path, or none; as a number 1 or 0 */
} hak_option_type_t;

/** An option as hakmem(7) describes it. */
typedef struct hak_option_info_t {
    size_t struct_size;     /**< set by the caller to the size of this struct */
    const char *key;        /**< its name, in static storage */
    hak_option_type_t type; /**< what its value is */
    int64_t minimum;        /**< the least value */
    int64_t maximum;        /**< the largest value */
    int64_t default_value;  /**< what it is unless set */
    int64_t value;          /**< what it is now */
    bool run_time;          /**< hak_option_set changes it */
    const char *help;       /**< a line about it, in static storage */
} hak_option_info_t;

/**
 * Describes an option; with indices from 0 on, all of them, in the order of their keys.
 * @param info where the answer goes; @p info->struct_size is sizeof(hak_option_info_t).
 * @return 0, or -1 with errno ENOENT (no option has the index) or EINVAL (a struct_size as
 *         hak_block_info refuses it).
 */
HAK_API int hak_option_info(size_t index, hak_option_info_t *info);

/*
 * The heap profiler: which code allocates what is in use. It samples blocks at exponentially
 * distributed distances of what is allocated and records the call stack of each, so that sums over
 * the samples are unbiased estimates of sums over all blocks. The option "profile" switches it on from
 * the start, "hakmem profile" in a process that runs.
 */

/**
 * Switches the profiler on, or changes its mean distance. Other threads heed it at their next slow
 * path, at the latest when they have allocated a megabyte.
 * @param interval the mean distance between samples in bytes of allocations, 1 to 2^40. 524288 (512
 *                 KiB) costs below one per cent of the time of programs that do more than allocate.
 * @return 0, or -1 with errno EINVAL (interval), ENOMEM (no memory for samples) or ENOTSUP (another
 *         allocator serves the program).
 */
HAK_API int hak_profile_start(size_t interval);

/** Switches the profiler off: blocks that are recorded stay so until they are freed. */
HAK_API void hak_profile_stop(void);

/** Forgets all that was recorded so far; blocks that were sampled before are not counted any more. */
HAK_API void hak_profile_reset(void);

/** Which blocks a written profile is about; beside them it has all allocations since the start. */
typedef enum hak_profile_view {
    HAK_PROFILE_IN_USE = 0,    /**< blocks that are allocated and not freed */
    HAK_PROFILE_ALLOCATED = 1, /**< all blocks since the profiler was started or reset */
    HAK_PROFILE_PEAK = 2       /**< blocks in use when these had the most bytes, within 5 per cent */
} hak_profile_view_t;

/** How a profile is written. */
typedef enum hak_profile_format {
    HAK_PROFILE_HEAP_V2 = 0 /**< the text format heap_v2 of gperftools: for pprof and "hakmem profile" */
} hak_profile_format_t;

/**
 * Writes the profile of the process. Other threads go on meanwhile.
 * @param fd a file descriptor that is open for writing.
 * @return 0, or -1 with errno EINVAL (view or format) or as write(2) sets it.
 */
HAK_API int hak_profile_write(int fd, hak_profile_view_t view, hak_profile_format_t format);

/** Returns the version of the library that runs, as "MAJOR.MINOR.PATCH", in static storage. */
HAK_API const char *hak_version(void);

#ifdef __cplusplus
}
#endif

#endif /* HAKMEM_HAKMEM_H */

/* SPDX-License-Identifier: MIT */
/* What the compiler is told: branch weights, visibility, inlining. */
#ifndef HAK_BASE_COMPILER_H
#define HAK_BASE_COMPILER_H

#include "config.h"

#define hak_likely(x) __builtin_expect(!!(x), 1)
#define hak_unlikely(x) __builtin_expect(!!(x), 0)

#define HAK_INLINE static inline __attribute__((always_inline))
#define HAK_NOINLINE __attribute__((noinline))
/*
 * A function that is called all the time begins with a line of the instruction cache: where it begins is
 * otherwise up to what stands before it, and what lies across lines then takes half as long again.
 */
#define HAK_HOT __attribute__((aligned(64)))
#define HAK_COLD __attribute__((noinline, cold))
#define HAK_NORETURN __attribute__((noreturn, noinline, cold))
#define HAK_EXPORT __attribute__((visibility("default")))
#define HAK_CACHE_ALIGNED __attribute__((aligned(64)))
/*
 * Variables that all threads read all the time and that change seldom stand together, and apart
 * from those that change all the time, which have a cache line each: a write to one would take the
 * others from every processor. tests/elf.sh looks at where they are.
 */
#define HAK_READ_MOSTLY __attribute__((section("hak_read")))
#define HAK_WRITTEN_OFTEN __attribute__((section("hak_written"))) HAK_CACHE_ALIGNED
/*
 * Where variables that begin as zero stand: the linker goes by the names of their sections. First come
 * tables of which a small process touches nothing, then those of which it touches one end, with the
 * many small variables, which have sections of their own names, so that these ends share pages:
 *
 *     sparse … │ page map … root, kinds … of the starter │ … first records, small, open sets … of SuperSlabs
 *                           ^^^^^^^^^^^^                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
 */
#define HAK_SPARSE __attribute__((section(".bss.0"), aligned(4096)))
#define HAK_PAGE_MAP __attribute__((section(".bss.1"), aligned(4096)))
#define HAK_STARTER __attribute__((section(".bss.2")))
#define HAK_FIRST_RECORDS __attribute__((section(".bss.3"), aligned(4096)))
#define HAK_FIRST_SUPER_CHUNK __attribute__((section(".bss.zz")))
/*
 * In constant tables strings stand themselves, in arrays of this many bytes: pointers to them would be
 * relocated in every process, which costs time and a page.
 */
#define HAK_STRING_FITS(string, size) _Static_assert(sizeof(string) <= (size), "the string fits")
#define HAK_TLS __thread __attribute__((tls_model("initial-exec")))
/* A condition that comes in no order: what depends on it shall be selected without a branch. */
#if defined(__clang__)
#define hak_unforeseen(condition) __builtin_unpredictable(condition)
#elif __GNUC__ < 9
#define hak_unforeseen(condition) (condition)
#else
#define hak_unforeseen(condition) __builtin_expect_with_probability(condition, 1, 0.5)
#endif
/* Hides from the compiler how a value came about, so that it goes on from there. */
#define hak_opaque(value) __asm__("" : "+r"(value))
/* Whatever address: memory that will be written soon. */
#define hak_prefetch(address) __builtin_prefetch(address, 1)
#define HAK_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAK_THREAD_SANITIZER 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define HAK_THREAD_SANITIZER 1
#endif
#ifndef HAK_THREAD_SANITIZER
#define HAK_THREAD_SANITIZER 0
#endif

/* An inline function that reads a hint which another thread may change meanwhile. */
#if HAK_THREAD_SANITIZER
#define HAK_INLINE_HINT static __attribute__((no_sanitize("thread")))
#else
#define HAK_INLINE_HINT HAK_INLINE
#endif

#endif

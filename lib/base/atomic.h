/* SPDX-License-Identifier: MIT */
/*
 * Atomics whose names carry their order. Shared fields are _Atomic and are
 * only reached through these, so that no access falls back to the sequentially
 * consistent default by accident. doc/memory-orders.md has every one of them.
 */
#ifndef HAK_BASE_ATOMIC_H
#define HAK_BASE_ATOMIC_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/compiler.h"

#define hak_load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define hak_load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define hak_store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define hak_store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define hak_add_relaxed(p, v) atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define hak_sub_relaxed(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)
#define hak_sub_acq_rel(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel)
#define hak_or_relaxed(p, v) atomic_fetch_or_explicit((p), (v), memory_order_relaxed)
#define hak_or_acq_rel(p, v) atomic_fetch_or_explicit((p), (v), memory_order_acq_rel)
#define hak_and_relaxed(p, v) atomic_fetch_and_explicit((p), (v), memory_order_relaxed)
#define hak_and_acq_rel(p, v) atomic_fetch_and_explicit((p), (v), memory_order_acq_rel)
#define hak_swap_acq_rel(p, v) atomic_exchange_explicit((p), (v), memory_order_acq_rel)
#define hak_swap_acquire(p, v) atomic_exchange_explicit((p), (v), memory_order_acquire)
#define hak_swap_release(p, v) atomic_exchange_explicit((p), (v), memory_order_release)

/* A word that is not _Atomic, since its owner's accesses shall be part of other instructions (heap.h). */
#define hak_plain_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define hak_plain_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define hak_plain_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define hak_plain_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* Compare and swap; on failure *expected holds what was found, read with the second order. */
#define HAK_CAS(p, expected, desired, success, failure)                                            \
    atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_##success,    \
                                            memory_order_##failure)
/* Orders what a thread stores for the signal handlers that interrupt it. */
#define hak_fence_signal() atomic_signal_fence(memory_order_release)
/* Keeps the compiler from moving any access of the thread over it. */
#define hak_fence_compiler() __asm__ volatile("" : : : "memory")
/* Keeps what a thread stores from now on, plain stores too, behind what it has stored so far. */
#if HAK_THREAD_SANITIZER /* which knows no fences */
#define hak_fence_release() hak_fence_signal()
#define hak_fence_acquire() hak_fence_signal()
#else
#define hak_fence_release() atomic_thread_fence(memory_order_release)
/* Keeps what a thread loads from now on behind what it has loaded so far. */
#define hak_fence_acquire() atomic_thread_fence(memory_order_acquire)
#endif
#define hak_cas_relaxed(p, expected, desired) HAK_CAS(p, expected, desired, relaxed, relaxed)
#define hak_cas_acquire(p, expected, desired) HAK_CAS(p, expected, desired, acquire, acquire)
#define hak_cas_release(p, expected, desired) HAK_CAS(p, expected, desired, release, relaxed)
#define hak_cas_acq_rel(p, expected, desired) HAK_CAS(p, expected, desired, acq_rel, acquire)

/*
 * HOT: number + *shared, read with acquire. One instruction where every load acquires; compilers
 * make two of it.
 */
HAK_INLINE uintptr_t hak__add_acquired(uintptr_t number, const _Atomic uintptr_t *shared)
{
#if defined(__x86_64__) && defined(__LP64__) && !HAK_THREAD_SANITIZER
    __asm__("addq %1, %0" : "+r"(number) : "m"(*shared) : "cc");
    return number;
#else
    return number + hak_load_acquire(shared);
#endif
}

#endif

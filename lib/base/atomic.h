/* SPDX-License-Identifier: MIT */
/*
 * Atomics whose names carry their order. Shared fields are _Atomic and are
 * only reached through these, so that no access falls back to the sequentially
 * consistent default by accident.
 */
#ifndef HAK_BASE_ATOMIC_H
#define HAK_BASE_ATOMIC_H

#include <stdatomic.h>

#define hak_load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define hak_load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define hak_store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define hak_store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define hak_add_relaxed(p, v) atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define hak_sub_relaxed(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)
#define hak_swap_acquire(p, v) atomic_exchange_explicit((p), (v), memory_order_acquire)
#define hak_swap_release(p, v) atomic_exchange_explicit((p), (v), memory_order_release)

/* Compare and swap; on failure *expected holds what was found. */
#define hak_cas_acquire(p, expected, desired)                                                      \
    atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_acquire,      \
                                            memory_order_relaxed)
#define hak_cas_acq_rel(p, expected, desired)                                                      \
    atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_acq_rel,      \
                                            memory_order_acquire)

#endif

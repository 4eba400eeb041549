/* SPDX-License-Identifier: MIT */
/* What the tests of the heap profiler have in common. */
#ifndef HAK_TESTS_PROFILE_H
#define HAK_TESTS_PROFILE_H

#include "unit.h"

#include "profile/tables.h"

enum { EVERY = 1 }; /* an interval at which each block of 40 bytes and more is sampled, and weighs 1 */

static inline double blocks_of(struct hak_profile_sum sum)
{
    return (double)sum.blocks / (1 << HAK_PROFILE_WEIGHT_SHIFT);
}

static inline void check_in_use(uint64_t bytes, double blocks)
{
    ck_assert_uint_eq(hak__profile.in_use.bytes, bytes);
    ck_assert_double_eq_tol(blocks_of(hak__profile.in_use), blocks, 0.001);
}

static inline void check_heap(void)
{
    const void *where = NULL;
    const char *wrong = hak_check(&where);
    ck_assert_msg(wrong == NULL, "%s at %p", wrong, where);
}

static inline void start_all(void)
{
    ck_assert_int_eq(hak_profile_start(EVERY), 0);
}

#endif

/* SPDX-License-Identifier: MIT */
/* What the tests of the hak_* functions ask. */
#ifndef HAK_TESTS_STATISTICS_H
#define HAK_TESTS_STATISTICS_H

#include <errno.h>
#include <hakmem/hakmem.h>

#include "unit.h"

enum { KIB = 1024, MIB = 1024 * KIB };

static __attribute__((unused)) hak_stats_t statistics(void)
{
    hak_stats_t stats = {.struct_size = sizeof stats};
    ck_assert_int_eq(hak_stats_get(&stats), 0);
    return stats;
}

/* hak_alloc fails so; the compiler need not know which sizes are too large. */
static __attribute__((unused)) void refuses(size_t size, unsigned flags, int error)
{
    volatile size_t any = size;
    errno = 0;
    ck_assert_ptr_null(hak_alloc(any, flags));
    ck_assert_int_eq(errno, error);
}

#endif

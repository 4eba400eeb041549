/* SPDX-License-Identifier: MIT */
/* Assertion levels: HAK_ASSERT costs nothing in release builds. */
#ifndef HAK_BASE_CHECK_H
#define HAK_BASE_CHECK_H

#include "base/compiler.h"

/* Reports a broken invariant of the library itself and aborts; defined by core/report.c. */
HAK_NORETURN void hak__assert_failed(const char *file, int line, const char *expression);

/* The condition is compiled in every build, evaluated in debug builds only. */
#define HAK_ASSERT(condition)                                                                      \
    do {                                                                                           \
        if (HAK_DEBUG && hak_unlikely(!(condition)))                                               \
            hak__assert_failed(__FILE__, __LINE__, #condition);                                    \
    } while (0)

#endif

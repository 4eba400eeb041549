/* SPDX-License-Identifier: MIT */
/* Why another allocator serves the program. Readers from outside know the numbers: new ones come last. */
#ifndef HAK_CORE_DISABLED_H
#define HAK_CORE_DISABLED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"

enum hak_disabled {
    HAK_DISABLED_NOT,
    HAK_DISABLED_BY_MALLOC,      /* the program has a malloc of its own */
    HAK_DISABLED_BY_ENVIRONMENT, /* HAKMEM_DISABLE */
    HAK_DISABLED_BY_FILE,        /* the configuration file excludes the program */
    HAK_DISABLED_BY_SANITIZER    /* whose malloc has to see all blocks */
};

/*
 * Everything goes to another allocator: an enum hak_disabled. Set once, with release, when that one has been
 * found; read by all.
 */
extern _Atomic uint8_t hak__disabled;
/* After hak__init (front/front.h). */
HAK_INLINE bool hak__is_disabled(void)
{
    return hak_unlikely(hak_load_acquire(&hak__disabled) != HAK_DISABLED_NOT);
}

#endif

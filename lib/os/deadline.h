/* SPDX-License-Identifier: MIT */
/* A time until which something may take. */
#ifndef HAK_OS_DEADLINE_H
#define HAK_OS_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "os/os.h"

/* Never past. */
#define HAK_NEVER INT64_MAX

/* Whether hak__os_now_ms has passed it. */
HAK_INLINE bool hak__os_is_past(int64_t until)
{
    return until != HAK_NEVER && hak__os_now_ms() > until;
}

#endif

/* SPDX-License-Identifier: MIT */
/* What the program wants done where there is no memory. */
#include <stdint.h>

#include "core/options.h"
#include "core/stats.h"
#include "front/front.h"
#include "profile/dump.h"

HAK_READ_MOSTLY _Atomic(hak__oom_handler_fn *) hak__oom_handler;

bool hak__oom_retry(size_t size)
{
    if (hak__option(HAK_OPTION_LIMIT_HARD) != 0 && hak__counter_sum(HAK_COUNTER_REFUSALS) != 0)
        hak__dump_at_limit();
    static HAK_TLS bool asking; /* what the handler itself asks for in vain is not its affair */
    hak__oom_handler_fn *handler = hak_load_acquire(&hak__oom_handler);
    if (hak_likely(handler == NULL) || asking || size > PTRDIFF_MAX)
        return false;
    asking = true;
    bool again = handler(size);
    asking = false;
    return again;
}

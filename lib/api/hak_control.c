/* SPDX-License-Identifier: MIT */
/* Purging, limits, secrets and handlers; hakmem.h describes the functions. */
#include <errno.h>
#include <hakmem/hakmem.h>

#include "cache/reclaim.h"
#include "core/options.h"
#include "core/report.h"
#include "front/front.h"
#include "os/deadline.h"
#include "os/os.h"
#include "page/arena.h"
#include "page/retain.h"

size_t hak_purge(hak_purge_scope_t scope, unsigned max_ms)
{
    int64_t until = max_ms == 0 ? HAK_NEVER : hak__os_now_ms() + max_ms;
    return hak__purge_until(scope == HAK_PURGE_PROCESS, until);
}

void hak_thread_flush(void)
{
    hak__thread_flush();
}

int hak_secret_renew(void)
{
    int error = hak__secrets_renew();
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

static bool option_of(hak_limit_t limit, enum hak_option *option)
{
    static const enum hak_option options[] = {[HAK_LIMIT_SOFT] = HAK_OPTION_LIMIT_SOFT,
                                              [HAK_LIMIT_HARD] = HAK_OPTION_LIMIT_HARD};
    hak__init(); /* or it would read the option later */
    if ((unsigned)limit >= HAK_COUNT_OF(options)) {
        errno = EINVAL;
        return false;
    }
    *option = options[limit];
    return true;
}

int hak_limit_set(hak_limit_t limit, size_t bytes)
{
    enum hak_option option;
    if (!option_of(limit, &option))
        return -1;
    if (bytes > PTRDIFF_MAX) {
        errno = EINVAL;
        return -1;
    }
    hak_store_relaxed(&hak__options[option], (int64_t)bytes);
    hak_store_relaxed(&hak__arena_keeps_whole, false);
    size_t footprint = hak__footprint();
    if (bytes != 0 && footprint > bytes)
        hak__reclaim(footprint - bytes, HAK_NEVER, true);
    return 0;
}

size_t hak_limit_get(hak_limit_t limit)
{
    enum hak_option option;
    return option_of(limit, &option) ? (size_t)hak__option(option) : 0;
}

/* Release and acquire: a handler finds what was there when it was set. */
hak_oom_handler_t *hak_oom_handler_set(hak_oom_handler_t *handler)
{
    return hak_swap_acq_rel(&hak__oom_handler, handler);
}

hak_error_handler_t *hak_error_handler_set(hak_error_handler_t *handler)
{
    return hak_swap_acq_rel(&hak__error_handler, handler);
}

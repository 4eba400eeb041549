/* SPDX-License-Identifier: MIT */
/* Guarded blocks that are freed. */
#include "front/front.h"
#include "page/guarded.h"
#include "page/pagemap.h"
#include "profile/guard.h"

/* Several threads may free it at once: one of them does. */
void hak__guarded_free(struct hak_span *span, const char *call)
{
    struct hak_guard *guard = (struct hak_guard *)span;
    const void *block = hak__span_block(span);
    if (!hak__guard_claim(guard))
        hak__misuse_foreign(call, block, HAK_CODE_NONE);
    const void *written = hak__guard_written(guard);
    if (written != NULL)
        hak__misuse(call, block,
                    hak__guard_distance(guard, (uintptr_t)written) < 0
                        ? "found written in front of its start: a guarded block"
                        : "found written behind its end: a guarded block",
                    span->asked);
    hak__guard_end(guard);
}

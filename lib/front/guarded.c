/* SPDX-License-Identifier: MIT */
/* Guarded blocks that are freed, and what is said about wrong pointers to them. */
#include "front/front.h"
#include "page/guarded.h"
#include "profile/guard.h"

HAK_NORETURN static void freed_twice(const char *call, const struct hak_guard *guard)
{
    hak__misuse(call, hak__span_block(&guard->span), "double free or use after free of a guarded block",
                guard->span.asked);
}

/* Several threads may free it at once: one of them does. */
void hak__guarded_free(struct hak_span *span, const char *call)
{
    struct hak_guard *guard = (struct hak_guard *)span;
    if (!hak__guard_claim(guard))
        freed_twice(call, guard);
    const void *written = hak__guard_written(guard);
    if (written != NULL)
        hak__misuse(call, hak__span_block(span),
                    hak__guard_distance(guard, (uintptr_t)written) < 0
                        ? "found written in front of its start: a guarded block"
                        : "found written behind its end: a guarded block",
                    span->asked);
    hak__guard_end(guard);
}

void hak__guarded_misuse(const char *call, const void *block)
{
    const struct hak_guard *guard = hak__guard_near((uintptr_t)block);
    if (guard == NULL)
        return;
    size_t size = guard->span.asked;
    ptrdiff_t distance = hak__guard_distance(guard, (uintptr_t)block);
    bool live = hak__guard_state(guard) == HAK_GUARD_LIVE;
    if (hak__span_block(&guard->span) == block)
        freed_twice(call, guard);
    if (distance > 0)
        hak__misuse(call, block, "not the start of a block: behind the end of a guarded block", size);
    if (distance < 0)
        hak__misuse(call, block, "not the start of a block: in front of a guarded block", size);
    hak__misuse(call, block,
                live ? "not the start of a block: inside a guarded block"
                     : "not the start of a block: inside a freed guarded block",
                size);
}

/* SPDX-License-Identifier: MIT */
#include "profile/guard.h"

#include "os/os.h"
#include "profile/call_stack.h"

static void note(struct hak_guard_stack *stack, const struct hak_registers *from)
{
    stack->thread = (uint32_t)hak__os_thread();
    stack->depth = hak__call_stack(from, stack->frame, HAK_GUARD_FRAMES);
}

HAK_NOINLINE struct hak_span *hak__guard_malloc(size_t size, size_t alignment, bool at_end)
{
    struct hak_registers here;
    hak__registers_here(&here);
    struct hak_guard *guard = hak__guard_take(size, alignment, at_end);
    if (guard == NULL)
        return NULL;
    note(&guard->allocated, &here);
    hak__guard_show(guard);
    return &guard->span;
}

/* What has freed the block is known before it may not be touched any more. */
HAK_NOINLINE void hak__guard_end(struct hak_guard *guard)
{
    struct hak_registers here;
    hak__registers_here(&here);
    note(&guard->freed, &here);
    hak__guard_free(guard);
}

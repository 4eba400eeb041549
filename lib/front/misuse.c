/* SPDX-License-Identifier: MIT */
/* What is said about pointers that are not live blocks; every report ends the process. */
#include "base/probe.h"
#include "core/report.h"
#include "front/front.h"
#include "page/guarded.h"
#include "page/huge.h"
#include "page/pagemap.h"

_Atomic(const void *) hak__misused;

static void begin_report(struct hak_text *text, const char *call, const void *block)
{
    hak_store_relaxed(&hak__misused, block);
    hak__text_message(text);
    hak__text_string(text, call);
    hak__text_string(text, "(");
    hak__text_pointer(text, block);
    hak__text_string(text, "): ");
}

HAK_NORETURN static void end_report(struct hak_text *text, size_t size)
{
    if (size != 0) {
        hak__text_string(text, " of ");
        hak__text_unsigned(text, size);
        hak__text_string(text, " bytes");
    }
    hak__text_string(text, "\n");
    hak__text_abort(text);
}

HAK_NORETURN void hak__misuse(const char *call, const void *block, const char *reason, size_t size)
{
    struct hak_text text;
    begin_report(&text, call, block);
    hak__text_string(&text, reason);
    HAK_PROBE3(hakmem, misuse, call, block, reason);
    end_report(&text, size);
}

HAK_NORETURN void hak__misuse_given(const char *call, const void *block, const char *what,
                                    size_t given, size_t size)
{
    struct hak_text text;
    begin_report(&text, call, block);
    hak__text_string(&text, what);
    hak__text_string(&text, " ");
    hak__text_unsigned(&text, given);
    hak__text_string(&text, ": this is a block");
    HAK_PROBE3(hakmem, misuse, call, block, what);
    end_report(&text, size);
}

/* Returns where the pointer is not in the slots of guarded blocks. */
static void report_guarded(const char *call, const void *block)
{
    const struct hak_guard *guard = hak__guard_near((uintptr_t)block);
    if (guard == NULL)
        return;
    size_t size = guard->span.asked;
    ptrdiff_t distance = hak__guard_distance(guard, (uintptr_t)block);
    if (hak__span_block(&guard->span) == block)
        hak__misuse(call, block, "double free or use after free of a guarded block", size);
    if (distance > 0)
        hak__misuse(call, block, "not the start of a block: behind the end of a guarded block", size);
    if (distance < 0)
        hak__misuse(call, block, "not the start of a block: in front of a guarded block", size);
    if (hak__guard_state(guard) == HAK_GUARD_LIVE)
        hak__misuse(call, block, "not the start of a block: inside a guarded block", size);
    hak__misuse(call, block, "not the start of a block: inside a freed guarded block", size);
}

HAK_NORETURN void hak__misuse_foreign(const char *call, const void *block, uint32_t word)
{
    report_guarded(call, block);
    if (hak__is_inside(word) || (word == HAK_CODE_NONE && hak__huge_covers(block)))
        word = HAK_CODE_INSIDE;
    switch (word & 0xff) {
    case HAK_CODE_SLAB_FREE:
    case HAK_CODE_SPAN_INSIDE:
        hak__misuse(call, block, "double free or use after free: no block lives here any more", 0);
    case HAK_CODE_SPAN_FREE:
        hak__misuse(call, block, "double free or use after free of a large block", 0);
    case HAK_CODE_LARGE:
    case HAK_CODE_HUGE:
    case HAK_CODE_INSIDE:
        hak__misuse(call, block, "not the start of a block: inside a large one", 0);
    default:
        hak__misuse(call, block,
                    "not allocated by hakmem, or freed before and given back to the system", 0);
    }
}

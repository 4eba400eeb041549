/* SPDX-License-Identifier: MIT */
/* What is said about pointers that are not live blocks; every report ends the process. */
#include "base/annotate.h"
#include "base/params.h"
#include "cache/thread_cache.h"
#include "core/report.h"
#include "front/front.h"
#include "page/huge.h"
#include "page/pagemap.h"
#include "slab/size_class.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/slab_holes.h"

static void begin_report(struct hak_text *text, const char *call, const void *block)
{
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
    end_report(&text, size);
}

HAK_NORETURN void hak__misuse_foreign(const char *call, const void *block, uint32_t word)
{
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

static size_t checked_class_size(const void *block, uint32_t word, const char *call)
{
    const struct hak_class_info *info = &hak__class_info[(word & 0xff) - 1];
    uintptr_t offset = (uintptr_t)block & (((uintptr_t)1 << info->slab_shift) - 1);
    if (!hak__is_block_start(offset, info->reciprocal, info->bound))
        hak__misuse(call, block, "not the start of a block: inside a slab of blocks", info->size);
    TinySlabMeta *slab = hak__pagemap_record((uintptr_t)block);
    if (slab_freelist_index(slab, block) >= slab_freelist_view(slab).carved)
        hak__misuse(call, block, "not allocated, or freed before: a block", info->size);
    const uint64_t *mark = (const uint64_t *)block + 1;
    if (*mark == hak__mark_of(hak__heap_secret, block) ||
        hak__holes_have(slab, slab_freelist_index(slab, block)))
        hak__misuse(call, block, "double free or use after free of a block", info->size);
    return info->size;
}

size_t hak__checked_size(const void *block, uint32_t word, const char *call)
{
    HAK_UNSEEN;
    uint32_t code = word & 0xff;
    if (hak_likely(code - 1 < HAK_CLASS_COUNT))
        return HAK_CHECKS ? checked_class_size(block, word, call)
                          : hak__class_size(code - 1);
    if (code == HAK_CODE_LARGE || code == HAK_CODE_HUGE) {
        const struct hak_span *span = hak__large_span(block, word, call);
        return span->size;
    }
    hak__misuse_foreign(call, block, word);
}

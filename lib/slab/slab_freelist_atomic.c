/* SPDX-License-Identifier: MIT */
#include "slab/slab_freelist_atomic.h"

#include "base/probe.h"
#include "core/report.h"

HAK_READ_MOSTLY TinySlabMeta hak__slab_whole = HAK_SLAB_WHOLE;

HAK_NORETURN void hak__slab_corrupted(const TinySlabMeta *meta, const void *node)
{
    struct hak_text text;
    hak__text_message(&text);
    hak__text_string(&text, "heap(");
    hak__text_pointer(&text, node);
    hak__text_string(&text, "): free list of ");
    hak__text_unsigned(&text, meta->size);
    hak__text_string(&text, "-byte blocks broken: written after free, or freed without being "
                            "allocated\n");
    HAK_PROBE3(hakmem, misuse, "heap", node, "free list broken");
    hak__text_abort(&text);
}

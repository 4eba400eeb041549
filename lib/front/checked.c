/* SPDX-License-Identifier: MIT */
/* Whether a pointer is a live block. */
#include "base/annotate.h"
#include "base/params.h"
#include "cache/thread_cache.h"
#include "front/front.h"
#include "harden/blocks.h"
#include "page/pagemap.h"
#include "page/span.h"
#include "slab/size_class.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/slab_holes.h"
#include "slab/starter.h"

/* The hardened variant knows how many bytes are the program's, and whether their end is as it was. */
static size_t checked_end(const void *block, uint32_t word, const char *call)
{
    size_t size = 0;
    const char *fault = hak__harden_fault(block, word, call, &size);
    if (fault != NULL)
        hak__misuse(call, block, fault, size);
    return hak__harden_size(block, word);
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
    return HAK_HARDENED ? checked_end(block, word, call) : info->size;
}

static size_t checked_starter_size(const void *block, const char *call)
{
    struct hak_starter_block found;
    if (!hak__starter_find((uintptr_t)block, &found))
        hak__misuse(call, block, "not allocated, or freed before: a block", 0);
    size_t size = hak__class_size(found.class_idx);
    if (found.start != (uintptr_t)block)
        hak__misuse(call, block, "not the start of a block: inside a slab of blocks", size);
    if (!found.live)
        hak__misuse(call, block, "double free or use after free of a block", size);
    return size;
}

size_t hak__checked_size(const void *block, uint32_t word, const char *call)
{
    HAK_UNSEEN;
    uint32_t code = word & 0xff;
    if (hak_likely(code - 1 < HAK_CLASS_COUNT))
        return HAK_CHECKS ? checked_class_size(block, word, call)
                          : hak__class_size(code - 1);
    if (code == HAK_CODE_STARTER)
        return checked_starter_size(block, call);
    if (code == HAK_CODE_LARGE || code == HAK_CODE_HUGE) {
        const struct hak_span *span = hak__large_span(block, word, call);
        return HAK_HARDENED ? checked_end(block, word, call) : hak__span_usable(span);
    }
    hak__misuse_foreign(call, block, word);
}

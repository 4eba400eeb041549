/* SPDX-License-Identifier: MIT */
/* free where the fast path ends: other heaps' blocks, larger ones, full bins, misuse. */
#include <errno.h>

#include "front/fast.h"

static void free_class(void *block, uint32_t word)
{
    struct hak_heap *heap = hak__heap;
    unsigned class_idx = (word & 0xff) - 1;
    if (HAK_CHECKS) {
        *hak__block_mark(block) = hak__mark_of(hak__heap_secret, block);
        if (HAK_DEBUG)
            hak__block_poison(block, hak__class_size(class_idx));
    }
    if (hak_unlikely(!hak__heap_is_real(heap)) &&
        (hak__disabled || (heap = hak__heap_attach()) == NULL)) {
        hak__handback_now(hak__heap, block, word);
    } else if (word >> 8 != heap->id) {
        hak__handback_add(heap, block, word);
    } else if (!hak__cache_push(heap, class_idx, block)) {
        hak__cache_drain(heap, class_idx);
        if (!hak__cache_push(heap, class_idx, block))
            hak__handback_now(heap, block, word);
    }
}

static void free_foreign(void *block, uint32_t word, const char *call)
{
    hak__init();
    if (word != 0 || !hak__is_libc_block(block))
        hak__misuse_foreign(call, block, word);
    int saved = errno;
    hak__libc_free(block);
    errno = saved;
}

/* The fast path for classes whose slabs have several granules. */
static bool free_own(void *block, uint32_t word)
{
    struct hak_heap *heap = hak__heap;
    uint32_t code = word ^ heap->owner_tag;
    if (code > HAK_CLASS_COUNT)
        return false;
    unsigned class_idx = code - 1;
    uintptr_t offset = (uintptr_t)block & (((uintptr_t)1 << hak__class_info[class_idx].slab_shift) - 1);
    if (heap->top[class_idx] == heap->limit[class_idx] ||
        !hak__is_block_start(offset, heap->reciprocal[class_idx]) ||
        !hak__block_end(block, class_idx, heap))
        return false;
    return hak__cache_push(heap, class_idx, block);
}

HAK_NOINLINE void hak__free_slow(void *block, const char *call)
{
    if (block == NULL)
        return;
    uint32_t word = hak__pagemap_word((uintptr_t)block);
    uint32_t code = word & 0xff;
    if (HAK_CHECKS && hak_likely(free_own(block, word)))
        return;
    if (code == HAK_CODE_NONE) {
        free_foreign(block, word, call);
        return;
    }
    hak__checked_size(block, word, call);
    if (hak_likely(code <= HAK_CLASS_COUNT))
        free_class(block, word);
    else
        hak__large_free(block, true);
}

void hak__free_sized(void *block, size_t alignment, size_t size, const char *call)
{
    if (block != NULL && HAK_CHECKS) {
        uint32_t word = hak__pagemap_word((uintptr_t)block);
        if (word != 0) {
            size_t usable = hak__checked_size(block, word, call);
            if (size > usable)
                hak__misuse(call, block, "wrong size: this is a block", usable);
            if (alignment == 0 || ((uintptr_t)block & (alignment - 1)) != 0)
                hak__misuse(call, block, "wrong alignment: this is a block", usable);
        }
    }
    hak__free(block, call);
}

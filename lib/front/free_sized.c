/* SPDX-License-Identifier: MIT */
#include "front/free_sized.h"

#include "front/front.h"
#include "harden/harden.h"
#include "page/pagemap.h"

HAK_NOINLINE void hak__free_sized_slow(void *block, size_t alignment, size_t size, const char *call)
{
    if (block != NULL && HAK_CHECKS) {
        uint32_t word = hak__pagemap_word((uintptr_t)block);
        if (word != 0) {
            size_t usable = hak__checked_size(block, word, call);
            if (size > usable || (HAK_HARDENED && hak__harden.canary && size != usable))
                hak__misuse_given(call, block, "wrong size", size, usable);
            if (alignment == 0 || ((uintptr_t)block & (alignment - 1)) != 0)
                hak__misuse_given(call, block, "wrong alignment", alignment, usable);
        }
    }
    hak__free_unseen(block, call);
}

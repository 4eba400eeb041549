/* SPDX-License-Identifier: MIT */
#include "front/calloc.h"

#include <errno.h>
#include <string.h>

#include "base/annotate.h"
#include "front/fast.h"
#include "front/front.h"
#include "harden/harden.h"

static void *out_of_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

void *hak__calloc(size_t count, size_t size)
{
    HAK_UNSEEN;
    size_t bytes = 0;
    if (hak_unlikely(__builtin_mul_overflow(count, size, &bytes)))
        return out_of_memory();
    if (hak_unlikely(hak__is_passthrough()))
        return hak__other_calloc(count, size);
    if (hak_likely(hak__harden_padded(bytes) <= HAK_SMALL_MAX)) {
        void *block = hak__malloc(bytes);
        if (HAK_HARDENED && bytes <= hak__harden.verified)
            return block; /* or it would not have been handed out */
        return block != NULL ? memset(block, 0, bytes) : NULL;
    }
    return hak__large_zeroed(bytes, HAK_ALIGNMENT);
}

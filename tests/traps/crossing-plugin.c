/* SPDX-License-Identifier: MIT */
/* Linked with libhakmem, in a program that is not. */
#include <hakmem/hakmem.h>
#include <stdlib.h>

void *plugin_make(size_t size)
{
    return hak_alloc(size, hak_alloc_align(64) | HAK_ALLOC_ZERO);
}

void plugin_hak_free(void *block)
{
    hak_free(block);
}

void plugin_free(void *block)
{
    free(block);
}

size_t plugin_size(const void *block)
{
    return hak_usable_size(block);
}

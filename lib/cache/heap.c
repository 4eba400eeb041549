/* SPDX-License-Identifier: MIT */
#include "cache/heap.h"

const struct hak_heap hak__heap_none = {.owner_tag = HAK_HEAP_NONE << HAK_OWNER_SHIFT, .id = HAK_HEAP_NONE};

/* not const to those who write to it, for they only do when it is real */
HAK_TLS struct hak_heap *hak__heap = (struct hak_heap *)&hak__heap_none;
HAK_READ_MOSTLY uint64_t hak__heap_secret;

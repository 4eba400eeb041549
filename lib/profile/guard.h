/* SPDX-License-Identifier: MIT */
/* Who has allocated and freed guarded blocks (page/guarded.h). */
#ifndef HAK_PROFILE_GUARD_H
#define HAK_PROFILE_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#include "page/guarded.h"

/* The span of a live guarded block, which is shown; NULL where there is none to be had. Any thread. */
struct hak_span *hak__guard_malloc(size_t size, size_t alignment, bool at_end);

/* Frees a block that the caller has claimed. */
void hak__guard_end(struct hak_guard *guard);

#endif

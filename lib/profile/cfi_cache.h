/* SPDX-License-Identifier: MIT */
/*
 * The rows of call frame information that were needed lately, by place: a walk comes by the same
 * callers again and again, and a look here costs a tenth of running a table's program.
 */
#ifndef HAK_PROFILE_CFI_CACHE_H
#define HAK_PROFILE_CFI_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "profile/cfi.h"

/* As hak__cfi_find. */
bool hak__cfi_recall(const struct hak_cfi_file *file, uintptr_t place, struct hak_cfi_row *row);

#endif

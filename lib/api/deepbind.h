/* SPDX-License-Identifier: MIT */
/* Libraries opened with RTLD_DEEPBIND, and one heap nevertheless. */
#ifndef HAK_API_DEEPBIND_H
#define HAK_API_DEEPBIND_H

#include <stdbool.h>

/*
 * From now on who looks up an allocation function of the C library finds ours, in whatever order it
 * searches. False where that cannot be.
 */
bool hak__take_libc_names(void);

#endif

/* SPDX-License-Identifier: MIT */
/* The two halves of the program with a malloc of its own. */
#ifndef HAK_TESTS_PRIVATE_H
#define HAK_TESTS_PRIVATE_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

bool is_private(const void *block);

/* Whether C++ allocates from the program's malloc, in all forms. */
bool in_cxx(void);

#ifdef __cplusplus
}
#endif

#endif

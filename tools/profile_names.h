/* SPDX-License-Identifier: MIT */
/* Function names as people write them. */
#ifndef HAK_TOOLS_PROFILE_NAMES_H
#define HAK_TOOLS_PROFILE_NAMES_H

#include <stdbool.h>

/*
 * The name of a symbol: demangled if it is one of C++ or Rust, without parameters, default template
 * arguments, versions, and the suffixes of the compiler's copies. To be freed; NULL without memory.
 */
char *profile_name_of_symbol(const char *symbol);

/* Leaves out default template arguments, and makes the name printable; in place. */
void profile_tidy_name(char *name);

#endif

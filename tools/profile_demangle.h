/* SPDX-License-Identifier: MIT */
/* The demangler, if the command is built with one. */
#ifndef HAK_TOOLS_PROFILE_DEMANGLE_H
#define HAK_TOOLS_PROFILE_DEMANGLE_H

#include <stdbool.h>

/*
 * The demangled form of a symbol of C++ or Rust, to be freed, or NULL. In profile_demangle.c by
 * libiberty; profile_mangled.c stands in for it in a command built without. Of more than 4096 bytes
 * the rest is cut, and "..." comes in its place.
 */
char *profile_demangle(const char *symbol);

extern const bool profile_demangle_available;

#endif

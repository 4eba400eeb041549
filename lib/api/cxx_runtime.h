/* SPDX-License-Identifier: MIT */
/*
 * operator new without memory: what it must do then (run the new-handler, throw std::bad_alloc) is
 * the affair of the C++ runtime that its caller belongs to.
 *
 * A process may have none, one, or several: a plugin brings one along, privately, or has its own
 * inside. So it is looked for at the moment of failure and not before.
 */
#ifndef HAK_API_CXX_RUNTIME_H
#define HAK_API_CXX_RUNTIME_H

#include <stddef.h>

/*
 * Another definition of operator new than `own`, by its mangled name: of the object that holds the
 * address `caller` or its dependencies, else of any. NULL when there is none.
 */
void *hak__cxx_operator(const char *name, void *own, void *caller);

#endif

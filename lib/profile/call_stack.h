/* SPDX-License-Identifier: MIT */
/* Who has called the library. */
#ifndef HAK_PROFILE_CALL_STACK_H
#define HAK_PROFILE_CALL_STACK_H

#include <stdint.h>

#include "os/registers.h"

/*
 * Where the calls return to that lead to a place, the innermost first; how many, at least one: where
 * nothing is known, 0. Those of the library itself are left out where it is a file of its own. As
 * profile/unwind.h: in any thread, without locks, without allocating.
 */
uint32_t hak__call_stack(const struct hak_registers *from, uint64_t *frames, uint32_t most);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * From a place in the program to its caller, that one's caller, and so on.
 *
 *     struct hak_walk walk;
 *     hak__walk_begin(&walk, &registers);
 *     do
 *         use(walk.registers.value[HAK_REGISTER_PC], walk.is_return);
 *     while (hak__walk_step(&walk));
 *
 * In any thread, in signal handlers, on any stack: takes no lock, allocates nothing, keeps errno, and
 * reads the stack only where it is known to be readable. By the tables of the files (cfi.h); code that
 * has none is passed by its frame pointer. A stack in disorder ends the walk, or has it tell places
 * that are none.
 */
#ifndef HAK_PROFILE_UNWIND_H
#define HAK_PROFILE_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

#include "os/registers.h"
#include "profile/cfi.h"

struct hak_walk {
    struct hak_registers registers;
    bool is_return; /* pc is where a call returns to: what calls stands before it */
    unsigned signals; /* and changes of stacks that it has passed: they lead anywhere, and so perhaps in a circle */
    struct hak_cfi_file file; /* whose table was asked last */
    /* what of the stack is known to be readable: whole pages */
    uintptr_t readable_start, readable_end;
};

void hak__walk_begin(struct hak_walk *walk, const struct hak_registers *registers);

/* On to the caller; false where there is none, or nobody knows. */
bool hak__walk_step(struct hak_walk *walk);

/* A place in the instruction at which the walk stands. */
HAK_INLINE uintptr_t hak__walk_place(const struct hak_walk *walk)
{
    return walk->registers.value[HAK_REGISTER_PC] - walk->is_return;
}

#endif

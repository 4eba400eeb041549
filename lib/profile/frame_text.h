/* SPDX-License-Identifier: MIT */
/* A call of a stack, for people and for the tools that read the stacks of sanitizers. */
#ifndef HAK_PROFILE_FRAME_TEXT_H
#define HAK_PROFILE_FRAME_TEXT_H

#include "core/report.h"
#include "os/crash.h"

/*
 * Writes a line:  #1 0x… in main+0x1f (/usr/bin/program+0x1234). Of a call the address is one within it:
 * where it returns to may be another line, or function. Needs no memory but the caller's for the code.
 */
void hak__text_frame(struct hak_text *text, unsigned number, uintptr_t address, struct hak_code *code);

#endif

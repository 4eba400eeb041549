/* SPDX-License-Identifier: MIT */
#include "profile/frame_text.h"

#include <string.h>

void hak__text_frame(struct hak_text *text, unsigned number, uintptr_t address, struct hak_code *code)
{
    hak__text_string(text, "    #");
    hak__text_unsigned(text, number);
    hak__text_string(text, " ");
    hak__text_pointer(text, (void *)address);
    if (hak__os_find_code(address, code)) {
        if (code->function[0] != '\0') {
            hak__text_string(text, " in ");
            hak__text_printable(text, code->function, strlen(code->function));
            hak__text_string(text, "+");
            hak__text_pointer(text, (void *)code->function_offset);
        }
        hak__text_string(text, " (");
        hak__text_printable(text, code->file, strlen(code->file));
        hak__text_string(text, "+");
        hak__text_pointer(text, (void *)code->offset);
        hak__text_string(text, ")");
    }
    hak__text_string(text, "\n");
}

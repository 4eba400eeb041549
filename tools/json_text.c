/* SPDX-License-Identifier: MIT */
#include "json_text.h"

void json_string(FILE *out, const char *text)
{
    putc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            putc('\\', out);
        putc(*text, out);
    }
    putc('"', out);
}

void json_member(FILE *out, const char *name, const char *text)
{
    fprintf(out, "\"%s\":", name);
    json_string(out, text);
}

/* SPDX-License-Identifier: MIT */
/* Strings in JSON. What is written is printable already: names of programs, versions, C++ types and functions. */
#ifndef HAK_TOOLS_JSON_TEXT_H
#define HAK_TOOLS_JSON_TEXT_H

#include <stdio.h>

/* Writes "text". */
void json_string(FILE *out, const char *text);

/* Writes "name":"text". The name needs no escapes. */
void json_member(FILE *out, const char *name, const char *text);

#endif

/* SPDX-License-Identifier: MIT */
/* Text within SVG: names of functions and files may hold any bytes, and be of any length. */
#ifndef HAK_TOOLS_SVG_TEXT_H
#define HAK_TOOLS_SVG_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { SVG_TEXT_MOST = 400 };

/* Writes a text, escaped; of more than `most` characters (at most SVG_TEXT_MOST) the first and "…".
 */
void svg_put_text(FILE *out, const char *text, size_t most);

/* Writes what there is room for of a function's name, which svg_shorten has shortened. */
void svg_put_label(FILE *out, const char *name, size_t most);

size_t svg_count_characters(const char *text);

/*
 * Shortens a C++ name: leaves out what is in its brackets. False when there is nothing to leave
 * out, or no room.
 */
bool svg_shorten(const char *name, char *label, size_t size);

#endif

/* SPDX-License-Identifier: MIT */
/* Writes gzip files (RFC 1952): gzip_zlib.c compresses, gzip_stored.c is for builds without zlib.
 */
#ifndef HAK_TOOLS_GZIP_H
#define HAK_TOOLS_GZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Writes a whole file, the same for the same bytes; false with errno. */
bool gzip_write(FILE *out, const void *bytes, size_t size);

#endif

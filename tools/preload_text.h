/* SPDX-License-Identifier: MIT */
/*
 * The text of /etc/ld.so.preload, as bytes: names of libraries, separated by blanks, tabs, line
 * ends or colons, and comments from '#' to the end of a line. Nothing here reads or writes files.
 *
 * There are two readings. As it is meant, each comment is left out. glibc (2.36 and before)
 * looks for each comment from the start of the file, but only through as many bytes as follow the
 * comment before; so it misses some of the later ones and takes their words for names:
 *
 *     # first comment\n   the loader leaves it out, 48 bytes remain
 *     # second\n          looked for in the first 48 bytes of the file: found, left out
 *     # third\n /a.so     no longer found: "#", "third" and "/a.so" are names
 *
 * Both readings count: our library is taken out of both, and goes where both read it alike, at
 * the end, where it also moves no comment.
 */
#ifndef HAK_TOOLS_PRELOAD_TEXT_H
#define HAK_TOOLS_PRELOAD_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct preload_text {
    char *bytes; /* malloc'd, NULL if there are none; not terminated */
    size_t size;
};

enum preload_reading { PRELOAD_AS_MEANT, PRELOAD_BY_GLIBC };

/* A part of some text; empty before the first name. */
struct preload_name {
    size_t start;
    size_t length;
};

/* A copy of the bytes with blanks for what the reading takes for comments; NULL without memory. */
char *preload_text_read(const struct preload_text *text, enum preload_reading reading);

/* Goes from one name of what preload_text_read gave to the next; false behind the last. */
bool preload_next_name(const char *bytes, size_t size, struct preload_name *name);

/* Whether these bytes name this library in any version or variant, or are the other name given,
 * which may be NULL. */
bool preload_is_ours(const char *name, size_t length, const char *other);

/* How many names of a reading are ours; the place of the first is stored. Negative: no memory. */
int preload_count_ours(const struct preload_text *text, enum preload_reading reading,
                       const char *other, struct preload_name *first);

/*
 * The text without our library in any reading: alone in its line it goes with the line, else with
 * one separator. Bytes of others stay as they are. False without memory.
 */
bool preload_text_remove(const struct preload_text *text, const char *other,
                         struct preload_text *result);

/*
 * The text with the entry as the only one of ours in both readings: where one was that others
 * than it take the place of, else in a line at the end. False without memory.
 */
bool preload_text_add(const struct preload_text *text, const char *entry, const char *other,
                      struct preload_text *result);

bool preload_text_equal(const struct preload_text *one, const struct preload_text *two);

#endif

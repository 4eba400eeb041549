/* SPDX-License-Identifier: MIT */
/*
 * The configuration file, hakmem.conf(5): a line each
 *
 *     # a comment
 *     option = value
 *     exclude = program other-program /path/of/a/third
 *
 * The library and the hakmem command read it through the same two functions.
 */
#ifndef HAK_CORE_CONF_H
#define HAK_CORE_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "core/options.h"

/* The build names the file in the sysconfdir of its prefix. */
#ifndef HAK_CONF_FILE
#define HAK_CONF_FILE "/etc/hakmem.conf"
#endif

/* A longer file is not read at all. */
#define HAK_CONF_SIZE_MAX ((size_t)32 << 10)
#define HAK_CONF_TOO_LONG "longer than 32 KiB; ignored"

/* A line that says something. */
struct hak_conf_line {
    unsigned number; /* from 1 */
    struct hak_setting setting;
};

typedef void hak_conf_visit(const struct hak_conf_line *line, void *context);

/* Calls visit for every line but empty ones and comments. */
void hak__conf_each(const char *text, size_t size, hak_conf_visit *visit, void *context);

/* Whether the line is "exclude = …". */
bool hak__conf_is_exclude(const struct hak_conf_line *line);

/*
 * Whether an exclude line names the program that was started by this path: one of its words
 * is the path's last part, or, with a slash in it, the whole path.
 */
bool hak__conf_excludes(const struct hak_conf_line *line, const char *path);

/*
 * Calls visit for every line of a file. False when it is too long; a file that cannot be
 * read is as an empty one. With trusted it must belong to root alone. For one thread at a time.
 */
bool hak__conf_each_of_file(const char *path, bool trusted, hak_conf_visit *visit, void *context);

/*
 * Reads the file of the process: sets options, reports bad lines by number unless the parent has
 * met them. True when the file excludes the program. Secure is for a program with more rights than its
 * user, who must not influence it: only root may own and write the file, and the kernel says which
 * program it is.
 */
bool hak__conf_read(const char *path, bool secure);

#endif

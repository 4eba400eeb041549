/* SPDX-License-Identifier: MIT */
/*
 * /etc/ld.so.preload on the disk. A new text goes to a file beside it, which is renamed over the
 * old one when it is complete and on the disk: whoever reads the file, and whatever happens on
 * the way, there is the old text or the new one.
 *
 *     ld.so.preload              the file, or the one that a symbolic link leads to
 *     .ld.so.preload.hakmem      the lock: who holds it may write; gone when nobody does
 *     .ld.so.preload.hakmem-new  the text that is being written; the next holder of the lock
 *                                removes what a run that was killed left of it
 *
 * Nothing here starts a program, looks up a user, or needs any other file.
 */
#ifndef HAK_TOOLS_PRELOAD_FILE_H
#define HAK_TOOLS_PRELOAD_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "preload_text.h"

struct preload_file {
    int root;   /* the folder that stands for "/" */
    int folder; /* where the file is */
    char name[NAME_MAX + 1];
    char shown[PATH_MAX]; /* its path, for messages */
    bool linked;          /* found through a symbolic link */
    int lock;             /* -1: not held */
};

/* A descriptor (O_PATH) of what a path leads to if root, a descriptor, is "/"; negative: errno. */
int preload_resolve(int root, const char *path);

/* Finds DIR/etc/ld.so.preload, links followed inside DIR (NULL: "/"). False after a message. */
bool preload_file_locate(struct preload_file *file, const char *root);

/* Reads the file; one that does not exist is an empty text. False after a message. */
bool preload_file_read(const struct preload_file *file, struct preload_text *text, bool *exists);

/* Whether no other run is at work, nor left anything. */
bool preload_file_is_clean(const struct preload_file *file);

/* Waits some seconds for other runs to end. Removes what a dead one left. False after a message. */
bool preload_file_lock(struct preload_file *file);

/*
 * Replaces the text, or removes the file if text is NULL, with the lock held. Mode, owner and
 * extended attributes stay; a new file is readable by all. False after a message, with the old
 * text in place.
 */
bool preload_file_replace(const struct preload_file *file, const struct preload_text *text);

/* Gives the lock back and closes. */
void preload_file_close(struct preload_file *file);

/* Whether the text has no null byte, where the loader would stop reading; an error message if it has. */
bool preload_file_is_text(const struct preload_file *file, const struct preload_text *text);
/* Warns of words of comments that glibc takes for libraries. */
void preload_file_warn_of_misread(const struct preload_file *file, const struct preload_text *text);

#endif

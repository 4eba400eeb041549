/* SPDX-License-Identifier: MIT */
/* The program behind the name of a command, and whether a preloaded library reaches it. */
#ifndef HAK_TOOLS_PROGRAM_H
#define HAK_TOOLS_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

enum program_obstacle {
    PROGRAM_REACHED,      /* or linked to it; as far as can be seen: some files cannot be read */
    PROGRAM_STATIC,       /* nobody loads a library into it */
    PROGRAM_PRIVILEGED,   /* more rights than its user: the loader drops LD_PRELOAD */
    PROGRAM_OTHER_MACHINE,
    PROGRAM_OTHER_LIBC
};

struct program {
    char path[PATH_MAX];   /* what is to be executed */
    char binary[PATH_MAX]; /* the same, or for a script the interpreter at the end of the chain */
    bool is_elf;           /* binary is */
};

/* Finds a command as execvp(3) does. 0, or an errno value: ENOENT or EACCES. */
int program_find(const char *name, struct program *program);

/* What keeps a library from a program that was found. */
enum program_obstacle program_obstacle(const struct program *program, const char *library);

/*
 * What a program that was found needs to be started and is missing: the interpreter of a script,
 * or the loader of a binary. False when nothing is.
 */
bool program_missing(const struct program *program, char path[PATH_MAX]);

#endif

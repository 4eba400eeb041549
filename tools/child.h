/* SPDX-License-Identifier: MIT */
/* One program run to its end or to a time limit, with what it wrote. */
#ifndef HAK_TOOLS_CHILD_H
#define HAK_TOOLS_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum child_end {
    CHILD_EXITED,    /* number: the exit status */
    CHILD_KILLED,    /* number: the signal */
    CHILD_TIMED_OUT, /* it was ended together with its children */
    CHILD_NOT_FOUND, /* no folder of the system has such a program */
    CHILD_FAILED     /* it could not be started; failed_call and number (an errno) say why */
};

struct child_stream {
    char *bytes; /* the first CHILD_KEPT bytes, and a NUL */
    size_t kept;
    size_t written; /* all that was written */
    uint64_t hash;  /* of all that was written */
};

struct child_result {
    enum child_end end;
    int number;
    const char *failed_call;
    struct child_stream streams[2]; /* standard output, standard error */
};

struct child_request {
    const char *const *argv;     /* a name without a slash is looked for in the system's folders */
    const char *const *settings; /* environment beside PATH, HOME, LC_ALL and TERM; ends in NULL */
    const char *root;            /* a folder that is made its root, or NULL */
    unsigned user;               /* the user and group to run as; 0: as the caller */
    unsigned limit_ms;
};

enum { CHILD_KEPT = 64 * 1024, CHILD_SETTINGS = 4 };

/*
 * Runs it with an empty standard input, in a session of its own, without core dumps. Where root's
 * rights are missing for another root, a user namespace is tried. False after a message where
 * there is no memory or no pipe; else child_free frees what the result holds.
 */
bool child_run(const struct child_request *request, struct child_result *result);
void child_free(struct child_result *result);

/* Why a child did not exit by itself, or with which status, in some words. */
void child_describe(const struct child_result *result, char *text, size_t size);

#endif

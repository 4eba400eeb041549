/* SPDX-License-Identifier: MIT */
/*
 * Whether programs of a system run on the library as they do without it.
 *
 * The trial puts the library under programs by LD_PRELOAD. Programs with more rights than their
 * user ignore that for names with a slash: set-user-ID programs that are started by a user other
 * than theirs are not tried by it (started by root they have no more rights than it, and are).
 * They do heed /etc/ld.so.preload; the canary, which runs when that is written, starts some of
 * them as another user.
 */
#ifndef HAK_TOOLS_TRIAL_H
#define HAK_TOOLS_TRIAL_H

#include <limits.h>
#include <stdbool.h>

#include "child.h"

struct trial {
    const char *root;  /* the system is in this folder, or NULL */
    unsigned limit_ms; /* for each program */
    bool verbose;      /* a line for each program */
};

enum trial_verdict {
    TRIAL_PASSED,
    TRIAL_REFUSED,   /* a program runs differently */
    TRIAL_IMPOSSIBLE /* nothing could be tried */
};

/* What the loader says of a fresh program: whether it has the library, from which file or why not.
 */
struct trial_probe {
    enum trial_verdict verdict;
    char path[PATH_MAX];
    char reason[512];
};

/*
 * Asks with preload in LD_PRELOAD, or about /etc/ld.so.preload alone if it is NULL. Nothing of the
 * library runs. Other is a name that is ours too, or NULL.
 */
void trial_probe(const struct trial *trial, const char *preload, const char *other,
                 struct trial_probe *probe);

/* Runs each known program that is there without, with and without the library; says what differs.
 */
enum trial_verdict trial_programs(const struct trial *trial, const char *preload);

enum { TRIAL_CANARIES = 10 };

/* What the canaries did before /etc/ld.so.preload was changed. */
struct trial_canaries {
    bool ran[TRIAL_CANARIES];
    struct child_result before[TRIAL_CANARIES];
};

/*
 * A few programs as they are started by anybody, as root also for another user: before, and
 * whether they run after. trial_canaries_free in any case.
 */
void trial_canaries_before(const struct trial *trial, struct trial_canaries *canaries);
enum trial_verdict trial_canaries_after(const struct trial *trial,
                                        const struct trial_canaries *canaries);
void trial_canaries_free(struct trial_canaries *canaries);

#endif

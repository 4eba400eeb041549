/* SPDX-License-Identifier: MIT */
/*
 * Small programs with known leaks. One program has them all, and runs the one whose name it is
 * given.
 *
 * Nothing but the case itself may have the address of one of its blocks. So each case runs on a
 * thread whose stack is emptied when it ends, and the addresses of what must be found are stored
 * inverted. They are printed in one line, from such a thread as well; then the program waits to be
 * looked at.
 */
#ifndef LEAKS_CASES_H
#define LEAKS_CASES_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What must be said of a block. Of the blocks of a RING one is direct, the others are indirect, where the case does
 * not know which.
 */
enum verdict { DIRECT, INDIRECT, RING, VERDICTS };

struct leak_case {
    const char *name;
    void (*run)(void);  /* on a thread that then is no more */
    void (*hold)(void); /* on the main thread, and does not come back; or NULL */
    const char *what;
};

/* a block of zeros, to its last byte */
void *block(size_t size);
/* the block, or the block that has the address in it, is lost; gives the block back */
void *lost(enum verdict verdict, void *address);
/* one pointer for the main thread, which nobody else can see */
void hide(void *pointer);
void *hidden(void);
/* prints what must be found, and waits */
__attribute__((noreturn)) void wait_here(void);
/* a thread that holds something, and has said so by held() when this returns; and one that ends */
void on_thread_that_stays(void (*function)(void));
void on_thread_that_ends(void (*function)(void));
void held(void);
__attribute__((noreturn)) void stay(void);

extern const struct leak_case shape_cases[], root_cases[], other_root_cases[], memory_cases[],
    container_cases[];

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: MIT */
/* Threads of the library's own, and being told when a thread ends. */
#ifndef HAK_OS_THREAD_H
#define HAK_OS_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/*
 * Asks that function(value) be called when the calling thread ends. It runs
 * among the destructors of thread-specific data; to run after the others it
 * asks again from within, up to the number of rounds that the system grants.
 * False when no key is to be had: then it will not be called.
 */
bool hak__thread_at_exit(void (*function)(void *value), void *value);

/* Takes the key that this needs, before a program has taken all. The function is always the same. */
void hak__thread_reserve(void (*function)(void *value));

/*
 * What a thread holds as long as it lives, so that others can find out that it does not: a robust
 * mutex, which the system marks when its owner ends, in whatever way.
 */
struct hak_life {
    pthread_mutex_t mutex;
    _Atomic bool known; /* the mutex can be used, by this process; release, read by acquire */
};

/*
 * These call functions of the C library, in front of which there may be others that allocate: the
 * caller holds no lock, and its thread has a heap or needs none.
 */
/* The thread that will begin, if it has not been done in this process. */
void hak__life_prepare(struct hak_life *life);
/* The calling thread holds it from now on; false where the system has no such thing. */
bool hak__life_begin(struct hak_life *life);
/* The same thread: no longer. */
void hak__life_end(struct hak_life *life);
/* In the child of a fork, of all. */
void hak__life_forget(struct hak_life *life);
/* True once when the thread has ended and still held it. One thread at a time. */
bool hak__life_is_over(struct hak_life *life);

/*
 * Starts a detached thread with a small stack, in which none of the program's signals is handled;
 * false when there is none to be had. The C library allocates for it and takes locks of its own.
 */
bool hak__thread_start(void *(*function)(void *));

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Stops the threads of a process while it is looked at, by ptrace(2): without a signal, and such that
 * they go on whatever happens to who has stopped them.
 */
#ifndef HAK_TOOLS_READER_STOP_H
#define HAK_TOOLS_READER_STOP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct reader_stop {
    struct stopped_thread {
        pid_t thread;
        bool stopped; /* else it will stop before it goes on */
        int signal;   /* that it was about to get, or 0 */
    } *threads;
    size_t count, room;
    pid_t ended; /* a thread that has, and remains: the first one of a process whose others go on; or 0 */
    double began; /* seconds of CLOCK_MONOTONIC */
};

/*
 * Stops all threads; false with errno, and all go on. The same thread of the caller ends it, or exits.
 * EPERM: somebody else traces the process. EAGAIN: it starts threads faster than they can be stopped.
 */
bool reader_stop_begin(struct reader_stop *stop, pid_t pid);

/* Whether a thread is gone, or remains only until it is waited for, as a first thread does for the others. */
bool reader_thread_has_ended(pid_t pid, pid_t thread);

/* Waits longer for threads that have not stopped yet, as their registers are needed. */
void reader_stop_wait(struct reader_stop *stop, double seconds);

/* Lets them go on; for how many seconds they were stopped. */
double reader_stop_end(struct reader_stop *stop);

#endif

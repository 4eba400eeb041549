/* SPDX-License-Identifier: MIT */
/* Which process or file is meant, and how its profiler is switched. */
#ifndef HAK_TOOLS_PROFILE_SOURCE_H
#define HAK_TOOLS_PROFILE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct profile_source {
    pid_t pid;
    const char *path; /* NULL: it is a process */
};

/*
 * A number is a process ID, a text with a slash is a file, another one the name of a process that
 * runs on libhakmem, or else of a file. False after a message.
 */
bool profile_source_find(const char *argument, struct profile_source *source);

/* Sets the interval of a process, 0 to stop, and says what was done; false after a message. */
bool profile_source_switch(const char *argument, uint64_t interval);

/* A time for which the profiler of a process runs. */
struct profile_recording {
    pid_t pid;
    uint64_t interval; /* the wanted one; if the profiler was running, its own */
    bool was_running;
};

/*
 * Switches the profiler on; from here to profile_record_end signals that would end the command wait,
 * so that the profiler is switched off whatever happens. False after a message.
 */
bool profile_record_begin(struct profile_recording *recording);

/* Returns sooner at a signal, or when the process ends. */
void profile_record_wait(const struct profile_recording *recording, double seconds);

/* Switches the profiler off if it was off; false after a message. */
bool profile_record_end(const struct profile_recording *recording);

#endif

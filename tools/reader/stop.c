/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "reader/stop.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include "reader/clock.h"

/*
 * A thread that has not stopped by then waits for a processor, or in the kernel as one does that has
 * called vfork. It stops before it executes anything of the program again.
 */
static const double patience = 0.05, patience_at_end = 0.2;

/* Threads that start others all the time, and end, are not followed for ever. */
static const double patience_with_new_ones = 5;

static bool is_known(const struct reader_stop *stop, pid_t thread)
{
    for (size_t i = 0; i < stop->count; i++)
        if (stop->threads[i].thread == thread)
            return true;
    return thread == stop->ended;
}

bool reader_thread_has_ended(pid_t pid, pid_t thread)
{
    char path[80], text[512];
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)pid, (int)thread);
    FILE *file = fopen(path, "re");
    size_t length = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    text[length] = '\0';
    const char *name_end = strrchr(text, ')');
    return name_end == NULL || name_end[1] != ' ' || strchr("ZXx", name_end[2]) != NULL;
}

/* Whether that is why it cannot be traced. Of one that remains the kernel says that it may not be. */
static bool has_ended(struct reader_stop *stop, pid_t pid, pid_t thread, int error)
{
    bool remains = error == EPERM && reader_thread_has_ended(pid, thread);
    if (remains)
        stop->ended = thread;
    errno = error;
    return remains || error == ESRCH;
}

/* One that has ended meanwhile is none. */
static bool seize(struct reader_stop *stop, pid_t pid, pid_t thread)
{
    if (stop->count == stop->room) {
        size_t room = stop->room == 0 ? 64 : 2 * stop->room;
        struct stopped_thread *more = reallocarray(stop->threads, room, sizeof *more);
        if (more == NULL)
            return false;
        stop->threads = more;
        stop->room = room;
    }
    if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) != 0)
        return has_ended(stop, pid, thread, errno);
    stop->threads[stop->count++] = (struct stopped_thread){.thread = thread};
    return ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) == 0 || errno == ESRCH;
}

/* All threads that are not known yet; how many, negative with errno. */
static int seize_new(struct reader_stop *stop, pid_t pid)
{
    char path[40];
    int found = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return -1;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
        if (thread <= 0 || is_known(stop, thread))
            continue;
        found++;
        if (!seize(stop, pid, thread)) {
            int error = errno;
            closedir(folder);
            errno = error;
            return -1;
        }
    }
    closedir(folder);
    return found;
}

static void wait_for(struct stopped_thread *thread, double until)
{
    const struct timespec moment = {.tv_nsec = 50000};
    int status = 0;
    pid_t changed;
    while ((changed = waitpid(thread->thread, &status, __WALL | WNOHANG)) == 0 && clock_seconds() < until)
        nanosleep(&moment, NULL);
    thread->stopped = changed == thread->thread && WIFSTOPPED(status);
    if (thread->stopped && status >> 16 == 0)
        thread->signal = WSTOPSIG(status);
}

bool reader_stop_begin(struct reader_stop *stop, pid_t pid)
{
    *stop = (struct reader_stop){.began = clock_seconds()};
    double until = stop->began + patience;
    size_t waited = 0;
    for (int found = 1; found > 0;) {
        found = seize_new(stop, pid);
        if (found < 0) {
            int error = errno;
            reader_stop_end(stop);
            errno = error;
            return false;
        }
        for (; waited < stop->count; waited++)
            wait_for(&stop->threads[waited], until);
        if (found > 0 && clock_seconds() - stop->began > patience_with_new_ones) {
            reader_stop_end(stop);
            errno = EAGAIN;
            return false;
        }
    }
    return true;
}

void reader_stop_wait(struct reader_stop *stop, double seconds)
{
    double until = clock_seconds() + seconds;
    for (size_t i = 0; i < stop->count; i++)
        if (!stop->threads[i].stopped)
            wait_for(&stop->threads[i], until);
}

double reader_stop_end(struct reader_stop *stop)
{
    double until = clock_seconds() + patience_at_end;
    for (size_t i = 0; i < stop->count; i++) {
        struct stopped_thread *thread = &stop->threads[i];
        if (!thread->stopped)
            wait_for(thread, until);
        if (thread->stopped)
            ptrace(PTRACE_DETACH, thread->thread, NULL, (void *)(intptr_t)thread->signal);
    }
    free(stop->threads);
    stop->threads = NULL;
    stop->count = 0;
    return clock_seconds() - stop->began;
}

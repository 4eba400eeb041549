/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "config.h"

#include "profile_source.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "number_text.h"
#include "process.h"
#include "profile.h"
#include "reader/clock.h"

/* ---- which one --------------------------------------------------------- */

static bool complain_of_many(const char *name, const pid_t *pids, int count)
{
    char list[100] = "";
    for (int i = 0, length = 0; i < count && length < (int)sizeof list - 16; i++)
        length += snprintf(list + length, sizeof list - (size_t)length, "%s%d", i > 0 ? ", " : "",
                           (int)pids[i]);
    command_error("%d processes named '%s' use libhakmem; give a process ID: %s", count,
                  name, list);
    return false;
}

static bool find_named(const char *name, struct profile_source *source)
{
    pid_t *pids;
    int count = process_named(name, &pids);
    bool found = count == 1;
    if (found)
        source->pid = pids[0];
    else if (count > 1)
        complain_of_many(name, pids, count);
    else if (access(name, F_OK) == 0)
        source->path = name;
    else if (count >= 0 && !process_complain_of_named(name))
        command_error("no process named '%s' that you may read uses libhakmem, and no file has "
                      "that name; start the program with hakmem run", name);
    free(pids);
    return found || source->path != NULL;
}

bool profile_source_find(const char *argument, struct profile_source *source)
{
    *source = (struct profile_source){0};
    if (strchr(argument, '/') != NULL) {
        source->path = argument;
        return true;
    }
    if (*argument == '\0' || strspn(argument, "-.0123456789") != strlen(argument))
        return find_named(argument, source);
    char *end;
    errno = 0;
    long number = strtol(argument, &end, 10);
    if (*end != '\0' || errno != 0 || number <= 0 || number > INT_MAX) {
        command_error("invalid process ID: '%s'", argument);
        return false;
    }
    source->pid = (pid_t)number;
    return true;
}

/* ---- on and off -------------------------------------------------------- */

static bool start(pid_t pid, uint64_t interval)
{
    uint64_t now = interval;
    enum profile_switched switched = profile_switch(pid, 0, &now);
    struct number_text running = number_bytes((double)now);
    if (switched == PROFILE_SWITCHED)
        printf("started the profiler of process %d: one sample per %s\n", (int)pid, running.text);
    else if (switched == PROFILE_UNCHANGED && now == interval)
        printf("the profiler of process %d is already running; nothing to do\n", (int)pid);
    else if (switched == PROFILE_UNCHANGED)
        command_error("the profiler of process %d is already running, with one sample per %s; stop "
                      "it first with --stop", (int)pid, running.text);
    return switched == PROFILE_SWITCHED || (switched == PROFILE_UNCHANGED && now == interval);
}

static bool stop(pid_t pid)
{
    uint64_t now = 0, zero = 0;
    enum profile_switched switched = profile_switch(pid, 0, &now); /* tells what the interval is */
    if (switched == PROFILE_SWITCHED)
        printf("the profiler of process %d is not running; nothing to do\n", (int)pid);
    if (switched != PROFILE_UNCHANGED)
        return switched == PROFILE_SWITCHED;
    switched = profile_switch(pid, now, &zero);
    if (switched == PROFILE_SWITCHED)
        printf("stopped the profiler of process %d\n", (int)pid);
    else if (switched == PROFILE_UNCHANGED)
        command_error("the profiler of process %d was changed by another command; try again", (int)pid);
    return switched == PROFILE_SWITCHED;
}

bool profile_source_switch(const char *argument, uint64_t interval)
{
    struct profile_source source;
    if (!profile_source_find(argument, &source))
        return false;
    if (source.path != NULL) {
        command_error("%s is a file; --start and --stop are for running processes", source.path);
        return false;
    }
    bool done = interval != 0 ? start(source.pid, interval) : stop(source.pid);
    return command_end_output(done ? COMMAND_OK : COMMAND_FAILED) == COMMAND_OK;
}

/* ---- for some time ----------------------------------------------------- */

static sigset_t ending_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    return set;
}

bool profile_record_begin(struct profile_recording *recording)
{
    sigset_t signals = ending_signals();
    sigprocmask(SIG_BLOCK, &signals, NULL);
    enum profile_switched switched = profile_switch(recording->pid, 0, &recording->interval);
    recording->was_running = switched == PROFILE_UNCHANGED;
    return switched != PROFILE_SWITCH_FAILED;
}

void profile_record_wait(const struct profile_recording *recording, double seconds)
{
    sigset_t signals = ending_signals();
    double began = clock_seconds(), passed = 0;
    while ((passed = clock_seconds() - began) < seconds) {
        double slice = seconds - passed < 0.2 ? seconds - passed : 0.2;
        struct timespec rest = {.tv_nsec = (long)(slice * 1e9)};
        if (sigtimedwait(&signals, NULL, &rest) > 0) {
            command_warning("interrupted after %.1f of %g seconds", passed, seconds);
            return;
        }
        if (kill(recording->pid, 0) != 0 && errno == ESRCH) /* reading it will say so */
            return;
    }
}

bool profile_record_end(const struct profile_recording *recording)
{
    sigset_t signals = ending_signals();
    uint64_t zero = 0;
    enum profile_switched switched = PROFILE_SWITCHED;
    bool ended = kill(recording->pid, 0) != 0 && errno == ESRCH;
    if (!recording->was_running && !ended)
        switched = profile_switch(recording->pid, recording->interval, &zero);
    if (switched == PROFILE_UNCHANGED) /* somebody else switched it meanwhile: it is theirs */
        switched = PROFILE_SWITCHED;
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
    return switched == PROFILE_SWITCHED;
}

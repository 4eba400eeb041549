/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "process_watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "reader/remote_block.h"

/*
 * A file /proc/PID/mem stays with the memory that the process had when it was opened: of memory that is no
 * more, it reads as if it ended.
 */
static struct {
    struct process *process;
    int memory; /* that file, or negative */
    void (*function)(void);
    atomic_flag called;
} watched = {.memory = -1, .called = ATOMIC_FLAG_INIT};

static bool has_memory(pid_t pid, pid_t task)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/maps", (int)pid, (int)task);
    FILE *maps = fopen(path, "re");
    bool any = maps != NULL && fgetc(maps) != EOF;
    if (maps != NULL)
        fclose(maps);
    return any;
}

/* A thread that has not ended; the first one where that can be. 0: there is none, or they may not be read. */
static pid_t living_task(pid_t pid)
{
    char path[40];
    pid_t found = 0;
    if (has_memory(pid, pid))
        return pid;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && found == 0 && (entry = readdir(folder)) != NULL;) {
        pid_t task = (pid_t)strtol(entry->d_name, NULL, 10);
        if (task > 0 && task != pid && has_memory(pid, task))
            found = task;
    }
    if (folder != NULL)
        closedir(folder);
    return found;
}

bool process_has_memory(const struct process *process)
{
    return living_task(process->pid) != 0;
}

static bool memory_is_gone(void)
{
    char byte;
    off_t address = (off_t)watched.process->block; /* any will do */
    return watched.memory >= 0 && address >= 0 && pread(watched.memory, &byte, 1, address) == 0;
}

enum process_lost process_watch_result(const struct process *process)
{
    int error = errno;
    enum process_lost result = PROCESS_NOT_LOST;
    if (watched.process == process && memory_is_gone())
        result = living_task(process->pid) != 0 ? PROCESS_LOST_BY_PROGRAM : PROCESS_LOST_BY_END;
    errno = error;
    return result;
}

/* Where the thread by which it is read has ended, another one is as good. */
static bool find_other_task(void)
{
    struct process *process = watched.process;
    pid_t task = living_task(process->pid);
    if (task == 0 || task == __atomic_load_n(&process->task, __ATOMIC_RELAXED))
        return false;
    __atomic_store_n(&process->task, task, __ATOMIC_RELAXED);
    return true;
}

static bool read_has_failed(int error)
{
    bool is_gone = memory_is_gone();
    if (!is_gone && error == ESRCH && find_other_task())
        return true;
    if ((is_gone || error == ESRCH) && watched.function != NULL) {
        if (!atomic_flag_test_and_set(&watched.called))
            watched.function();
        for (;;) /* another thread ends this program */
            pause();
    }
    return false;
}

void process_watch_call(void (*function)(void))
{
    watched.function = function;
}

void process_watch(struct process *process)
{
    char path[64];
    if (watched.memory >= 0)
        close(watched.memory);
    process->task = living_task(process->pid);
    if (process->task == 0)
        process->task = process->pid;
    snprintf(path, sizeof path, "/proc/%d/task/%d/mem", (int)process->pid, (int)process->task);
    watched.memory = open(path, O_RDONLY | O_CLOEXEC);
    watched.process = process;
    remote_when_read_fails(read_has_failed);
}

/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "stat_request.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "number_text.h"
#include "process_pass.h"
#include "snapshot.h"

/* All of a pass, which is to be ended; NULL after a message. */
static struct process_pass *read_all(const struct process_wanted *wanted, size_t count)
{
    struct process_pass *pass = process_pass_begin(wanted, count);
    while (pass != NULL && !process_pass_step(pass))
        continue;
    return pass;
}

bool stat_request_read_again(struct stat_request *request)
{
    struct process_wanted *wanted = calloc(request->count + 1, sizeof *wanted);
    for (size_t i = 0; wanted != NULL && i < request->count; i++) {
        const struct process *process = &request->processes[i];
        wanted[i] = (struct process_wanted){
            .pid = process->pid, .silent = process->silent, .threads = request->threads, .block = process->block};
    }
    struct process_pass *pass = wanted != NULL ? read_all(wanted, request->count) : NULL;
    bool good = pass != NULL;
    size_t kept = 0;
    for (size_t i = 0; pass != NULL && i < request->count; i++) {
        const struct process_pass_item *item = process_pass_item(pass, i);
        if (item->result == PROCESS_READ) {
            if (kept != i)
                request->processes[kept] = request->processes[i];
            process_take(&request->processes[kept++], item);
        } else {
            process_forget(&request->processes[i]);
            good = good && (item->result == PROCESS_ENDED || wanted[i].silent);
        }
    }
    request->count = kept;
    if (pass != NULL)
        process_pass_end(pass);
    free(wanted);
    return good;
}

static bool add(struct stat_request *request, const struct process *process)
{
    struct process *more = reallocarray(request->processes, request->count + 1, sizeof *more);
    if (more == NULL) {
        command_error("%s", strerror(errno));
        return false;
    }
    request->processes = more;
    more[request->count++] = *process;
    return true;
}

static bool keep(struct stat_request *request, const struct process_pass_item *item, bool silent)
{
    struct process process = {.silent = silent};
    process_take(&process, item);
    return add(request, &process);
}

static int add_snapshot(struct stat_request *request, const char *path)
{
    struct process process = {.snapshot_path = path};
    if (request->seconds != 0) {
        command_error("%s is a file; --watch and --seconds are for running processes", path);
        return COMMAND_FAILED;
    }
    return snapshot_read_process(path, &process, request->threads) && add(request, &process) ? COMMAND_OK : COMMAND_FAILED;
}

static bool has_process(const struct stat_request *request, pid_t pid)
{
    for (size_t i = 0; i < request->count; i++)
        if (request->processes[i].snapshot_path == NULL && request->processes[i].pid == pid)
            return true;
    return false;
}

/* Reads processes that are not there yet; *found: how many were read, or are there. */
static bool add_processes(struct stat_request *request, const pid_t *pids, size_t count, bool silent, size_t *found)
{
    struct process_wanted *wanted = calloc(count + 1, sizeof *wanted);
    size_t fresh = 0;
    for (size_t i = 0; wanted != NULL && i < count; i++) {
        if (has_process(request, pids[i]))
            ++*found;
        else
            wanted[fresh++] = (struct process_wanted){.pid = pids[i], .silent = silent, .threads = request->threads};
    }
    struct process_pass *pass = wanted != NULL ? read_all(wanted, fresh) : NULL;
    bool good = pass != NULL;
    for (size_t i = 0; pass != NULL && i < fresh; i++) {
        const struct process_pass_item *item = process_pass_item(pass, i);
        bool kept = item->result == PROCESS_READ && keep(request, item, silent);
        *found += kept;
        good = good && (kept || silent);
    }
    if (pass != NULL)
        process_pass_end(pass);
    free(wanted);
    return good;
}

int stat_request_add_named(struct stat_request *request, const char *name)
{
    pid_t *pids;
    size_t found = 0;
    int count = process_list(name, &pids);
    bool good = count >= 0 && add_processes(request, pids, (size_t)count, true, &found);
    free(pids);
    if (good && found == 0 && name != NULL && !process_complain_of_named(name))
        command_error("no process named '%s' that you may read uses libhakmem; start the program with hakmem run",
                      name);
    return good && found > 0 ? COMMAND_OK : COMMAND_FAILED;
}

int stat_request_add(struct stat_request *request, const char *argument)
{
    if (strchr(argument, '/') != NULL || snapshot_is_one(argument))
        return add_snapshot(request, argument);
    if (strspn(argument, "-.0123456789") != strlen(argument)) {
        request->array = true;
        return stat_request_add_named(request, argument);
    }
    pid_t pid = (pid_t)number_positive(argument, INT_MAX);
    if (pid == 0 || strchr(argument, '.') != NULL) {
        command_error("invalid process ID: '%s'; see hakmem stat --help", argument);
        return COMMAND_USAGE;
    }
    size_t found = 0;
    return add_processes(request, &pid, 1, false, &found) ? COMMAND_OK : COMMAND_FAILED;
}

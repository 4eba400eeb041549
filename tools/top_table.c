/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "top_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "reader/clock.h"

/* A program may be seen while it is being started, before the library is there. */
enum { FRUITLESS_MOST = 2 };
/* Looks at a process may take one in so many seconds: the kernel's list of its pages can be long. */
enum { REST = 20 };

/* ---- which ones -------------------------------------------------------- */

/* Fields 22 and 28 of /proc/PID/stat, behind a name that may hold anything. The place of the stack is random. */
static bool read_identity(pid_t pid, struct top_identity *identity)
{
    char path[40], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[length > 0 ? length : 0] = '\0';
    char *at = strrchr(text, ')');
    *identity = (struct top_identity){0};
    for (int field = 3; at != NULL && field <= 28; field++) {
        at = strchr(at + 1, ' ');
        if (at != NULL && field == 22)
            identity->started = strtoull(at, NULL, 10);
        if (at != NULL && field == 28)
            identity->stack = strtoull(at, NULL, 10);
    }
    return at != NULL;
}

static int by_pid(const void *a, const void *b)
{
    const struct top_process *one = a, *other = b;
    return (one->pid > other->pid) - (one->pid < other->pid);
}

static struct top_process *find(const struct top_table *table, pid_t pid)
{
    const struct top_process wanted = {.pid = pid};
    return table->count == 0 ? NULL : bsearch(&wanted, table->processes, table->count, sizeof wanted, by_pid);
}

const struct top_process *top_table_find(const struct top_table *table, pid_t pid)
{
    const struct top_process *process = find(table, pid);
    return process != NULL && process->process != NULL ? process : NULL;
}

static void forget(struct top_process *process)
{
    if (process->process != NULL)
        process_forget(process->process);
    free(process->process);
    process->process = NULL;
    process->before = process->when = 0;
}

static void drop_all(struct top_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        forget(&table->processes[i]);
    free(table->processes);
    table->processes = NULL;
    table->count = 0;
}

/* Takes what is known of the processes that are still the same. */
static bool list(struct top_table *table)
{
    pid_t *pids;
    int count = process_list(NULL, &pids);
    struct top_process *processes = calloc((size_t)(count > 0 ? count : 0) + 1, sizeof *processes);
    size_t kept = 0;
    for (int i = 0; processes != NULL && i < count; i++) {
        struct top_process *now = &processes[kept], *known = find(table, pids[i]);
        now->pid = pids[i];
        if (!read_identity(pids[i], &now->identity))
            continue;
        kept++;
        if (known == NULL || memcmp(&known->identity, &now->identity, sizeof now->identity) != 0)
            continue;
        *now = *known;
        known->process = NULL;
    }
    free(pids);
    if (count < 0 || processes == NULL) {
        free(processes);
        return false;
    }
    drop_all(table);
    qsort(processes, kept, sizeof *processes, by_pid);
    table->processes = processes;
    table->count = kept;
    return true;
}

/* ---- reading them ------------------------------------------------------ */

bool top_table_begin(struct top_table *table, bool all)
{
    if (!list(table))
        return false;
    double now = clock_seconds();
    struct process_wanted *wanted = calloc(table->count + 1, sizeof *wanted);
    table->wanted = calloc(table->count + 1, sizeof *table->wanted);
    table->wanted_count = 0;
    for (size_t i = 0; wanted != NULL && table->wanted != NULL && i < table->count; i++) {
        const struct top_process *process = &table->processes[i];
        bool detailed = process->pid == table->detailed;
        bool at_once = all || (detailed && process->process != NULL && process->process->threads == NULL);
        if (!at_once && (process->fruitless >= FRUITLESS_MOST || process->due > now))
            continue;
        wanted[table->wanted_count] = (struct process_wanted){
            .pid = process->pid, .silent = true, .threads = detailed, .block = process->process != NULL ? process->process->block : 0};
        table->wanted[table->wanted_count++] = i;
    }
    if (wanted != NULL && table->wanted != NULL)
        table->pass = process_pass_begin(wanted, table->wanted_count);
    else
        command_error("%s", strerror(errno));
    free(wanted);
    if (table->pass == NULL) {
        free(table->wanted);
        table->wanted = NULL;
    }
    return table->pass != NULL;
}

static void take(struct top_process *process, const struct process_pass_item *item)
{
    bool read = item->result == PROCESS_READ;
    if (read && process->process == NULL)
        process->process = calloc(1, sizeof *process->process);
    process->failed = item->result == PROCESS_FAILED;
    if (!read || process->process == NULL) {
        forget(process);
        process->fruitless = item->in_time ? process->fruitless + 1 : FRUITLESS_MOST;
        return;
    }
    process_take(process->process, item);
    process->fruitless = 0;
    process->before = process->when;
    process->when = item->when;
    process->due = item->when + REST * item->seconds;
}

bool top_table_step(struct top_table *table)
{
    if (!process_pass_step(table->pass))
        return false;
    for (size_t i = 0; i < table->wanted_count; i++)
        take(&table->processes[table->wanted[i]], process_pass_item(table->pass, i));
    process_pass_end(table->pass);
    free(table->wanted);
    table->pass = NULL;
    table->wanted = NULL;
    return true;
}

void top_table_free(struct top_table *table)
{
    if (table->pass != NULL)
        process_pass_end(table->pass);
    free(table->wanted);
    drop_all(table);
    *table = (struct top_table){0};
}

/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "process_pass.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "process_watch.h"
#include "reader/clock.h"

/* Shared with the child. The processes are apart: those without the library are not written, and take no memory. */
struct process_pass {
    size_t count, size;   /* processes; bytes of this mapping */
    _Atomic size_t next;  /* the process that is read now, or will be */
    pid_t child;
    int fd;               /* of a pipe that the child holds open */
    struct process_wanted *wanted;
    struct process_pass_item *items;
};

/* ---- the child --------------------------------------------------------- */

static void read_profiler(struct process *process, const struct remote_memory *memory,
                          const struct hak_stats_block *block)
{
    const uintptr_t profile = (uintptr_t)block->profile;
    uint64_t interval = 0, bytes = 0;
    process->profiler.is_on =
        memory->read(memory->context, (const void *)(profile + offsetof(struct hak_profile, interval)), &interval,
                     sizeof interval) &&
        memory->read(memory->context, (const void *)(profile + offsetof(struct hak_profile, allocated.bytes)),
                     &bytes, sizeof bytes) &&
        interval != 0;
    process->profiler.allocated = bytes;
}

/* Of a process with much memory the residency can take long; its statistics are good without. */
static void read_one(const struct process_wanted *wanted, struct process_pass_item *item)
{
    static struct process process;
    struct remote_memory memory;
    struct hak_stats_block block;
    double began = clock_seconds();
    process = (struct process){.pid = wanted->pid, .silent = wanted->silent, .block = wanted->block};
    process_limit_time(PROCESS_SECONDS_MOST);
    enum process_result result = process_read_statistics(&process, &memory, &block, item->threads);
    item->result = result;
    if (result != PROCESS_READ)
        return;
    read_profiler(&process, &memory, &block);
    *item->process = process;
    item->when = clock_seconds();
    process_limit_time(PROCESS_SECONDS_MOST);
    if (residency_read(process.task, &memory, &block, &process.residency) &&
        process_watch_result(&process) == PROCESS_NOT_LOST)
        item->process->residency = process.residency;
    item->seconds = clock_seconds() - began;
}

static _Noreturn void be_reader(struct process_pass *pass)
{
    process_limit_memory();
    while (pass->next < pass->count) {
        struct process_pass_item *item = &pass->items[pass->next];
        read_one(&pass->wanted[pass->next], item);
        item->in_time = true;
        pass->next++;
    }
    _exit(0);
}

/* ---- the parent -------------------------------------------------------- */

static bool start(struct process_pass *pass)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    fflush(NULL);
    pid_t child = fork(); /* the child shares *pass, and writes none of this to it */
    if (child == 0)
        be_reader(pass);
    int error = errno;
    close(ends[1]);
    pass->child = child;
    pass->fd = ends[0];
    errno = error;
    return child > 0;
}

static size_t rounded(size_t size)
{
    return (size + 63) & ~(size_t)63;
}

/* What is not written takes no memory. */
static void give_places(struct process_pass *pass, char *at)
{
    size_t size = rounded(THREADS_SIZE(THREADS_MOST));
    for (size_t i = 0; i < pass->count; i++)
        pass->items[i].process = (struct process *)(void *)at + i;
    at += rounded(pass->count * sizeof(struct process));
    for (size_t i = 0; i < pass->count; i++)
        if (pass->wanted[i].threads) {
            pass->items[i].threads = (struct threads *)(void *)at;
            threads_begin(pass->items[i].threads, THREADS_MOST);
            at += size;
        }
}

struct process_pass *process_pass_begin(const struct process_wanted *wanted, size_t count)
{
    size_t head = rounded(sizeof(struct process_pass)), list = rounded(count * sizeof *wanted);
    size_t items = rounded(count * sizeof(struct process_pass_item)), with_threads = 0;
    for (size_t i = 0; i < count; i++)
        with_threads += wanted[i].threads;
    size_t size = head + list + items + rounded(count * sizeof(struct process)) +
                  with_threads * rounded(THREADS_SIZE(THREADS_MOST));
    char *place = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (place == MAP_FAILED) {
        command_error("%s", strerror(errno));
        return NULL;
    }
    struct process_pass *pass = (struct process_pass *)(void *)place;
    *pass = (struct process_pass){.count = count, .size = size, .fd = -1};
    pass->wanted = (struct process_wanted *)(void *)(place + head);
    pass->items = (struct process_pass_item *)(void *)(place + head + list);
    if (count != 0)
        memcpy(pass->wanted, wanted, count * sizeof *wanted);
    give_places(pass, place + head + list + items);
    if (start(pass))
        return pass;
    command_error("%s", strerror(errno));
    process_pass_end(pass);
    return NULL;
}

int process_pass_fd(const struct process_pass *pass)
{
    return pass->fd;
}

static void reap(struct process_pass *pass)
{
    while (pass->child > 0 && waitpid(pass->child, NULL, 0) < 0 && errno == EINTR)
        continue;
    pass->child = 0;
    if (pass->fd >= 0)
        close(pass->fd);
    pass->fd = -1;
}

/* The child was ended at a process. What it has of that was written before. */
static void give_up(struct process_pass *pass, const char *why)
{
    const struct process_wanted *wanted = &pass->wanted[pass->next];
    struct process_pass_item *item = &pass->items[pass->next];
    const struct process process = {.pid = wanted->pid, .silent = wanted->silent};
    if (item->when == 0)
        item->result = process_complain(&process, PROCESS_FAILED, "cannot be read%s", why);
    item->seconds = PROCESS_SECONDS_MOST;
    pass->next++;
}

bool process_pass_step(struct process_pass *pass)
{
    char within[40];
    reap(pass);
    snprintf(within, sizeof within, " within %d seconds", PROCESS_SECONDS_MOST);
    if (pass->next < pass->count)
        give_up(pass, within);
    while (pass->next < pass->count && !start(pass)) {
        reap(pass);
        give_up(pass, "");
    }
    return pass->next >= pass->count;
}

const struct process_pass_item *process_pass_item(const struct process_pass *pass, size_t number)
{
    return &pass->items[number];
}

void process_pass_end(struct process_pass *pass)
{
    if (pass->child > 0)
        kill(pass->child, SIGKILL);
    reap(pass);
    munmap(pass, pass->size);
}

void process_take(struct process *process, const struct process_pass_item *item)
{
    struct process last = *process;
    bool silent = process->silent;
    *process = *item->process;
    process->silent = silent;
    process->before.is_known = last.block != 0;
    process->before.snapshot = last.snapshot;
    process->before.rss = last.residency.rss;
    process->threads = threads_copy(item->threads);
    if (process->threads != NULL && last.threads != NULL)
        threads_compare(process->threads, last.threads);
    process_forget(&last);
}

/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "remote_block.h"

/* Enough for 2 TiB of small blocks, or for 50,000 threads with all their chains; a few seconds. */
enum { READS_MAX = 1 << 20, SECONDS_MAX = 10 };

static bool peek(const void *context, const void *from, void *to, size_t size)
{
    struct iovec here = {to, size}, there = {(void *)from, size};
    ssize_t got = process_vm_readv(*(const pid_t *)context, &here, 1, &there, 1, 0);
    if (got >= 0 && got != (ssize_t)size)
        errno = EFAULT;
    return got == (ssize_t)size;
}

struct search {
    struct remote_memory memory;
    uintptr_t block;
    bool any, other_class; /* whether anything is mapped; something of another word size */
    int error;             /* of the last read that failed, or 0 */
};

/* Looks at each mapping that has the start of a file, until one has the block. */
static void search_mappings(struct search *search, FILE *maps)
{
    char *line = NULL;
    size_t room = 0;
    while (search->block == 0 && getline(&line, &room, maps) > 0) {
        uintptr_t start = 0;
        uint64_t offset = 1, inode = 0;
        char readable = '-';
        search->any = true;
        if (sscanf(line, "%" SCNxPTR "-%*x %c%*3c %" SCNx64 " %*s %" SCNu64, &start, &readable,
                   &offset, &inode) != 4 ||
            readable != 'r' || offset != 0 || inode == 0)
            continue;
        enum remote_result result = remote_block_find(&search->memory, start, &search->block);
        if (result == REMOTE_UNREADABLE)
            search->error = errno;
        search->other_class |= result == REMOTE_OTHER_CLASS;
    }
    free(line);
}

enum process_result process_complain(const struct process *process, enum process_result result,
                                     const char *format, ...)
{
    char text[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!process->silent)
        command_error("process %d %s", (int)process->pid, text);
    return result;
}

enum process_result process_complain_of(const struct process *process, int error)
{
    bool ended = kill(process->pid, 0) != 0 && errno == ESRCH;
    if (ended || error == ENOENT || error == ESRCH)
        return process_complain(process, PROCESS_ENDED, "does not exist, or has ended");
    if (error == EACCES || error == EPERM)
        return process_complain(process, PROCESS_FAILED,
                                "may not be read: it belongs to another user, or is protected%s",
                                geteuid() == 0 ? "" : "; try as root");
    if (error == EFAULT)
        return process_complain(process, PROCESS_FAILED,
                                "has damaged statistics: they lead to memory that does not exist");
    return process_complain(process, PROCESS_FAILED, "cannot be read: %s", strerror(error));
}

static enum process_result find_block(struct process *process, struct search *search)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)process->pid);
    FILE *maps = fopen(path, "re");
    if (maps == NULL)
        return process_complain_of(process, errno);
    errno = 0;
    search_mappings(search, maps);
    int error = ferror(maps) ? errno : search->error;
    fclose(maps);
    if (search->block != 0)
        return PROCESS_READ;
    if (error != 0)
        return process_complain_of(process, error);
    if (!search->any)
        return process_complain(process, PROCESS_ENDED,
                                "has no memory: it has ended, or is the kernel's");
    if (search->other_class)
        return process_complain(process, PROCESS_WITHOUT,
                                "has another word size: use the hakmem command of its architecture");
    return process_complain(process, PROCESS_WITHOUT, "does not run on libhakmem");
}

/* The kernel's name for it; the program chose that, so only what prints is kept. */
static void read_name(struct process *process)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)process->pid);
    FILE *file = fopen(path, "re");
    size_t length = file != NULL ? fread(process->name, 1, sizeof process->name - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    if (length > 0 && process->name[length - 1] == '\n')
        length--;
    process->name[length] = '\0';
    for (char *byte = process->name; *byte != '\0'; byte++)
        if (*byte < ' ' || *byte >= 0x7f)
            *byte = '?';
}

/* Anew each time: the process may have executed another program meanwhile. */
enum process_result process_find(struct process *process, struct remote_memory *memory,
                                 struct hak_stats_block *block)
{
    *memory = (struct remote_memory){peek, &process->pid};
    struct search search = {.memory = *memory};
    enum process_result result = find_block(process, &search);
    if (result != PROCESS_READ)
        return result;
    enum remote_result found = remote_block_read(memory, search.block, block);
    if (found == REMOTE_UNREADABLE)
        return process_complain_of(process, errno);
    if (found == REMOTE_DISABLED)
        return process_complain(process, PROCESS_WITHOUT,
                                "has libhakmem, but it is disabled there");
    if (found != REMOTE_FOUND)
        return process_complain(process, PROCESS_FAILED,
                                "runs on libhakmem %s, whose statistics this command, %s, cannot read",
                                block->version, PACKAGE_VERSION);
    read_name(process);
    memcpy(process->version, block->version, sizeof process->version);
    return PROCESS_READ;
}

static enum process_result read_statistics(struct process *process, void *context)
{
    struct remote_memory memory;
    struct hak_stats_block block;
    enum process_result result = process_find(process, &memory, &block);
    (void)context;
    if (result != PROCESS_READ)
        return result;
    errno = 0;
    if (hak__snapshot_read(&block, peek, &process->pid, READS_MAX, &process->snapshot))
        return PROCESS_READ;
    if (errno != 0)
        return process_complain_of(process, errno);
    return process_complain(process, PROCESS_FAILED,
                            "has damaged statistics: a list leads back to itself, or is too long");
}

/* ---- within a time ----------------------------------------------------- */

/* Shared with the child that reads. */
struct look {
    struct process process;
    enum process_result result;
    bool done;
};

static _Noreturn void be_reader(struct look *look, process_look *function, void *context)
{
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    signal(SIGALRM, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &alarms, NULL);
    alarm(SECONDS_MAX);
    look->result = function(&look->process, context);
    look->done = true;
    _exit(0);
}

/*
 * A process can let those wait who read its memory, for ever: by userfaultfd(2), or with a file of a
 * file system of its own. Only a signal that kills ends such a read, so a child does it.
 */
enum process_result process_look_in_time(struct process *process, process_look *function,
                                         void *context)
{
    struct look *look =
        mmap(NULL, sizeof *look, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (look == MAP_FAILED)
        return process_complain_of(process, errno);
    *look = (struct look){.process = *process};
    pid_t child = fork();
    if (child == 0)
        be_reader(look, function, context);
    if (child < 0)
        look->result = process_complain_of(process, errno);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (child > 0 && !look->done)
        look->result =
            process_complain(process, PROCESS_FAILED,
                             "cannot be read within %d seconds", SECONDS_MAX);
    enum process_result result = look->result;
    *process = look->process;
    munmap(look, sizeof *look);
    return result;
}

enum process_result process_read(struct process *process)
{
    return process_look_in_time(process, read_statistics, NULL);
}

/* ---- by name ----------------------------------------------------------- */

static bool is_named(pid_t pid, const char *name)
{
    char path[64], program[PATH_MAX];
    struct process process = {.pid = pid};
    read_name(&process);
    if (strcmp(process.name, name) == 0)
        return true;
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    ssize_t length = readlink(path, program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    const char *slash = strrchr(program, '/');
    return slash != NULL && strcmp(slash + 1, name) == 0;
}

int process_named(const char *name, pid_t **pids)
{
    DIR *folder = opendir("/proc");
    int count = 0, room = 0;
    *pids = NULL;
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid <= 0 || pid == getpid() || !is_named(pid, name))
            continue;
        if (count == room) {
            room = room == 0 ? 16 : 2 * room;
            pid_t *more = reallocarray(*pids, (size_t)room, sizeof **pids);
            if (more == NULL)
                break;
            *pids = more;
        }
        (*pids)[count++] = pid;
    }
    if (folder == NULL)
        command_error("/proc: %s", strerror(errno));
    else
        closedir(folder);
    return folder == NULL ? -1 : count;
}

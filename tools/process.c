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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "process_watch.h"
#include "reader/remote_block.h"

/* Enough for 2 TiB of small blocks, or for 50,000 threads with all their chains; a few seconds. */
enum { READS_MAX = 1 << 20 };

enum { WAITS = 20 }; /* of a millisecond, for a program that starts */

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
        if (result == REMOTE_UNREADABLE && errno != EFAULT) /* that one is gone, as where a program starts */
            search->error = errno;
        search->other_class |= result == REMOTE_OTHER_CLASS;
    }
    free(line);
}

static bool has_complained; /* in a child that reads; one message is enough */

enum process_result process_complain(const struct process *process, enum process_result result,
                                     const char *format, ...)
{
    char text[200];
    va_list arguments;
    alarm(0); /* a look that has come to a result is not ended before it can tell */
    enum process_lost lost = process_watch_result(process);
    if (lost == PROCESS_LOST_BY_END)
        result = PROCESS_ENDED, format = "does not exist, or has ended";
    else if (lost == PROCESS_LOST_BY_PROGRAM)
        result = PROCESS_FAILED, format = "executed another program while it was read; try again";
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    has_complained = true;
    if (!process->silent)
        command_error("process %d %s", (int)process->pid, text);
    return result;
}

/* The user IDs of a process, or those of nobody. */
static void read_users(pid_t pid, uid_t *real, uid_t *effective)
{
    char path[40], line[256];
    unsigned numbers[2] = {UINT_MAX, UINT_MAX};
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Uid: %u %u", &numbers[0], &numbers[1]) == 2)
            break;
    if (file != NULL)
        fclose(file);
    *real = numbers[0];
    *effective = numbers[1];
}

static int trace_scope(void)
{
    int scope = 0;
    FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
    if (file == NULL || fscanf(file, "%d", &scope) != 1)
        scope = 0;
    if (file != NULL)
        fclose(file);
    return scope;
}

/*
 * Why the kernel refuses: by what it tells anybody. The files of a process that may not be dumped, as
 * prctl(PR_SET_DUMPABLE) makes it, are root's.
 */
static const char *why_refused(pid_t pid)
{
    char path[40];
    uid_t real, effective;
    struct stat maps;
    read_users(pid, &real, &effective);
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    if (trace_scope() > 2)
        return "the system forbids reading processes (kernel.yama.ptrace_scope)";
    if (geteuid() == 0)
        return "root lacks the capability CAP_SYS_PTRACE here, or a security module forbids it";
    if (real != geteuid() || effective != geteuid())
        return "it belongs to another user; try as root";
    if (stat(path, &maps) == 0 && maps.st_uid != effective)
        return "it has protected itself against being read, as sandboxes do; try as root";
    if (trace_scope() > 0)
        return "only root may read it (kernel.yama.ptrace_scope); try as root";
    return "the system protects it; try as root";
}

enum process_result process_complain_of(const struct process *process, int error)
{
    bool ended = kill(process->pid, 0) != 0 && errno == ESRCH;
    if (ended || error == ENOENT || error == ESRCH)
        return process_complain(process, PROCESS_ENDED, "does not exist, or has ended");
    if (error == EACCES || error == EPERM)
        return process_complain(process, PROCESS_FAILED, "may not be read: %s", why_refused(process->pid));
    if (error == EFAULT)
        return process_complain(process, PROCESS_FAILED,
                                "has damaged statistics: they lead to memory that does not exist");
    return process_complain(process, PROCESS_FAILED, "cannot be read: %s", strerror(error));
}

enum process_result process_complain_of_stop(const struct process *process, int error)
{
    if (error == EAGAIN)
        return process_complain(process, PROCESS_FAILED,
                                "starts threads faster than they can be stopped; use --no-stop");
    if (error != EPERM)
        return process_complain_of(process, error);
    return process_complain(process, PROCESS_FAILED,
                            "cannot be stopped because another program traces it; use --no-stop");
}

/* In the environment that it was started with, unless the program has written over that. */
static bool is_preloaded(pid_t pid)
{
    char path[40], *variable = NULL;
    size_t room = 0;
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && !found && getdelim(&variable, &room, '\0', file) > 0)
        found = strncmp(variable, "LD_PRELOAD=", sizeof "LD_PRELOAD=" - 1) == 0 && strstr(variable, "libhakmem") != NULL;
    free(variable);
    if (file != NULL)
        fclose(file);
    return found;
}

static enum process_result find_block(struct process *process, struct search *search)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)process->task);
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
    if (!search->any || !process_has_memory(process))
        return process_complain(process, PROCESS_ENDED,
                                "has no memory: it has ended, or is a kernel thread");
    if (search->other_class)
        return process_complain(process, PROCESS_WITHOUT,
                                "has a different word size; use the hakmem command for its architecture");
    if (is_preloaded(process->pid))
        return process_complain(process, PROCESS_WITHOUT,
                                "does not use libhakmem: its LD_PRELOAD names the library, but it is not loaded; "
                                "see hakmem-messages(7)");
    return process_complain(process, PROCESS_WITHOUT, "does not use libhakmem; start its program with hakmem run");
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

/*
 * Where the block was found before, it is looked for first. The process may have executed another program
 * meanwhile, or be another one: then there is no block, or one that is as good.
 */
static enum process_result find_again(struct process *process, const struct remote_memory *memory,
                                      struct hak_stats_block *block, enum remote_result *found)
{
    struct search search = {.memory = *memory};
    *found = process->block != 0 ? remote_block_read(memory, process->block, block) : REMOTE_NONE;
    if (*found == REMOTE_FOUND)
        return PROCESS_READ;
    enum process_result result = find_block(process, &search);
    process->block = search.block;
    if (result == PROCESS_READ)
        *found = remote_block_read(memory, search.block, block);
    return result;
}

/* It has its libraries only in part, or they came to where others were before it executed another program. */
static bool may_be_starting(enum remote_result found, int error, const struct hak_stats_block *block)
{
    return (found == REMOTE_UNREADABLE && error == EFAULT) ||
           (found == REMOTE_OTHER_BLOCK && strcmp(block->version, "?") == 0);
}

enum process_result process_find(struct process *process, struct remote_memory *memory,
                                 struct hak_stats_block *block)
{
    enum remote_result found;
    const struct timespec moment = {.tv_nsec = 1000000};
    process_watch(process);
    *memory = remote_memory_of(&process->task);
    enum process_result result = find_again(process, memory, block, &found);
    for (int i = 0; i < WAITS && result == PROCESS_READ && may_be_starting(found, errno, block); i++) {
        nanosleep(&moment, NULL);
        result = find_again(process, memory, block, &found);
    }
    if (result != PROCESS_READ)
        return result;
    if (found == REMOTE_UNREADABLE)
        return process_complain_of(process, errno);
    if (found == REMOTE_DISABLED)
        return process_complain(process, PROCESS_WITHOUT,
                                "has libhakmem, but it is disabled: %s",
                                remote_block_disabled(memory, block));
    if (found != REMOTE_FOUND)
        return process_complain(process, PROCESS_FAILED,
                                "uses libhakmem %s, whose statistics hakmem %s cannot read; use the hakmem command "
                                "that was built with it",
                                block->version, PACKAGE_VERSION);
    read_name(process);
    memcpy(process->version, block->version, sizeof process->version);
    return PROCESS_READ;
}

enum process_result process_read_statistics(struct process *process, struct remote_memory *memory,
                                            struct hak_stats_block *block, struct threads *threads)
{
    enum process_result result = process_find(process, memory, block);
    if (result != PROCESS_READ)
        return result;
    errno = 0;
    if (hak__snapshot_read_heaps(block, memory->read, memory->context, READS_MAX, &process->snapshot,
                                 threads != NULL ? threads_add_heap : NULL, threads)) {
        if (threads != NULL)
            threads_find(threads, process->pid, process->snapshot.value[HAK_STAT_REQUESTED_BYTES]);
        return PROCESS_READ;
    }
    if (errno != 0)
        return process_complain_of(process, errno);
    return process_complain(process, PROCESS_FAILED,
                            "has damaged statistics: a list leads back to itself, or is too long");
}

void process_forget(struct process *process)
{
    free(process->threads);
    process->threads = NULL;
}

/* ---- within a time ----------------------------------------------------- */

/* Shared with the child that reads. */
struct look {
    struct process process;
    enum process_result result;
    bool done;
};

static unsigned seconds_of(const struct process *process)
{
    return process->seconds != 0 ? process->seconds : PROCESS_SECONDS_MOST;
}

void process_limit_time(unsigned seconds)
{
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    signal(SIGALRM, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &alarms, NULL);
    alarm(seconds);
}

/* Private memory that is mapped, in pages, whether it is used or not: allocators and sanitizers reserve much. */
static uint64_t own_pages(void)
{
    uint64_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL || fscanf(file, "%*s %*s %*s %*s %*s %" SCNu64, &pages) != 1)
        pages = 0;
    if (file != NULL)
        fclose(file);
    return pages;
}

void process_limit_memory(void)
{
    enum { PART = 4 };
    static const uint64_t least = (uint64_t)1 << 30;
    struct rlimit limit;
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t own = own_pages();
    if (pages <= 0 || page <= 0 || own == 0 || getrlimit(RLIMIT_DATA, &limit) != 0)
        return;
    uint64_t most = (uint64_t)pages * (uint64_t)page / PART;
    most = (most > least ? most : least) + own * (uint64_t)page;
    if (limit.rlim_cur > most) {
        limit.rlim_cur = (rlim_t)most;
        setrlimit(RLIMIT_DATA, &limit);
    }
}

static struct look *own_look; /* in the child */

/* What is read has ended, or is another program. What was found of it is not told. */
static void end_look(void)
{
    own_look->result = has_complained ? PROCESS_ENDED : process_complain_of(&own_look->process, ESRCH);
    own_look->done = true;
    _exit(0);
}

static _Noreturn void be_reader(struct look *look, process_look *function, void *context)
{
    process_limit_memory();
    process_limit_time(seconds_of(&look->process));
    own_look = look;
    has_complained = false;
    process_watch_call(end_look);
    look->result = function(&look->process, context);
    if (look->result == PROCESS_READ && process_watch_result(&look->process) != PROCESS_NOT_LOST)
        end_look();
    look->done = true;
    _exit(0);
}

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
                             "cannot be read within %u seconds", seconds_of(process));
    enum process_result result = look->result;
    *process = look->process;
    munmap(look, sizeof *look);
    return result;
}

static enum process_result find_library(struct process *process, void *context)
{
    struct remote_memory memory;
    struct hak_stats_block block;
    (void)context;
    return process_find(process, &memory, &block);
}

static bool has_library(pid_t pid)
{
    struct process process = {.pid = pid, .silent = true};
    return process_look_in_time(&process, find_library, NULL) == PROCESS_READ;
}

/* ---- by name ----------------------------------------------------------- */

static bool is_named(pid_t pid, const char *name)
{
    char path[64], program[PATH_MAX];
    struct process process = {.pid = pid};
    if (name == NULL)
        return true;
    read_name(&process);
    if (strcmp(process.name, name) == 0)
        return true;
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    ssize_t length = readlink(path, program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    const char *slash = strrchr(program, '/');
    return slash != NULL && strcmp(slash + 1, name) == 0;
}

static bool add_pid(pid_t **pids, int count, pid_t pid)
{
    /* there is room for the next power of two */
    if (count == 0 || (count >= 16 && (count & (count - 1)) == 0)) {
        pid_t *more = reallocarray(*pids, count == 0 ? 16 : 2 * (size_t)count, sizeof **pids);
        if (more == NULL)
            return false;
        *pids = more;
    }
    (*pids)[count] = pid;
    return true;
}

int process_list(const char *name, pid_t **pids)
{
    DIR *folder = opendir("/proc");
    int count = 0;
    *pids = NULL;
    if (folder == NULL) {
        command_error("/proc: %s", strerror(errno));
        return -1;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid <= 0 || pid == getpid() || !is_named(pid, name))
            continue;
        if (!add_pid(pids, count, pid))
            break;
        count++;
    }
    closedir(folder);
    return count;
}

int process_named(const char *name, pid_t **pids)
{
    int count = process_list(name, pids), kept = 0;
    for (int i = 0; i < count; i++)
        if (has_library((*pids)[i]))
            (*pids)[kept++] = (*pids)[i];
    return count < 0 ? count : kept;
}

bool process_complain_of_named(const char *name)
{
    enum { MOST = 8 };
    pid_t *pids;
    int count = process_list(name, &pids);
    bool told = false;
    for (int i = 0; i < count && count <= MOST; i++) {
        struct process process = {.pid = pids[i]};
        told |= process_look_in_time(&process, find_library, NULL) != PROCESS_READ;
    }
    free(pids);
    return told;
}

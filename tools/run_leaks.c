/* SPDX-License-Identifier: MIT */
/*
 * Traces a program until it ends, by ptrace(2): its threads stop once more each before they are gone, while
 * their registers and all memory are there still. What the program starts is not traced.
 *
 *     exit ──► atexit, destructors ──► exit_group ──► all threads stop ──► search ──► end
 */
#define _GNU_SOURCE
#include "config.h"

#include "run_leaks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "leaks_options.h"
#include "reader/roots.h"
#include "reader/stop.h"

enum { LEAKS = 1, SIGNALLED = 128, WAITS = 1000, WAIT_NS = 1000000 };

struct tracing {
    const struct leaks_options *options;
    pid_t program;
    bool began;          /* it has executed the program */
    bool ends;           /* of itself */
    pid_t *held;         /* threads that have stopped at their end */
    size_t held_count;
    bool ended;
    int wait_status;     /* then */
};

/* ---- threads ----------------------------------------------------------- */

static void go_on(pid_t thread, int signal)
{
    ptrace(PTRACE_CONT, thread, NULL, (void *)(intptr_t)signal);
}

static bool hold(struct tracing *tracing, pid_t thread)
{
    pid_t *more = reallocarray(tracing->held, tracing->held_count + 1, sizeof *more);
    if (more == NULL)
        return false;
    tracing->held = more;
    more[tracing->held_count++] = thread;
    return true;
}

static bool is_held(const struct tracing *tracing, pid_t thread)
{
    for (size_t i = 0; i < tracing->held_count; i++)
        if (tracing->held[i] == thread)
            return true;
    return false;
}

/* Threads that have not stopped and are not gone. */
static size_t count_others(const struct tracing *tracing)
{
    char path[40];
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)tracing->program);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
        if (thread > 0 && !is_held(tracing, thread) && !reader_thread_has_ended(tracing->program, thread))
            count++;
    }
    if (folder != NULL)
        closedir(folder);
    return count;
}

/* The system call that a stopped thread is in, or -1. */
static long call_of(pid_t thread)
{
    char path[40];
    long number = -1;
    snprintf(path, sizeof path, "/proc/%d/syscall", (int)thread);
    FILE *file = fopen(path, "re");
    if (file != NULL && fscanf(file, "%ld", &number) != 1)
        number = -1;
    if (file != NULL)
        fclose(file);
    return number;
}

/* ---- events ------------------------------------------------------------ */

/*
 * Whether the program ends, of itself: a thread calls exit_group, or has been killed by it, which has the same exit
 * status. A thread that calls exit ends alone, unless it is the last one. What a signal kills is not searched.
 */
static bool is_end(const struct tracing *tracing, pid_t thread)
{
    unsigned long code = 0;
    if (!tracing->began || ptrace(PTRACE_GETEVENTMSG, thread, NULL, &code) != 0 || (code & 0x7f) != 0)
        return false;
    return call_of(thread) != SYS_exit || count_others(tracing) <= 1;
}

static void take_exit(struct tracing *tracing, pid_t thread)
{
    if (!tracing->ends)
        tracing->ends = is_end(tracing, thread);
    if (!tracing->ends || !hold(tracing, thread))
        go_on(thread, 0);
}

static void take_stop(struct tracing *tracing, pid_t thread, int status)
{
    int signal = WSTOPSIG(status);
    switch (status >> 16) {
    case PTRACE_EVENT_EXIT:
        take_exit(tracing, thread);
        return;
    case PTRACE_EVENT_EXEC:
        tracing->began = true;
        go_on(thread, 0);
        return;
    case PTRACE_EVENT_STOP:
        if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU)
            ptrace(PTRACE_LISTEN, thread, NULL, NULL);
        else
            go_on(thread, 0);
        return;
    default:
        go_on(thread, status >> 16 == 0 ? signal : 0);
    }
}

/* One event; false when there is none, or nothing is traced any more. */
static bool take_event(struct tracing *tracing, int flags)
{
    int status;
    pid_t thread = waitpid(-1, &status, __WALL | flags);
    if (thread < 0 && errno == EINTR)
        return true;
    if (thread <= 0)
        return false;
    if (WIFSTOPPED(status)) {
        take_stop(tracing, thread, status);
    } else if (thread == tracing->program) {
        tracing->ended = true;
        tracing->wait_status = status;
    }
    return true;
}

/* ---- the search -------------------------------------------------------- */

static void wait_for_others(struct tracing *tracing)
{
    const struct timespec moment = {.tv_nsec = WAIT_NS};
    for (int i = 0; i < WAITS && count_others(tracing) > 0; i++) {
        while (take_event(tracing, WNOHANG) && !tracing->ended)
            continue;
        nanosleep(&moment, NULL);
    }
}

/* One by which its memory can be read: the first thread may have ended long ago. */
static pid_t reachable(const struct tracing *tracing)
{
    return is_held(tracing, tracing->program) ? tracing->program : tracing->held[0];
}

static int show(struct leaks *leaks, const struct leaks_options *options)
{
    int found = leaks_show(stderr, leaks, options);
    if (found < 0)
        return COMMAND_RUN_FAILED;
    return found > 0 ? LEAKS : COMMAND_OK;
}

static int search(struct tracing *tracing)
{
    struct roots_threads threads = {0};
    struct leaks_request request = tracing->options->request;
    request.stopped = &threads;
    int status = COMMAND_RUN_FAILED;
    wait_for_others(tracing);
    threads.unread = count_others(tracing);
    bool good = true;
    for (size_t i = 0; good && i < tracing->held_count; i++)
        good = roots_add_thread(&threads, tracing->held[i]);
    struct leaks *leaks = good ? leaks_search(reachable(tracing), &request) : NULL;
    if (leaks != NULL)
        status = show(leaks, tracing->options);
    leaks_free(leaks);
    roots_free_threads(&threads);
    return status;
}

/* ---- the program ------------------------------------------------------- */

static pid_t forwarded_to;

static void forward(int signal)
{
    int error = errno;
    kill(forwarded_to, signal);
    errno = error;
}

/* What a terminal sends is sent to the program as well. */
static void prepare_signals(pid_t program)
{
    struct sigaction action = {.sa_handler = forward};
    forwarded_to = program;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGQUIT, &action, NULL);
}

static int exit_status(const struct tracing *tracing)
{
    if (!tracing->ended)
        return COMMAND_RUN_FAILED;
    return WIFSIGNALED(tracing->wait_status) ? SIGNALLED + WTERMSIG(tracing->wait_status)
                                             : WEXITSTATUS(tracing->wait_status);
}

static int trace(struct tracing *tracing)
{
    int found = COMMAND_OK;
    bool searched = false;
    while (!tracing->ended && take_event(tracing, 0))
        if (tracing->ends && !searched) {
            searched = true;
            found = search(tracing);
            for (size_t i = 0; i < tracing->held_count; i++)
                go_on(tracing->held[i], 0);
        }
    free(tracing->held);
    if (tracing->ended && !searched && WIFSIGNALED(tracing->wait_status))
        command_warning("process %d was killed by signal %d (%s), and was not searched for leaks", (int)tracing->program,
                        WTERMSIG(tracing->wait_status), strsignal(WTERMSIG(tracing->wait_status)));
    return found != COMMAND_OK ? found : exit_status(tracing);
}

/* In the child: waits until it is traced. Readers are other children of the command, which Yama asks about. */
static bool begin(const int pipe[2], pid_t command)
{
    char byte;
    prctl(PR_SET_PTRACER, command, 0, 0, 0);
    close(pipe[1]);
    bool traced = read(pipe[0], &byte, 1) == 1;
    close(pipe[0]);
    return traced;
}

bool run_leaks(const struct leaks_options *options, int *status)
{
    static struct tracing tracing;
    const unsigned long events = PTRACE_O_TRACEEXIT | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
    int pipe[2];
    pid_t command = getpid();
    *status = COMMAND_RUN_FAILED;
    if (pipe2(pipe, O_CLOEXEC) != 0) {
        command_error("%s", strerror(errno));
        return true;
    }
    pid_t program = fork();
    if (program == 0) {
        if (begin(pipe, command))
            return false;
        _exit(COMMAND_RUN_FAILED);
    }
    close(pipe[0]);
    if (program < 0 || ptrace(PTRACE_SEIZE, program, NULL, (void *)events) != 0) {
        command_error("cannot trace the program: %s", strerror(errno));
        close(pipe[1]);
        return true;
    }
    tracing = (struct tracing){.options = options, .program = program};
    prepare_signals(program);
    bool told = write(pipe[1], "", 1) == 1;
    close(pipe[1]);
    *status = told ? trace(&tracing) : COMMAND_RUN_FAILED;
    return true;
}

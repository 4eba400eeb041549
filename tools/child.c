/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command.h"

/* What the child tells before its program starts; the pipe closes by itself when that does. */
struct failure {
    char call[16];
    int error;
};

struct pipes {
    int output[2][2]; /* of standard output and standard error */
    int failure[2];
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static _Noreturn void fail(int tell, const char *call, int error)
{
    struct failure failure = {.error = error};
    strncpy(failure.call, call, sizeof failure.call - 1);
    if (write(tell, &failure, sizeof failure) < 0)
        _exit(126);
    _exit(127);
}

/* A user namespace gives the right to change the root to those who lack it. */
static void enter_root(const char *root, int tell)
{
    if (root == NULL)
        return;
    if (chroot(root) != 0) {
        int error = errno;
        if (error != EPERM || unshare(CLONE_NEWUSER) != 0 || chroot(root) != 0)
            fail(tell, "chroot", error);
    }
    if (chdir("/") != 0)
        fail(tell, "chdir", errno);
}

static void become(unsigned user, int tell)
{
    if (user != 0 && (setgroups(0, NULL) != 0 || setresgid(user, user, user) != 0 ||
                      setresuid(user, user, user) != 0))
        fail(tell, "setuid", errno);
}

static _Noreturn void execute(const struct child_request *request, int tell)
{
    static const char *const folders[] = {"/usr/bin", "/bin", "/usr/sbin", "/sbin"};
    const char *environment[CHILD_SETTINGS + 5] = {"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/",
                                                   "LC_ALL=C", "TERM=dumb"};
    size_t count = 4;
    for (size_t i = 0; i < CHILD_SETTINGS && request->settings && request->settings[i]; i++)
        environment[count++] = request->settings[i];

    char *const *argv = (char *const *)(uintptr_t)request->argv;
    char *const *envp = (char *const *)(uintptr_t)environment;
    if (strchr(argv[0], '/') != NULL)
        execve(argv[0], argv, envp);
    else
        for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
            char path[PATH_MAX];
            snprintf(path, sizeof path, "%s/%s", folders[i], argv[0]);
            execve(path, argv, envp);
            if (errno != ENOENT && errno != ENOTDIR)
                break;
        }
    fail(tell, "execve", errno);
}

static _Noreturn void be_child(const struct child_request *request, const struct pipes *pipes)
{
    static const struct rlimit no_core = {0, 0};
    int tell = pipes->failure[1];
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++)
        sigaction(number, &dfl, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    setsid();
    setrlimit(RLIMIT_CORE, &no_core);
    int empty = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (empty < 0 || dup2(empty, 0) < 0 || dup2(pipes->output[0][1], 1) < 0 ||
        dup2(pipes->output[1][1], 2) < 0)
        fail(tell, "dup2", errno);
    enter_root(request->root, tell);
    become(request->user, tell);
    /* without the parent nobody would end it in time; a change of users forgets this */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execute(request, tell);
}

static void take(struct child_stream *stream, const char *bytes, size_t length)
{
    size_t room = CHILD_KEPT - stream->kept;
    size_t kept = length < room ? length : room;
    memcpy(stream->bytes + stream->kept, bytes, kept);
    stream->kept += kept;
    stream->bytes[stream->kept] = '\0';
    stream->written += length;
    for (size_t i = 0; i < length; i++)
        stream->hash = (stream->hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
}

/* Takes what is there, more than a pipe holds but no endless stream; false at the end. */
static bool drain(int fd, struct child_stream *stream)
{
    char bytes[4096];
    for (int i = 0; i < 64; i++) {
        ssize_t length = read(fd, bytes, sizeof bytes);
        if (length > 0)
            take(stream, bytes, (size_t)length);
        else if (length == 0 || errno != EINTR)
            return length < 0 && errno == EAGAIN;
    }
    return true;
}

/* Whether it has ended; it stays a zombie, so that its process group cannot be another's yet. */
static bool has_ended(pid_t child)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == child;
}

/*
 * Until the child has ended, not until its output has: what it left behind in the background may
 * hold that open. False when the time is over.
 */
static bool follow(pid_t child, struct pipes *pipes, struct child_result *result, unsigned limit_ms)
{
    int64_t deadline = now_ms() + limit_ms;
    bool open[2] = {true, true};
    for (;;) {
        bool ended = has_ended(child);
        for (int i = 0; i < 2; i++)
            if (open[i])
                open[i] = drain(pipes->output[i][0], &result->streams[i]);
        if (ended)
            return true;
        int64_t left = deadline - now_ms();
        if (left <= 0)
            return false;
        struct pollfd fds[2];
        for (int i = 0; i < 2; i++)
            fds[i] = (struct pollfd){.fd = open[i] ? pipes->output[i][0] : -1, .events = POLLIN};
        int64_t slice = open[0] || open[1] ? 20 : 1;
        poll(fds, 2, (int)(left < slice ? left : slice));
    }
}

static void judge(pid_t child, bool in_time, struct child_result *result, int failure_pipe)
{
    kill(-child, SIGKILL);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    struct failure failure;
    if (read(failure_pipe, &failure, sizeof failure) == sizeof failure) {
        static char call[sizeof failure.call];
        memcpy(call, failure.call, sizeof call);
        bool missing =
            strcmp(call, "execve") == 0 &&
            (failure.error == ENOENT || failure.error == ENOTDIR || failure.error == EACCES);
        result->end = missing ? CHILD_NOT_FOUND : CHILD_FAILED;
        result->number = failure.error;
        result->failed_call = call;
    } else if (!in_time) {
        result->end = CHILD_TIMED_OUT;
    } else if (WIFSIGNALED(status)) {
        result->end = CHILD_KILLED;
        result->number = WTERMSIG(status);
    } else {
        result->end = CHILD_EXITED;
        result->number = WEXITSTATUS(status);
    }
}

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
}

static bool open_pipes(struct pipes *pipes)
{
    return pipe2(pipes->output[0], O_CLOEXEC) == 0 && pipe2(pipes->output[1], O_CLOEXEC) == 0 &&
           pipe2(pipes->failure, O_CLOEXEC) == 0 &&
           fcntl(pipes->output[0][0], F_SETFL, O_NONBLOCK) == 0 &&
           fcntl(pipes->output[1][0], F_SETFL, O_NONBLOCK) == 0;
}

static bool run(const struct child_request *request, struct child_result *result,
                struct pipes *pipes)
{
    for (int i = 0; i < 2; i++) {
        result->streams[i].bytes = calloc(1, CHILD_KEPT + 1);
        if (result->streams[i].bytes == NULL)
            return false;
    }
    if (!open_pipes(pipes))
        return false;
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        return false;
    if (child == 0)
        be_child(request, pipes);
    for (int i = 0; i < 2; i++) {
        close(pipes->output[i][1]);
        pipes->output[i][1] = -1;
    }
    close(pipes->failure[1]);
    pipes->failure[1] = -1;
    bool in_time = follow(child, pipes, result, request->limit_ms);
    judge(child, in_time, result, pipes->failure[0]);
    return true;
}

bool child_run(const struct child_request *request, struct child_result *result)
{
    struct pipes pipes = {{{-1, -1}, {-1, -1}}, {-1, -1}};
    *result = (struct child_result){.end = CHILD_FAILED};
    bool done = run(request, result, &pipes);
    if (!done)
        command_error("cannot run %s: %s", request->argv[0], strerror(errno));
    close_pair(pipes.output[0]);
    close_pair(pipes.output[1]);
    close_pair(pipes.failure);
    if (!done)
        child_free(result);
    return done;
}

void child_free(struct child_result *result)
{
    for (int i = 0; i < 2; i++) {
        free(result->streams[i].bytes);
        result->streams[i].bytes = NULL;
    }
}

void child_describe(const struct child_result *result, char *text, size_t size)
{
    switch (result->end) {
    case CHILD_EXITED:
        snprintf(text, size, "exit status %d", result->number);
        break;
    case CHILD_KILLED:
        snprintf(text, size, "killed by signal %d", result->number);
        break;
    case CHILD_TIMED_OUT:
        snprintf(text, size, "exceeded the time limit");
        break;
    case CHILD_NOT_FOUND:
        snprintf(text, size, "program not found");
        break;
    case CHILD_FAILED:
        snprintf(text, size, "cannot be started: %s: %s", result->failed_call, strerror(result->number));
        break;
    }
}

/* SPDX-License-Identifier: MIT */
/*
 * Kills a program at a chosen moment.
 *
 *     kill_at time MICROSECONDS COMMAND...   so long after it was started
 *     kill_at call NUMBER COMMAND...         when it enters its NUMBERth system call
 *     kill_at measure time|call COMMAND...   never; prints the microseconds or calls it took
 *
 * Exit status: 0 if it was killed, 3 if it had ended before with status 0 (which measure
 * expects), 1 otherwise.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int judge(int status)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return 0;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 3 : 1;
}

static pid_t start(char **command, int traced)
{
    pid_t child = fork();
    if (child == 0) {
        if (traced && (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0 || raise(SIGSTOP) != 0))
            _exit(126);
        execv(command[0], command);
        _exit(127);
    }
    if (child < 0)
        exit(1);
    return child;
}

static int kill_at_time(long microseconds, char **command)
{
    int status;
    struct timespec pause = {microseconds / 1000000, microseconds % 1000000 * 1000};
    pid_t child = start(command, 0);
    nanosleep(&pause, NULL);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return judge(status);
}

/* Calls that are entered and left stop it alike, in turn; those of its children do not. */
static int kill_at_call(long number, char **command, long *calls)
{
    int status;
    int entered = 0;
    int deliver = 0;
    pid_t child = start(command, 1);
    waitpid(child, &status, 0);
    if (ptrace(PTRACE_SETOPTIONS, child, NULL,
               (void *)(PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC)) != 0)
        return 1;
    for (*calls = 0;;) {
        ptrace(PTRACE_SYSCALL, child, NULL, (void *)(long)deliver);
        if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
            return judge(status);
        deliver = 0;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            entered = !entered;
            *calls += entered;
            if (entered && *calls == number)
                kill(child, SIGKILL);
        } else if (WSTOPSIG(status) != SIGTRAP) {
            deliver = WSTOPSIG(status);
        }
    }
}

static int measure(char **command)
{
    int status;
    long begin = now_us();
    waitpid(start(command, 0), &status, 0);
    printf("%ld\n", now_us() - begin);
    return judge(status);
}

static int count(char **command)
{
    long calls;
    int result = kill_at_call(0, command, &calls);
    printf("%ld\n", calls);
    return result;
}

int main(int argc, char **argv)
{
    long calls;
    if (argc < 4)
        return 2;
    if (strcmp(argv[1], "measure") == 0)
        return strcmp(argv[2], "time") == 0 ? measure(argv + 3) : count(argv + 3);
    if (strcmp(argv[1], "time") == 0)
        return kill_at_time(atol(argv[2]), argv + 3);
    if (strcmp(argv[1], "call") == 0)
        return kill_at_call(atol(argv[2]), argv + 3, &calls);
    return 2;
}

/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "top_sites.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "profile.h"

enum { ROWS_MOST = 15, SECONDS_MOST = 60 };

/* What the terminal sends to the command is not for the child, which the command ends itself. */
static _Noreturn void be_writer(int fd, pid_t pid)
{
    sigset_t none;
    alarm(SECONDS_MOST);
    unsetenv("DEBUGINFOD_URLS"); /* that could take minutes */
    if (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        _exit(1);
    signal(SIGALRM, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    FILE *out = fdopen(fd, "w");
    struct profile *profile = profile_new();
    if (out != NULL && profile != NULL && profile_read_process(profile, pid) && profile_drop_rights(pid) &&
        profile_symbols_open(profile))
        profile_write_sites(out, profile, PROFILE_IN_USE, ROWS_MOST);
    if (out != NULL)
        fflush(out);
    _exit(0);
}

bool top_sites_begin(struct top_sites *sites, pid_t pid)
{
    int ends[2];
    top_sites_end(sites);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    pid_t child = fork();
    if (child == 0)
        be_writer(ends[1], pid);
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return false;
    }
    sites->child = child;
    sites->fd = ends[0];
    sites->used = 0;
    return true;
}

static void reap(struct top_sites *sites)
{
    while (waitpid(sites->child, NULL, 0) < 0 && errno == EINTR)
        continue;
    close(sites->fd);
    sites->child = 0;
}

static void make_printable(char *text)
{
    for (; *text != '\0'; text++)
        if (*text != '\n' && (*text < ' ' || *text >= 0x7f))
            *text = '?';
}

bool top_sites_step(struct top_sites *sites)
{
    char rest[512];
    bool full = sites->used >= sizeof sites->next - 1;
    ssize_t got = full ? read(sites->fd, rest, sizeof rest)
                       : read(sites->fd, sites->next + sites->used, sizeof sites->next - 1 - sites->used);
    if (got > 0 || (got < 0 && errno == EINTR)) {
        sites->used += !full && got > 0 ? (size_t)got : 0;
        return false;
    }
    reap(sites);
    sites->next[sites->used] = '\0';
    memcpy(sites->text, sites->next, sites->used + 1);
    make_printable(sites->text);
    return true;
}

void top_sites_end(struct top_sites *sites)
{
    if (sites->child == 0)
        return;
    kill(sites->child, SIGKILL);
    reap(sites);
}

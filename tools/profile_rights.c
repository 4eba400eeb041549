/* SPDX-License-Identifier: MIT */
/*
 * Before root's command reads debugging information, which is large, intricate, and the process's
 * owner's to write, it becomes that owner: whatever an error there can be used for, the owner could
 * do anyway.
 */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "profile.h"

/* The three IDs of a line "Uid: real effective saved ..." if they are one; 0 otherwise. */
static unsigned one_id(const char *line, const char *name)
{
    unsigned real, effective, saved;
    size_t length = strlen(name);
    if (strncmp(line, name, length) != 0 ||
        sscanf(line + length, "%u %u %u", &real, &effective, &saved) != 3 || real != effective ||
        real != saved)
        return 0;
    return real;
}

bool profile_drop_rights(pid_t pid)
{
    char path[40], line[256];
    unsigned user = 0, group = 0;
    if (geteuid() != 0 || pid == 0)
        return true;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *status = fopen(path, "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        user = user != 0 ? user : one_id(line, "Uid:");
        group = group != 0 ? group : one_id(line, "Gid:");
    }
    if (status != NULL)
        fclose(status);
    if (user == 0 || group == 0)
        return true; /* it is root's, or has ended */
    if (setgroups(0, NULL) == 0 && setresgid(group, group, group) == 0 &&
        setresuid(user, user, user) == 0)
        return true;
    command_error("cannot become user %u, who owns process %d: %s", user, (int)pid, strerror(errno));
    return false;
}

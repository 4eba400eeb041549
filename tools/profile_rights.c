/* SPDX-License-Identifier: MIT */
/*
 * Before root's command reads debugging information, which is large, intricate, and the process's
 * owner's to write, it becomes that owner: whatever an error there can be used for, the owner could
 * do anyway.
 */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "profile.h"
#include "profile_debug.h"

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

static char cache[] = "/tmp/hakmem-debuginfod-XXXXXX";

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status, (void)kind, (void)where;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

static void remove_cache(void)
{
    nftw(cache, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/*
 * What servers send is kept in a folder, and root's own is out of the owner's reach: without another one
 * nothing is asked of any server. It lasts until the command ends.
 */
static void give_cache(void)
{
    const char *servers = getenv("DEBUGINFOD_URLS"), *chosen = getenv("DEBUGINFOD_CACHE_PATH");
    if (!profile_debug_available || servers == NULL || *servers == '\0' ||
        (chosen != NULL && access(chosen, R_OK | W_OK | X_OK) == 0))
        return;
    if (mkdtemp(cache) != NULL && setenv("DEBUGINFOD_CACHE_PATH", cache, 1) == 0)
        atexit(remove_cache);
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
        setresuid(user, user, user) == 0) {
        give_cache();
        return true;
    }
    command_error("cannot switch to user %u, the owner of process %d: %s", user, (int)pid, strerror(errno));
    return false;
}

/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "elf_file.h"

/* The kernel follows no longer chain of scripts. */
enum { SCRIPTS_MAX = 5, SCRIPT_LINE_MAX = 256 };

/* 0 when a file may be executed. */
static int executable(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return errno;
    if (!S_ISREG(status.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0)
        return EACCES;
    return 0;
}

static bool join(char path[PATH_MAX], const char *folder, size_t length, const char *name)
{
    const char *slash = length > 0 ? "/" : "";
    int written = snprintf(path, PATH_MAX, "%.*s%s%s", (int)length, folder, slash, name);
    return written > 0 && written < PATH_MAX;
}

static int find_in(const char *folders, const char *name, char path[PATH_MAX])
{
    int error = ENOENT;
    for (;;) {
        size_t length = strcspn(folders, ":");
        if (length < PATH_MAX && join(path, folders, length, name)) {
            int found = executable(path);
            if (found == 0)
                return 0;
            if (found == EACCES)
                error = EACCES;
        }
        if (folders[length] == '\0')
            return error;
        folders += length + 1;
    }
}

/* The interpreter of a script; false when the file is none, or cannot be read. */
static bool read_script(const char *path, char interpreter[PATH_MAX])
{
    char line[SCRIPT_LINE_MAX + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, line, SCRIPT_LINE_MAX);
    close(fd);
    if (length < 2 || line[0] != '#' || line[1] != '!')
        return false;
    line[length] = '\0';
    line[strcspn(line, "\n")] = '\0';
    char *start = line + 2 + strspn(line + 2, " \t");
    start[strcspn(start, " \t")] = '\0';
    snprintf(interpreter, PATH_MAX, "%s", start);
    return start[0] != '\0';
}

static void follow_scripts(struct program *program)
{
    char next[PATH_MAX];
    memcpy(program->binary, program->path, sizeof program->binary);
    for (int i = 0; i < SCRIPTS_MAX && read_script(program->binary, next); i++)
        memcpy(program->binary, next, sizeof program->binary);
    struct elf_file file;
    program->is_elf = elf_file_read(program->binary, &file);
}

int program_find(const char *name, struct program *program)
{
    int error;
    if (strchr(name, '/') != NULL || name[0] == '\0') {
        if (strlen(name) >= PATH_MAX)
            return ENOENT;
        strcpy(program->path, name);
        error = executable(name);
    } else {
        const char *folders = getenv("PATH");
        error = find_in(folders != NULL ? folders : "/bin:/usr/bin", name, program->path);
    }
    if (error == 0)
        follow_scripts(program);
    return error == 0 || error == EACCES ? error : ENOENT;
}

/* Whether the kernel will set AT_SECURE for a file: linux/security/commoncap.c. */
static bool is_privileged(const char *path)
{
    struct stat status;
    struct statvfs system;
    uid_t user = geteuid();
    gid_t group = getegid();
    if (stat(path, &status) != 0)
        return false;
    bool gives = statvfs(path, &system) == 0 && (system.f_flag & ST_NOSUID) == 0 &&
                 prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
    if (gives && (status.st_mode & S_ISUID) != 0)
        user = status.st_uid;
    if (gives && (status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
        group = status.st_gid;
    if (user != getuid() || group != getgid())
        return true;
    return gives && user != 0 && getxattr(path, "security.capability", NULL, 0) > 0;
}

/* musl's loader has another name than that of glibc, and cannot load what is linked with glibc. */
static bool is_other_libc(const char *loader)
{
    const char *name = strrchr(loader, '/');
    return name != NULL && strncmp(name, "/ld-musl-", strlen("/ld-musl-")) == 0;
}

enum program_obstacle program_obstacle(const struct program *program, const char *library)
{
    struct elf_file file, library_file;
    if (is_privileged(program->binary))
        return PROGRAM_PRIVILEGED;
    if (!program->is_elf || !elf_file_read(program->binary, &file))
        return PROGRAM_REACHED;
    if (elf_file_read(library, &library_file) && !elf_file_same_kind(&file, &library_file))
        return PROGRAM_OTHER_MACHINE;
    if (file.interpreter[0] == '\0')
        return file.name[0] != '\0' || file.has_note ? PROGRAM_REACHED : PROGRAM_STATIC;
    return is_other_libc(file.interpreter) ? PROGRAM_OTHER_LIBC : PROGRAM_REACHED;
}

bool program_missing(const struct program *program, char path[PATH_MAX])
{
    struct elf_file file;
    memcpy(path, program->binary, PATH_MAX);
    if (access(path, F_OK) != 0)
        return true;
    if (!elf_file_read(path, &file) || file.interpreter[0] == '\0')
        return false;
    memcpy(path, file.interpreter, PATH_MAX);
    return access(path, F_OK) != 0;
}

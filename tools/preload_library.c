/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "preload_library.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf_file.h"

enum { LINKS_MAX = 40 };

/* A path that is followed component by component, so that each folder is seen. */
struct walk {
    int root, here;
    struct stat root_status;
    char rest[PATH_MAX];  /* what is still to be followed */
    char shown[PATH_MAX]; /* what has been, for the reason */
    bool safe;
    char *reason;
};

__attribute__((format(printf, 2, 3))) static bool refuse(char *reason, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, PRELOAD_REASON_SIZE, format, arguments);
    va_end(arguments);
    return false;
}

/* Whoever can change a file that is under every program controls every user's programs. */
static bool is_safe(const struct walk *walk, const struct stat *status, mode_t needed)
{
    const char *shown = walk->shown[0] != '\0' ? walk->shown : "/";
    if (!walk->safe)
        return true;
    if (status->st_uid != 0 && status->st_uid != walk->root_status.st_uid)
        return refuse(walk->reason, "%s belongs to user %u, not to root", shown,
                      (unsigned)status->st_uid);
    if ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return refuse(walk->reason, "%s is writable by users other than its owner (mode %04o)",
                      shown, (unsigned)status->st_mode & 07777);
    if ((status->st_mode & needed) != needed)
        return refuse(walk->reason, "%s is not accessible to all users (mode %04o)", shown,
                      (unsigned)status->st_mode & 07777);
    return true;
}

static void go_to(struct walk *walk, int folder)
{
    close(walk->here);
    walk->here = folder;
}

/* Cuts the next component off the rest. False at the end of the path. */
static bool next_component(struct walk *walk, char name[NAME_MAX + 1])
{
    size_t start = strspn(walk->rest, "/");
    size_t length = strcspn(walk->rest + start, "/");
    if (length > NAME_MAX)
        length = NAME_MAX; /* no such name: the next look at it fails */
    memcpy(name, walk->rest + start, length);
    name[length] = '\0';
    memmove(walk->rest, walk->rest + start + length, strlen(walk->rest + start + length) + 1);
    return length > 0;
}

static bool follow_link(struct walk *walk, int link, size_t shown_length)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(link, "", target, sizeof target - 1);
    if (length <= 0 || (size_t)length + strlen(walk->rest) >= sizeof walk->rest) {
        errno = length > 0 ? ENAMETOOLONG : length == 0 ? ENOENT : errno;
        return false;
    }
    /* the rest begins with a slash or is empty */
    memmove(walk->rest + length, walk->rest, strlen(walk->rest) + 1);
    memcpy(walk->rest, target, (size_t)length);
    walk->shown[target[0] == '/' ? 0 : shown_length] = '\0';
    if (target[0] == '/')
        go_to(walk, openat(walk->root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    return walk->here >= 0;
}

/* Above the root folder is the root folder. */
static bool go_up(struct walk *walk)
{
    struct stat status;
    if (fstat(walk->here, &status) != 0)
        return false;
    if (status.st_dev == walk->root_status.st_dev && status.st_ino == walk->root_status.st_ino)
        return true;
    go_to(walk, openat(walk->here, "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    return walk->here >= 0;
}

/* One component. The descriptor of the file if it was the last, -1 if there are more; done: failed.
 */
static int step(struct walk *walk, const char *name, unsigned *links, bool *failed)
{
    struct stat status;
    size_t length = strlen(walk->shown);
    int fd = openat(walk->here, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    int file = -1;
    *failed = true;
    snprintf(walk->shown + length, sizeof walk->shown - length, "/%s", name);
    if (fd < 0 || fstat(fd, &status) != 0) {
        refuse(walk->reason, "%s", strerror(errno));
    } else if (S_ISLNK(status.st_mode)) {
        errno = ELOOP;
        *failed = ++*links > LINKS_MAX || !follow_link(walk, fd, length);
        if (*failed)
            refuse(walk->reason, "%s", strerror(errno));
    } else if (S_ISDIR(status.st_mode)) {
        *failed = !is_safe(walk, &status, S_IXOTH);
        if (!*failed) {
            go_to(walk, fd);
            return -1;
        }
    } else if (!S_ISREG(status.st_mode) || walk->rest[0] != '\0') {
        refuse(walk->reason, "%s is not a %s", walk->shown,
               walk->rest[0] != '\0' ? "directory" : "regular file");
    } else if (is_safe(walk, &status, S_IROTH)) {
        file = openat(walk->here, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        *failed = file < 0;
        if (*failed)
            refuse(walk->reason, "%s", strerror(errno));
    }
    if (fd >= 0)
        close(fd);
    return file;
}

/* Opens the file to be read; negative with a reason. */
static int open_file(int root, const char *path, bool safe, char reason[PRELOAD_REASON_SIZE])
{
    struct walk walk = {.root = root, .safe = safe, .reason = reason};
    char name[NAME_MAX + 1];
    unsigned links = 0;
    int file = -1;
    walk.here = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (strlen(path) >= sizeof walk.rest)
        errno = ENAMETOOLONG;
    if (walk.here < 0 || fstat(walk.here, &walk.root_status) != 0 ||
        strlen(path) >= sizeof walk.rest) {
        refuse(reason, "%s", strerror(errno));
    } else if (is_safe(&walk, &walk.root_status, 0)) {
        bool failed = false;
        strcpy(walk.rest, path);
        refuse(reason, "not a regular file");
        while (!failed && file < 0 && next_component(&walk, name)) {
            if (strcmp(name, "..") == 0)
                failed = !go_up(&walk);
            else if (strcmp(name, ".") != 0)
                file = step(&walk, name, &links, &failed);
        }
    }
    if (walk.here >= 0)
        close(walk.here);
    return file;
}

/* This command's own header. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

/* Of which kind the programs of the system are: as its shell, or without one as this command. */
static void kind_of_system(int root, struct elf_file *kind)
{
    char reason[PRELOAD_REASON_SIZE];
    int shell = open_file(root, "/bin/sh", false, reason);
    if (shell < 0 || !elf_file_read_from(shell, kind))
        *kind = (struct elf_file){.width = __ehdr_start.e_ident[EI_CLASS],
                                  .byte_order = __ehdr_start.e_ident[EI_DATA],
                                  .machine = __ehdr_start.e_machine};
    if (shell >= 0)
        close(shell);
}

/* The name comes from the file. */
static void make_printable(char *name)
{
    for (; *name != '\0'; name++)
        if (!isprint((unsigned char)*name))
            *name = '?';
}

/* Whether it is one of ours; by its name alone it could be a library that stands in for it. */
static bool is_ours(int file, struct elf_file *elf, char *reason)
{
    if (!elf_file_read_from(file, elf) || elf->type != ET_DYN)
        return refuse(reason, "not libhakmem: not an ELF shared library");
    if (elf->is_cut)
        return refuse(reason, "incomplete: the file ends inside a loaded segment");
    if (strcmp(elf->name, "libhakmem.so.1") != 0 &&
        strcmp(elf->name, "libhakmem-debug.so.1") != 0 &&
        strcmp(elf->name, "libhakmem-hardened.so.1") != 0) {
        make_printable(elf->name);
        return refuse(reason, "not libhakmem: its soname is '%s'", elf->name);
    }
    return elf->has_note || refuse(reason, "not libhakmem: it lacks the ELF note of libhakmem");
}

static const char *bits(unsigned char width)
{
    return width == ELFCLASS64 ? "64-bit" : "32-bit";
}

static bool is_of_kind(const struct elf_file *elf, unsigned char width, uint16_t machine,
                       char *reason)
{
    if ((width == 0 || elf->width == width) && (machine == 0 || elf->machine == machine))
        return true;
    return refuse(reason,
                  "built for another architecture: %s, ELF machine %u; programs of the system are %s, "
                  "ELF machine %u",
                  bits(elf->width), elf->machine, bits(width), machine ? machine : elf->machine);
}

bool preload_library_is_usable(int root, const char *path, bool safe,
                               char reason[PRELOAD_REASON_SIZE])
{
    struct elf_file elf, system;
    int file = open_file(root, path, safe, reason);
    if (file < 0)
        return false;
    kind_of_system(root, &system);
    /* of another byte order nothing but the kind is known */
    bool usable = !elf_file_read_from(file, &elf) || elf.byte_order == system.byte_order
                      ? is_ours(file, &elf, reason)
                      : refuse(reason, "built for another architecture: the byte order differs");
    usable = usable && is_of_kind(&elf, system.width, system.machine, reason);
    close(file);
    return usable;
}

/* What loaders put in the place of $LIB, and which libraries they take from there; 0: of any. */
static const struct {
    const char *folder;
    unsigned char width;
    uint16_t machine;
} folders[] = {
    {"lib", 0, 0},
    {"lib64", ELFCLASS64, 0},
    {"lib32", ELFCLASS32, 0},
    {"libx32", ELFCLASS32, EM_X86_64},
    {"lib/x86_64-linux-gnu", ELFCLASS64, EM_X86_64},
    {"lib/i386-linux-gnu", ELFCLASS32, EM_386},
    {"lib/x86_64-linux-gnux32", ELFCLASS32, EM_X86_64},
    {"lib/aarch64-linux-gnu", ELFCLASS64, EM_AARCH64},
    {"lib/arm-linux-gnueabihf", ELFCLASS32, EM_ARM},
    {"lib/riscv64-linux-gnu", ELFCLASS64, EM_RISCV},
    {"lib/powerpc64le-linux-gnu", ELFCLASS64, EM_PPC64},
    {"lib/s390x-linux-gnu", ELFCLASS64, EM_S390},
};

bool preload_library_others_usable(int root, const char *entry, char reason[PRELOAD_REASON_SIZE])
{
    const char *variable = strstr(entry, "/$LIB/");
    bool usable = true;
    for (size_t i = 0; variable != NULL && usable && i < sizeof folders / sizeof folders[0]; i++) {
        char path[PATH_MAX], why[PRELOAD_REASON_SIZE];
        struct elf_file elf;
        int length = snprintf(path, sizeof path, "%.*s/%s%s", (int)(variable - entry), entry,
                              folders[i].folder, variable + strlen("/$LIB"));
        int any = length < PATH_MAX ? open_file(root, path, false, why) : -1;
        if (any < 0) /* none there, or none that a loader can open */
            continue;
        close(any);
        int file = open_file(root, path, true, why);
        usable = file >= 0 && is_ours(file, &elf, why) &&
                 is_of_kind(&elf, folders[i].width, folders[i].machine, why);
        if (file >= 0)
            close(file);
        if (!usable)
            refuse(reason, "%s: %.*s", path, 255, why);
    }
    return usable;
}

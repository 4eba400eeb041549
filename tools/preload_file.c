/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "preload_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "command.h"

static const char lock_suffix[] = ".hakmem";
static const char new_suffix[] = ".hakmem-new";

/* The loader maps whatever is there; a person wrote less. */
enum { LARGEST = 1024 * 1024, LINKS_MAX = 40, LOCK_TRIES = 100 };

/* ".NAME.hakmem" and the like, of a name that is short enough for it. */
static void name_beside(char path[NAME_MAX + 1], const struct preload_file *file,
                        const char *suffix)
{
    snprintf(path, NAME_MAX + 1, ".%.*s%s", NAME_MAX - 16, file->name, suffix);
}

int preload_resolve(int root, const char *path)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    long fd = syscall(SYS_openat2, root, path, &how, sizeof how);
    /* before Linux 5.6 links inside another root are followed as the caller sees them */
    if (fd < 0 && errno == ENOSYS) {
        while (*path == '/')
            path++;
        fd = openat(root, *path ? path : ".", O_PATH | O_CLOEXEC);
    }
    return (int)fd;
}

static bool open_folder(struct preload_file *file, const char *path)
{
    int found = preload_resolve(file->root, path);
    file->folder = -1;
    if (found >= 0) {
        file->folder = openat(found, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int error = errno;
        close(found);
        errno = error;
    }
    return file->folder >= 0;
}

/* The folder and the name at the end of a path, relative to base if it is not absolute. */
static bool enter(struct preload_file *file, char base[PATH_MAX], const char *path)
{
    char whole[PATH_MAX];
    int length = path[0] == '/' ? snprintf(whole, sizeof whole, "%s", path)
                                : snprintf(whole, sizeof whole, "%s/%s", base, path);
    char *slash = strrchr(whole, '/');
    if (length >= PATH_MAX || strlen(slash + 1) > NAME_MAX - 16) {
        errno = ENAMETOOLONG;
        return false;
    }
    strcpy(file->name, slash + 1);
    *slash = '\0';
    strcpy(base, whole);
    return open_folder(file, whole[0] ? whole : "/");
}

static bool follow_links(struct preload_file *file, const char *shown_root)
{
    char base[PATH_MAX] = "";
    char path[PATH_MAX] = "/etc/ld.so.preload";
    for (int i = 0; i < LINKS_MAX; i++) {
        if (!enter(file, base, path))
            return false;
        int length = snprintf(file->shown, PATH_MAX, "%s%s/%s", shown_root, base, file->name);
        ssize_t target = readlinkat(file->folder, file->name, path, sizeof path - 1);
        if (target < 0) /* no link: EINVAL, or ENOENT */
            return length < PATH_MAX;
        path[target] = '\0';
        file->linked = true;
        close(file->folder);
        file->folder = -1;
    }
    errno = ELOOP;
    return false;
}

bool preload_file_locate(struct preload_file *file, const char *root)
{
    *file = (struct preload_file){.folder = -1, .lock = -1};
    snprintf(file->shown, PATH_MAX, "%s/etc/ld.so.preload", root ? root : "");
    file->root = open(root ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (file->root >= 0 && follow_links(file, root ? root : ""))
        return true;
    command_error("%s: %s", file->root < 0 && root ? root : file->shown, strerror(errno));
    preload_file_close(file);
    return false;
}

/* The file if it exists; 0 if not; -1 after a message. */
static int open_old(const struct preload_file *file, int *fd, struct stat *status)
{
    *fd = openat(file->folder, file->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*fd < 0 && errno == ENOENT)
        return 0;
    if (*fd < 0 || fstat(*fd, status) != 0) {
        command_error("%s: %s", file->shown, strerror(errno));
    } else if (!S_ISREG(status->st_mode)) {
        command_error("%s: not a regular file", file->shown);
    } else {
        return 1;
    }
    if (*fd >= 0)
        close(*fd);
    return -1;
}

static bool read_all(int fd, struct preload_text *text)
{
    char *bytes = malloc(LARGEST + 1);
    size_t size = 0;
    while (bytes != NULL && size <= LARGEST) {
        ssize_t length = read(fd, bytes + size, LARGEST + 1 - size);
        if (length == 0) {
            *text = (struct preload_text){bytes, size};
            return true;
        }
        if (length > 0)
            size += (size_t)length;
        else if (errno != EINTR)
            break;
    }
    if (bytes != NULL && size > LARGEST)
        errno = EFBIG;
    free(bytes);
    return false;
}

bool preload_file_read(const struct preload_file *file, struct preload_text *text, bool *exists)
{
    struct stat status;
    int fd;
    *text = (struct preload_text){NULL, 0};
    int found = open_old(file, &fd, &status);
    *exists = found > 0;
    if (found <= 0)
        return found == 0;
    bool done = read_all(fd, text);
    if (!done)
        command_error("%s: %s", file->shown, strerror(errno));
    close(fd);
    return done;
}

bool preload_file_is_clean(const struct preload_file *file)
{
    char lock_name[NAME_MAX + 1], new_name[NAME_MAX + 1];
    name_beside(lock_name, file, lock_suffix);
    name_beside(new_name, file, new_suffix);
    return faccessat(file->folder, lock_name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
           faccessat(file->folder, new_name, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
}

/* Whether the locked file is still the one of that name: who held it before may have removed it. */
static bool is_current(const struct preload_file *file, int lock, const char *name)
{
    struct stat held, there;
    return fstat(lock, &held) == 0 &&
           fstatat(file->folder, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

bool preload_file_lock(struct preload_file *file)
{
    static const struct timespec pause = {0, 100 * 1000 * 1000};
    char lock_name[NAME_MAX + 1], new_name[NAME_MAX + 1];
    name_beside(lock_name, file, lock_suffix);
    name_beside(new_name, file, new_suffix);

    for (int i = 0; i < LOCK_TRIES; i++) {
        /* nobody else may open it: who can, can hold the lock for ever */
        int lock = openat(file->folder, lock_name,
                          O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (lock < 0)
            break;
        if (flock(lock, LOCK_EX | LOCK_NB) == 0 && is_current(file, lock, lock_name)) {
            file->lock = lock;
            unlinkat(file->folder, new_name, 0);
            return true;
        }
        close(lock);
        nanosleep(&pause, NULL);
        errno = EBUSY;
    }
    if (errno == EBUSY)
        command_error("%s is locked by another hakmem preload (lock file %s); try again later", file->shown, lock_name);
    else
        command_error("cannot change %s: %s", file->shown, strerror(errno));
    return false;
}

static bool write_all(int fd, const struct preload_text *text)
{
    for (size_t done = 0; done < text->size;) {
        ssize_t length = write(fd, text->bytes + done, text->size - done);
        if (length > 0)
            done += (size_t)length;
        else if (length < 0 && errno != EINTR)
            return false;
    }
    return true;
}

static void copy_attribute(const struct preload_file *file, int from, int to, const char *name)
{
    char value[4096];
    ssize_t size = fgetxattr(from, name, value, sizeof value);
    if (size < 0 || fsetxattr(to, name, value, (size_t)size, 0) != 0)
        command_warning("%s: cannot keep the extended attribute %s: %s", file->shown, name, strerror(errno));
}

/* Among them the access control list and the context of SELinux. */
static void copy_attributes(const struct preload_file *file, int from, int to)
{
    char names[4096];
    ssize_t size = flistxattr(from, names, sizeof names);
    for (ssize_t i = 0; i < size; i += (ssize_t)strlen(names + i) + 1)
        copy_attribute(file, from, to, names + i);
}

/* Owner before mode: a change of owners can take rights away. */
static bool copy_status(const struct preload_file *file, int from, const struct stat *old, int to)
{
    struct stat new;
    if (fstat(to, &new) != 0)
        return false;
    if ((new.st_uid != old->st_uid || new.st_gid != old->st_gid) &&
        fchown(to, old->st_uid, old->st_gid) != 0)
        return false;
    if (fchmod(to, old->st_mode & 07777) != 0)
        return false;
    copy_attributes(file, from, to);
    return true;
}

static bool fill_new(const struct preload_file *file, const struct preload_text *text, int fd)
{
    struct stat status;
    int old;
    int found = open_old(file, &old, &status);
    if (found < 0)
        return false;
    bool done = write_all(fd, text) &&
                (found > 0 ? copy_status(file, old, &status, fd) : fchmod(fd, 0644) == 0) &&
                fsync(fd) == 0;
    int error = errno;
    if (found > 0)
        close(old);
    errno = error;
    return done;
}

/* A change of names is on the disk when its folder is. */
static void sync_folder(const struct preload_file *file)
{
    if (fsync(file->folder) != 0)
        command_warning("%s: changed, but the change may not be on disk yet: %s", file->shown,
                        strerror(errno));
}

static bool remove_file(const struct preload_file *file)
{
    if (unlinkat(file->folder, file->name, 0) != 0 && errno != ENOENT) {
        command_error("cannot remove %s: %s", file->shown, strerror(errno));
        return false;
    }
    sync_folder(file);
    return true;
}

bool preload_file_replace(const struct preload_file *file, const struct preload_text *text)
{
    static const struct preload_text nothing = {NULL, 0};
    char name[NAME_MAX + 1];

    /* without its target a link would stay behind */
    if (text == NULL && !file->linked)
        return remove_file(file);
    if (text == NULL)
        text = &nothing;
    name_beside(name, file, new_suffix);
    int fd = openat(file->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool filled = fd >= 0 && fill_new(file, text, fd);
    if (filled && renameat(file->folder, name, file->folder, file->name) == 0) {
        close(fd);
        sync_folder(file);
        return true;
    }
    command_error("cannot replace %s: %s", file->shown, strerror(errno));
    if (fd >= 0) {
        unlinkat(file->folder, name, 0);
        close(fd);
    }
    return false;
}

void preload_file_close(struct preload_file *file)
{
    if (file->lock >= 0) {
        char name[NAME_MAX + 1];
        name_beside(name, file, lock_suffix);
        unlinkat(file->folder, name, 0);
        close(file->lock);
    }
    if (file->folder >= 0)
        close(file->folder);
    if (file->root >= 0)
        close(file->root);
    *file = (struct preload_file){.root = -1, .folder = -1, .lock = -1};
}

void preload_file_warn_of_misread(const struct preload_file *file, const struct preload_text *text)
{
    char *meant = preload_text_read(text, PRELOAD_AS_MEANT);
    char *read = preload_text_read(text, PRELOAD_BY_GLIBC);
    struct preload_name name = {0, 0};
    while (meant && read && preload_next_name(read, text->size, &name))
        if (memcmp(meant + name.start, read + name.start, name.length) != 0) {
            command_warning("%s: glibc mistakes words of a comment for libraries: '%.*s'; "
                            "see BUGS in hakmem-preload(8)",
                            file->shown, (int)name.length, read + name.start);
            break;
        }
    free(meant);
    free(read);
}

bool preload_file_is_text(const struct preload_file *file, const struct preload_text *text)
{
    const char *nul = text->size > 0 ? memchr(text->bytes, '\0', text->size) : NULL;
    if (nul != NULL)
        command_error("%s: not a text file: the loader stops reading at the null byte at offset %td",
                      file->shown, nul - text->bytes);
    return nul == NULL;
}

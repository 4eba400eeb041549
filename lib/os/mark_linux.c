/* SPDX-License-Identifier: MIT */
/*
 * Marks that a process leaves for its children, where neither memory nor the environment can be one:
 * a page that is mapped from a file, of which nobody may read anything. Children of fork have it,
 * exec ends it, and /proc/PID/maps shows it to every process that may look at its parent.
 *
 * The offset of the page is made of what changes with the file. It lies far behind the file's end,
 * where no other mapping is, and within what every file system takes:
 *
 *     7f0e24c4b000-7f0e24c4c000 ---p 2c1f1a40000 fd:01 1835020    /etc/hakmem.conf
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mix.h"
#include "os/call.h"
#include "os/os.h"

enum {
    VERSION_BITS = 26, /* the highest is set, so that the number is always as long */
    OFFSET_SHIFT = 16  /* a multiple of every size of pages */
};

/* Different for two files, and for a file before and after a change; 0: not known. */
static uint64_t version_of(long fd)
{
    struct statx status;
    if (hak__call(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_INO | STATX_CTIME | STATX_SIZE, &status) != 0)
        return 0;
    uint64_t time = (uint64_t)status.stx_ctime.tv_sec * 1000000000 + status.stx_ctime.tv_nsec;
    uint64_t place = status.stx_ino ^ (uint64_t)status.stx_dev_major << 40 ^
                     (uint64_t)status.stx_dev_minor << 52 ^ status.stx_size << 20;
    uint64_t mixed = hak__mix(time ^ place * 0x9e3779b97f4a7c15, 0xd6e8feb86659fd93);
    return mixed >> (64 - VERSION_BITS) | (uint64_t)1 << (VERSION_BITS - 1);
}

/* Whether a file holds these bytes; it may be one of /proc, which gives a part at a time. */
static bool holds(const char *path, const char *bytes, size_t length)
{
    static HAK_SPARSE char text[4096];
    long fd = hak__call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    bool found = false;
    size_t kept = 0;
    while (!hak__call_failed(fd) && !found) {
        long got = hak__call(SYS_read, fd, text + kept, sizeof text - kept);
        if (got <= 0)
            break;
        size_t size = kept + (size_t)got;
        found = memmem(text, size, bytes, length) != NULL;
        kept = size < length ? size : length;
        memmove(text, text + size - kept, kept);
    }
    if (!hak__call_failed(fd))
        hak__call(SYS_close, fd);
    return found;
}

static bool parent_has(uint64_t version)
{
    char mark[] = "---p ###########", path[] = "/proc/##########/maps";
    uint64_t offset = version << OFFSET_SHIFT;
    for (char *digit = strrchr(mark, '#'); *digit == '#'; digit--, offset >>= 4)
        *digit = "0123456789abcdef"[offset & 15];
    char *start = strrchr(path, '#') + 1; /* the number goes in front of it, and that in front */
    for (long parent = hak__call(SYS_getppid); parent > 0; parent /= 10)
        *--start = (char)('0' + parent % 10);
    start -= sizeof "/proc/" - 1;
    memmove(start, "/proc/", sizeof "/proc/" - 1);
    return holds(start, mark, sizeof mark - 1);
}

bool hak__os_mark_file(const char *path)
{
    long fd = hak__call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (hak__call_failed(fd))
        return false;
    uint64_t version = version_of(fd);
    uint64_t offset = version << (OFFSET_SHIFT - HAK_MMAP_UNIT_SHIFT);
    if (version != 0)
        hak__call(HAK_SYS_MMAP, NULL, hak__os_page_size(), PROT_NONE, MAP_PRIVATE, fd, offset);
    hak__call(SYS_close, fd);
    bool leads_session = hak__call(SYS_getsid, 0) == hak__call(SYS_getpid);
    return version != 0 && !leads_session && parent_has(version);
}

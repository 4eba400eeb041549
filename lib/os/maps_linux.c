/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "os/maps.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "os/call.h"
#include "os/os.h"

/* The number at the start of a text, which then is behind it and the byte that ends it. */
static uint64_t take_number(const char **text, unsigned base)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t number = 0;
    for (const char *digit; **text != '\0' && (digit = memchr(digits, **text, base)) != NULL; ++*text)
        number = number * base + (uint64_t)(digit - digits);
    *text += **text != '\0';
    return number;
}

static const char *behind(const char *text, char end)
{
    while (*text != '\0' && *text != end)
        text++;
    return *text == end ? text + 1 : text;
}

/* 7f834a6e7000-7f834a70d000 r--p 00026000 fe:00 1835020      /usr/lib/x86_64-linux-gnu/libc.so.6 */
static void read_line(const char *line, struct hak_mapping *mapping)
{
    mapping->start = take_number(&line, 16);
    mapping->end = take_number(&line, 16);
    mapping->accessible = strncmp(line, "---", 3) != 0;
    line = behind(line, ' '); /* permissions */
    mapping->offset = take_number(&line, 16);
    line = behind(line, ' '); /* device */
    mapping->inode = take_number(&line, 10);
    while (*line == ' ')
        line++;
    mapping->path = line;
}

bool hak__maps_open(struct hak_maps *maps)
{
    maps->start = maps->end = 0;
    maps->whole = false;
    maps->fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    return maps->fd >= 0;
}

/*
 * Moves what is left to the front, and reads on; false at the end. Of a line that is longer than
 * what can be held some of the path is left out.
 */
static bool read_more(struct hak_maps *maps)
{
    maps->end -= maps->start;
    memmove(maps->text, maps->text + maps->start, maps->end);
    maps->start = 0;
    if (maps->end == sizeof maps->text)
        maps->end = PATH_MAX;
    ssize_t got = read(maps->fd, maps->text + maps->end, sizeof maps->text - maps->end);
    maps->end += got > 0 ? (size_t)got : 0;
    maps->whole = got == 0;
    return got > 0;
}

bool hak__maps_next(struct hak_maps *maps, struct hak_mapping *mapping)
{
    char *line, *end;
    while (line = maps->text + maps->start,
           (end = memchr(line, '\n', maps->end - maps->start)) == NULL)
        if (!read_more(maps))
            return false;
    *end = '\0';
    read_line(line, mapping);
    maps->start = (size_t)(end + 1 - maps->text);
    return true;
}

void hak__maps_close(struct hak_maps *maps)
{
    close(maps->fd);
}

int hak__maps_write(int fd)
{
    char bytes[1024];
    int error = 0;
    long maps = hak__call(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (hak__call_failed(maps))
        return 0;
    for (long got; error == 0 && (got = hak__call(SYS_read, maps, bytes, sizeof bytes)) > 0;)
        error = hak__os_write(fd, bytes, (size_t)got);
    hak__os_close((int)maps);
    return error;
}

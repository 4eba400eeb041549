/* SPDX-License-Identifier: MIT */
/*
 * A library that does harm when a program starts, in the way that its name says, with
 * ".so" and what follows left out:
 *
 *     crash    ends it by a signal             hang    never lets it start
 *     status   changes its exit status         noise   writes to standard error
 *     late     ends it by a signal where the library did not come by LD_PRELOAD
 *
 * KIND is that word; for each there is a library.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STRING_OF(word) #word
#define STRING(word) STRING_OF(word)

/* By this and its soname hakmem preload takes it for the library, or it would not be tried. */
static const struct {
    unsigned name_size, size, type;
    char name[8];
    int distance;
} note __attribute__((used, aligned(4), section(".note.hakmem"))) = {7, 4, 1, "hakmem", 0};

static void end_otherwise(void)
{
    _exit(77);
}

__attribute__((constructor)) static void harm(void)
{
    static const char kind[] = STRING(KIND);
    if (strcmp(kind, "crash") == 0 || (strcmp(kind, "late") == 0 && getenv("LD_PRELOAD") == NULL))
        raise(SIGSEGV);
    if (strcmp(kind, "status") == 0)
        atexit(end_otherwise);
    if (strcmp(kind, "noise") == 0 && write(2, "noise\n", 6) < 0)
        _exit(1);
    while (strcmp(kind, "hang") == 0)
        pause();
}

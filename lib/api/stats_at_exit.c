/* SPDX-License-Identifier: MIT */
/* The option "stats": a report when the process ends by exit(3), to standard error or to a file. */
#include <errno.h>
#include <string.h>

#include "api/own_snapshot.h"
#include "api/stats_print.h"
#include "api/stderr_at_exit.h"
#include "core/disabled.h"
#include "core/file_name.h"
#include "core/options.h"
#include "front/front.h"
#include "os/os.h"

static bool prints_at_exit(void)
{
    return hak__option(HAK_OPTION_STATS) != 0 && !hak__is_disabled();
}

static int print(int fd)
{
    struct hak_snapshot snapshot;
    struct hak_text text;
    const struct hak_stats_source source = {.version = PACKAGE_VERSION,
                                            .program = hak__os_program_name(),
                                            .pid = hak__os_process()};
    hak__snapshot(&snapshot);
    hak__text_begin(&text, fd);
    if (hak__option(HAK_OPTION_STATS) == 1)
        hak__stats_print_text(&text, &snapshot, source);
    else
        hak__stats_print_json(&text, &snapshot, source);
    return hak__text_end(&text);
}

static void print_to_file(const char *pattern)
{
    char path[PATH_MAX];
    int error = ENAMETOOLONG;
    if (hak__file_name(pattern, path)) {
        int fd = hak__os_append(path);
        error = fd < 0 ? -fd : print(fd);
        if (fd >= 0)
            hak__os_close(fd);
    }
    if (error == 0)
        return;
    struct hak_text text;
    hak__text_message(&text);
    hak__text_string(&text, "cannot write statistics to ");
    hak__text_printable(&text, pattern, strlen(pattern));
    hak__text_string(&text, " (error ");
    hak__text_signed(&text, error);
    hak__text_string(&text, ")\n");
    hak__text_end(&text);
}

/* A program with more rights than its user writes to no file that the user names. */
static __attribute__((destructor)) void print_at_exit(void)
{
    if (!prints_at_exit())
        return;
    const char *file = hak__os_is_secure() ? NULL : hak__os_environment("HAKMEM_STATS_FILE");
    if (file != NULL && file[0] != '\0')
        print_to_file(file);
    else
        print(hak__stderr_at_exit());
}

/* SPDX-License-Identifier: MIT */
/* hakmem stat: the statistics of a running process, read from outside. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/stats_print.h"
#include "command.h"
#include "process.h"

static const char usage[] =
    "usage: hakmem stat [OPTION...] PID\n"
    "Shows the statistics of a running process. Nothing is asked of the process: it goes on, and\n"
    "does not notice.\n"
    "\n"
    "  -j, --json            as JSON\n"
    "  -p, --prometheus      as metrics in the text format of Prometheus\n"
    "  -w, --watch=SECONDS   again and again, until the process ends\n"
    "  -h, --help            this\n";

/* A positive decimal number up to most, or 0. */
static double number_of(const char *text, double most)
{
    char *end = NULL;
    errno = 0;
    double number = strtod(text, &end);
    bool plain = strspn(text, "0123456789.") == strlen(text);
    return plain && errno == 0 && *end == '\0' && number > 0 && number <= most ? number : 0;
}

static bool show(pid_t pid, const struct hak_stats_block *block, hak_stats_printer *print)
{
    struct hak_snapshot snapshot;
    struct hak_text text;
    if (!process_snapshot(pid, block, &snapshot))
        return false;
    hak__text_begin(&text, STDOUT_FILENO);
    print(&text, &snapshot, (struct hak_stats_source){block->version, pid});
    int error = hak__text_end(&text);
    if (error != 0)
        command_error("standard output: %s", strerror(error));
    return error == 0;
}

static void wait_for(double seconds)
{
    struct timespec rest = {.tv_sec = (time_t)seconds};
    rest.tv_nsec = (long)((seconds - (double)rest.tv_sec) * 1e9);
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
        continue;
}

static int bad(const char *what, const char *text)
{
    command_error("%s '%s'; see hakmem stat --help", what, text);
    return COMMAND_USAGE;
}

int cmd_stat(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"prometheus", no_argument, NULL, 'p'},
                                            {"watch", required_argument, NULL, 'w'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    hak_stats_printer *print = hak__stats_print_text;
    double seconds = 0;
    for (int option; (option = getopt_long(argc, argv, "jpw:h", options, NULL)) != -1;) {
        switch (option) {
        case 'j':
            print = hak__stats_print_json;
            break;
        case 'p':
            print = hak__stats_print_metrics;
            break;
        case 'w':
            seconds = number_of(optarg, INT_MAX);
            if (seconds == 0)
                return bad("no number of seconds:", optarg);
            break;
        case 'h':
            fputs(usage, stdout);
            return command_end_output(COMMAND_OK);
        default:
            return COMMAND_USAGE;
        }
    }
    if (argc - optind != 1) {
        fputs(usage, stderr);
        return COMMAND_USAGE;
    }
    pid_t pid = (pid_t)number_of(argv[optind], INT_MAX);
    if (pid == 0 || strchr(argv[optind], '.') != NULL)
        return bad("no number of a process:", argv[optind]);
    struct hak_stats_block block;
    if (!process_find_block(pid, &block) || !show(pid, &block, print))
        return COMMAND_FAILED;
    while (seconds != 0) {
        wait_for(seconds);
        if (!show(pid, &block, print))
            return COMMAND_FAILED;
    }
    return COMMAND_OK;
}

/* SPDX-License-Identifier: MIT */
/* hakmem(1): what the words of the command line are handed to. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "config.h"

static const char usage[] =
    "usage: hakmem run [--debug] [--stats[=text|json]] [--stats-file FILE] [--conf K=V,...] [--leaks] [--] CMD [ARG...]\n"
    "       hakmem stat [--json | --prometheus] [--watch SECONDS] PID|NAME|FILE...\n"
    "       hakmem top [--once | --json] [--delay SECONDS] [--sort COLUMN] [--filter TEXT]\n"
    "       hakmem profile [OPTION...] PID|NAME|FILE\n"
    "       hakmem heap [OPTION...] PID|NAME|FILE\n"
    "       hakmem leaks [OPTION...] PID|NAME|CORE\n"
    "       hakmem snapshot [OPTION...] --output FILE PID|NAME\n"
    "       hakmem map [--regions] [--text | --svg | --json] [--output FILE] PID|NAME|FILE\n"
    "       hakmem conf [--debug]\n"
    "       hakmem preload status|check|enable|disable [OPTION...]\n"
    "       hakmem selftest\n"
    "       hakmem bug-report\n"
    "       hakmem --help | --version\n"
    "\n"
    "run runs a program on the allocator, stat shows the statistics of a running process, top those\n"
    "of all processes in a live table, profile shows which code allocated the memory of a process,\n"
    "heap counts its blocks by type and size, leaks finds those that it has lost, snapshot writes a\n"
    "file that stat, profile, heap and map take in place of a process, map draws the heap of a process\n"
    "or lists its mappings, conf shows the options that a program started now would use, preload puts\n"
    "the allocator under all programs of the machine or takes it away, selftest tests the allocator that\n"
    "it runs on, bug-report prints what a report of a fault needs.\n"
    "hakmem SUBCOMMAND --help says more; man 1 hakmem says all.\n";

static struct {
    const char *name;
    char name_in_messages[20];
    int (*run)(int argc, char **argv);
} subcommands[] = {{"run", "hakmem run", cmd_run},
                   {"stat", "hakmem stat", cmd_stat},
                   {"top", "hakmem top", cmd_top},
                   {"profile", "hakmem profile", cmd_profile},
                   {"heap", "hakmem heap", cmd_heap},
                   {"leaks", "hakmem leaks", cmd_leaks},
                   {"snapshot", "hakmem snapshot", cmd_snapshot},
                   {"map", "hakmem map", cmd_map},
                   {"conf", "hakmem conf", cmd_conf},
                   {"preload", "hakmem preload", cmd_preload},
                   {"selftest", "hakmem selftest", cmd_selftest},
                   {"bug-report", "hakmem bug-report", cmd_bug_report}};

static void message(const char *kind, const char *format, va_list arguments)
{
    fflush(stdout);
    fprintf(stderr, "hakmem: %s", kind);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void command_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    message("", format, arguments);
    va_end(arguments);
}

void command_warning(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    message("warning: ", format, arguments);
    va_end(arguments);
}

int command_end_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    command_error("standard output: %s", strerror(errno));
    return status != COMMAND_OK ? status : COMMAND_FAILED;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs(usage, stderr);
        return COMMAND_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        fputs(usage, stdout);
        return command_end_output(COMMAND_OK);
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("hakmem %s\n", PACKAGE_VERSION);
        return command_end_output(COMMAND_OK);
    }
    for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++)
        if (strcmp(argv[1], subcommands[i].name) == 0) {
            argv[1] = subcommands[i].name_in_messages; /* getopt's */
            return subcommands[i].run(argc - 1, argv + 1);
        }
    command_error("no subcommand '%s'; see hakmem --help", argv[1]);
    return COMMAND_USAGE;
}

/* SPDX-License-Identifier: MIT */
/* hakmem(1): what the words of the command line are handed to. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "config.h"

static const char usage[] =
    "usage: hakmem COMMAND [OPTION...] [ARGUMENT...]\n"
    "       hakmem --help | --version\n"
    "\n"
    "Run programs with the memory allocator libhakmem, and inspect the memory of\n"
    "processes that use it.\n"
    "\n"
    "Run programs:\n"
    "  run         run a program with libhakmem\n"
    "  preload     load libhakmem into all programs: status, check, enable, disable\n"
    "  conf        show the options that a program would run with\n"
    "\n"
    "Inspect processes:\n"
    "  stat        show how much memory processes use, and for what\n"
    "  top         show all processes that use libhakmem, in a live table\n"
    "  profile     show which code allocated the memory of a process\n"
    "  heap        count the allocated blocks of a process by type and size\n"
    "  leaks       find memory that a process has leaked\n"
    "  map         draw the heap of a process, or list its memory mappings\n"
    "  snapshot    save the state of a process for stat, profile, heap and map\n"
    "\n"
    "Solve problems:\n"
    "  selftest    test the allocator that hakmem itself runs with\n"
    "  bug-report  print the information that a bug report needs\n"
    "\n"
    "'hakmem COMMAND --help' shows the options of a command. The manual page is\n"
    "hakmem(1); hakmem-messages(7) explains all messages.\n";

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
    command_error("unknown command '%s'; see hakmem --help", argv[1]);
    return COMMAND_USAGE;
}

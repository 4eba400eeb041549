/* SPDX-License-Identifier: MIT */
/* hakmem snapshot: a file with what the other commands look at in a process. */
#define _GNU_SOURCE
#include "config.h"

#include <getopt.h>

#include "command.h"
#include "number_text.h"
#include "profile_source.h"
#include "snapshot.h"

static const char usage[] =
    "usage: hakmem snapshot [OPTION...] --output=FILE PID|NAME\n"
    "\n"
    "Save the state of a process's memory to a file. hakmem stat, heap, map and\n"
    "profile read the file in place of a process, later or on another machine. The\n"
    "command reads the process's memory from outside, and stops the process\n"
    "meanwhile.\n"
    "\n"
    "  -o, --output=FILE    write to FILE; an existing file is replaced\n"
    "  -c, --contents       save the contents of all blocks in full, not only the\n"
    "                       first 16 bytes of each block\n"
    "  -n, --no-stop        do not stop the process; blocks that change meanwhile may\n"
    "                       be recorded incorrectly\n"
    "  -h, --help           show this help\n"
    "\n"
    "Exit status: 0 on success, 1 on failure, 2 on incorrect usage.\n";

static int wrong(const char *what)
{
    command_error("%s; see hakmem snapshot --help", what);
    return COMMAND_USAGE;
}

static int run(const char *argument, const char *output, const struct snapshot_options *options)
{
    struct profile_source source;
    struct snapshot_report report;
    if (!profile_source_find(argument, &source))
        return COMMAND_FAILED;
    if (source.path != NULL) {
        command_error("%s is a file; give a process ID or name", source.path);
        return COMMAND_FAILED;
    }
    if (!snapshot_take(source.pid, output, options, &report))
        return COMMAND_FAILED;
    printf("wrote %s: %s; process %d was ", output, number_bytes((double)report.size).text, (int)source.pid);
    if (options->no_stop)
        printf("not stopped\n");
    else
        printf("stopped for %.1f ms\n", 1000 * report.stopped);
    return command_end_output(COMMAND_OK);
}

int cmd_snapshot(int argc, char **argv)
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"contents", no_argument, NULL, 'c'},
                                            {"no-stop", no_argument, NULL, 'n'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct snapshot_options taken = {0};
    const char *output = NULL;
    for (int option; (option = getopt_long(argc, argv, "o:cnh", options, NULL)) != -1;) {
        switch (option) {
        case 'o':
            output = optarg;
            break;
        case 'c':
            taken.contents = true;
            break;
        case 'n':
            taken.no_stop = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return command_end_output(COMMAND_OK);
        default:
            return COMMAND_USAGE;
        }
    }
    if (output == NULL)
        return wrong("no output file given; use --output=FILE");
    if (argc - optind != 1)
        return wrong(argc == optind ? "no process ID or name given" : "too many arguments");
    return run(argv[optind], output, &taken);
}

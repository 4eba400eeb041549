/* SPDX-License-Identifier: MIT */
/* hakmem leaks: the blocks of a process that nothing leads to any more. */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "core_file.h"
#include "leaks_options.h"
#include "leaks_trace.h"
#include "profile_source.h"
#include "suppressions.h"

static const char usage[] =
    "usage: hakmem leaks [OPTION...] PID|NAME|CORE\n"
    "Finds the memory that a process has lost: blocks that it has allocated and not freed, and whose\n"
    "address is nowhere any more where the program could find it. Reads the memory of the process from\n"
    "outside, and stops the process for a moment. CORE is a core file.\n"
    "\n"
    "  -b, --blocks          list the address of each leaked block\n"
    "  -d, --dump=N          show the first N words of one block of each group, or with --blocks of each\n"
    "  -s, --suppressions=FILE\n"
    "                        leave out known leaks, by type, size or function of the call stack\n"
    "  -r, --rows=N          show the N largest groups of leaks; 0 shows all (default: 30)\n"
    "  -t, --trace=ADDRESS   show the block in which this address lies, by which chain of blocks the program can\n"
    "                        reach it, and which words lead to it directly\n"
    "  -e, --exact           keep the process stopped until all of its memory has been read, which a\n"
    "                        process with more than 512 MiB in use is not\n"
    "  -n, --no-stop         do not stop the process; some leaks may be wrong\n"
    "  -j, --json            print JSON\n"
    "  -h, --help            show this help\n"
    "\n"
    "The exit status is 0 if there are no leaks, 1 if there are, 2 if the search failed. With --trace it is 0 if\n"
    "the program can reach the block, 1 if it cannot, 3 if the address is in no block in use.\n";

enum { LEAKS_FOUND = 1, LEAKS_FAILED = 2, LEAKS_NO_BLOCK = 3 };

struct request {
    struct leaks_options options;
    uint64_t address; /* to trace */
};

static int show_trace(struct leaks *leaks, const struct request *request)
{
    if (!trace_find_names(leaks))
        return LEAKS_FAILED;
    if (request->options.json)
        trace_write_json(stdout, leaks);
    else
        trace_write_text(stdout, leaks);
    if (command_end_output(COMMAND_OK) != COMMAND_OK)
        return LEAKS_FAILED;
    if (leaks->trace->found != TRACE_IN_USE)
        return LEAKS_NO_BLOCK;
    return leaks->trace->is_reached ? COMMAND_OK : LEAKS_FOUND;
}

static int show(struct leaks *leaks, const struct request *request)
{
    if (leaks->trace != NULL)
        return show_trace(leaks, request);
    int found = leaks_show(stdout, leaks, &request->options);
    if (found < 0 || command_end_output(COMMAND_OK) != COMMAND_OK)
        return LEAKS_FAILED;
    return found > 0 ? LEAKS_FOUND : COMMAND_OK;
}

static int run(struct request *request, const char *argument)
{
    struct profile_source source;
    if (!profile_source_find(argument, &source))
        return LEAKS_FAILED;
    bool is_core = source.path != NULL && core_is_one(source.path);
    if (source.path != NULL && !is_core) {
        command_error("%s is no core file, and lacks the stacks and registers of a process; give a process or a core",
                      source.path);
        return LEAKS_FAILED;
    }
    if (!leaks_read_suppressions(&request->options))
        return LEAKS_FAILED;
    struct leaks *leaks = is_core ? leaks_search_core(source.path, &request->options.request)
                                  : leaks_search(source.pid, &request->options.request);
    int status = leaks != NULL ? show(leaks, request) : LEAKS_FAILED;
    leaks_free(leaks);
    suppressions_free(request->options.suppressions);
    return status;
}

/* ---- the command line -------------------------------------------------- */

static int wrong(const char *what)
{
    command_error("%s; see hakmem leaks --help", what);
    return LEAKS_FAILED;
}

/* Hexadecimal, with 0x in front or not, as most tools print addresses. */
static bool parse_address(const char *text, uint64_t *address)
{
    char *end;
    if (strspn(text, "0123456789abcdefABCDEFxX") != strlen(text) || *text == '\0')
        return false;
    errno = 0;
    *address = strtoull(text, &end, 16);
    return errno == 0 && *end == '\0';
}

/* Those that hakmem run has, too, have no letters in common. */
static int long_option(int option)
{
    switch (option) {
    case 'b':
        return LEAKS_BLOCKS;
    case 'd':
        return LEAKS_DUMP;
    case 's':
        return LEAKS_SUPPRESSIONS;
    case 'r':
        return LEAKS_OPTION_ROWS;
    default:
        return option;
    }
}

/* Takes one option; an exit status, or -1 to go on. */
static int take(struct request *request, int option)
{
    option = long_option(option);
    switch (option) {
    case 't':
        if (!parse_address(optarg, &request->address))
            return wrong("invalid address");
        request->options.request.trace = &request->address;
        return -1;
    case 'e':
        request->options.request.exact = true;
        return -1;
    case 'n':
        request->options.request.no_stop = true;
        return -1;
    case 'j':
        request->options.json = true;
        return -1;
    case 'h':
        fputs(usage, stdout);
        return command_end_output(COMMAND_OK) == COMMAND_OK ? COMMAND_OK : LEAKS_FAILED;
    default:
        if (option < LEAKS_OPTION_FIRST || !leaks_take_option(&request->options, option, optarg))
            return LEAKS_FAILED;
        return -1;
    }
}

static int check(const struct request *request, int arguments)
{
    const struct leaks_request *leaks = &request->options.request;
    if (leaks->exact && leaks->no_stop)
        return wrong("--exact and --no-stop exclude each other");
    if (leaks->trace != NULL && (leaks->list || leaks->dump != 0 || request->options.suppressions_file != NULL))
        return wrong("--trace excludes --blocks, --dump and --suppressions");
    if (arguments < 1)
        return wrong("no process ID or name given");
    return arguments > 1 ? wrong("too many arguments") : COMMAND_OK;
}

int cmd_leaks(int argc, char **argv)
{
    static const struct option options[] = {{"blocks", no_argument, NULL, 'b'},
                                            {"dump", required_argument, NULL, 'd'},
                                            {"suppressions", required_argument, NULL, 's'},
                                            {"rows", required_argument, NULL, 'r'},
                                            {"trace", required_argument, NULL, 't'},
                                            {"exact", no_argument, NULL, 'e'},
                                            {"no-stop", no_argument, NULL, 'n'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct request request = {.options.rows = LEAKS_ROWS};
    for (int option; (option = getopt_long(argc, argv, "bd:s:r:t:enjh", options, NULL)) != -1;) {
        int status = take(&request, option);
        if (status >= 0)
            return status;
    }
    request.options.request.pointers = request.options.rows != 0 ? request.options.rows : SIZE_MAX;
    int status = check(&request, argc - optind);
    return status == COMMAND_OK ? run(&request, argv[optind]) : status;
}

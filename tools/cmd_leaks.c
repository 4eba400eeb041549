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
    "\n"
    "Find leaked memory: blocks that a process has allocated and not freed, and to\n"
    "which no pointer is left. The command reads the process's memory from outside,\n"
    "and stops the process for a moment. CORE is a core file.\n"
    "\n"
    "  -b, --blocks         list the address of each leaked block\n"
    "  -d, --dump=N         show the first N words of one block of each group, or\n"
    "                       with --blocks of each block\n"
    "  -s, --suppressions=FILE\n"
    "                       leave out known leaks, as listed in FILE: by type, size,\n"
    "                       or function of the call stack\n"
    "  -r, --rows=N         show the N largest groups of leaks; 0 shows all\n"
    "                       (default: 30)\n"
    "  -t, --trace=ADDRESS  show the block that contains this address, and the chain\n"
    "                       of pointers by which the program can reach it\n"
    "  -e, --exact          keep the process stopped until all of its memory has been\n"
    "                       read (default: only if at most 512 MiB are in use)\n"
    "  -n, --no-stop        do not stop the process; some results may be incorrect\n"
    "  -j, --json           print JSON\n"
    "  -h, --help           show this help\n"
    "\n"
    "Exit status: 0 if there are no leaks, 1 if there are, 2 if the search failed or\n"
    "the usage is incorrect. With --trace: 0 if the program can reach the block, 1 if\n"
    "it cannot, 3 if no allocated block contains the address.\n";

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
        command_error("%s is not a core file; a search for leaks needs the stacks and registers of a process or a core file",
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
        return wrong("no process ID, name or core file given");
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

/* SPDX-License-Identifier: MIT */
/* hakmem top: the processes that run on the library, again and again. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "top_screen.h"

static const char usage[] =
    "usage: hakmem top [OPTION...]\n"
    "\n"
    "Show the processes that use libhakmem, and how much memory they use, in a\n"
    "table that is updated every second. In the table, Enter shows the details of a\n"
    "process, ? shows all keys, and q quits. You see the processes that you may read:\n"
    "your own, or as root those of all users. The command reads their memory from\n"
    "outside; they are neither stopped nor signalled.\n"
    "\n"
    "  -d, --delay=SECONDS  time between two updates (default: 1)\n"
    "  -s, --sort=COLUMN    sort by pid, program, rss (default), allocated, cached,\n"
    "                       retained, fragmentation, growth, refills, or allocation\n"
    "  -r, --reverse        sort in the opposite direction\n"
    "  -f, --filter=TEXT    show only processes that have TEXT in their name\n"
    "      --once           print the table as text, and exit\n"
    "  -j, --json           print JSON, and exit\n"
    "  -h, --help           show this help\n"
    "\n"
    "--once and --json measure rates, and therefore take one delay.\n"
    "\n"
    "Exit status: 0 on success, 1 on failure or if --once finds no process to show,\n"
    "2 on incorrect usage.\n";

static const double SECONDS_LEAST = 0.1, SECONDS_MOST = 86400;

/* ---- once -------------------------------------------------------------- */

static bool look(struct top_table *table)
{
    if (!top_table_begin(table, false))
        return false;
    while (!top_table_step(table))
        continue;
    return true;
}

static void wait_for(double seconds)
{
    struct timespec rest = {.tv_sec = (time_t)seconds};
    rest.tv_nsec = (long)((seconds - (double)rest.tv_sec) * 1e9);
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
        continue;
}

static int print_once(const struct top_request *request, bool json)
{
    struct top_table table = {0};
    struct top_rows rows = {0};
    bool good = look(&table);
    if (good) {
        wait_for(request->seconds);
        for (size_t i = 0; i < table.count; i++)
            table.processes[i].due = 0;
        good = look(&table);
    }
    if (good && !top_rows_make(&rows, &table, &request->order)) {
        command_error("%s", strerror(errno));
        good = false;
    }
    if (good && json)
        top_write_json(stdout, &rows, &table);
    else if (good && rows.count > 0)
        top_write_text(stdout, &rows);
    bool none = good && rows.count == 0 && !json;
    if (none && *request->order.filter != '\0')
        command_error("no process with '%s' in its name that you may read uses libhakmem", request->order.filter);
    else if (none)
        command_error("no process that you may read uses libhakmem; start a program with hakmem run");
    free(rows.rows);
    top_table_free(&table);
    return command_end_output(good && !none ? COMMAND_OK : COMMAND_FAILED);
}

/* ---- arguments --------------------------------------------------------- */

static int bad(const char *what, const char *text)
{
    command_error("%s '%s'; see hakmem top --help", what, text);
    return COMMAND_USAGE;
}

static bool parse_seconds(const char *text, double *seconds)
{
    char *end;
    errno = 0;
    *seconds = strtod(text, &end);
    bool plain = *text != '\0' && strspn(text, "0123456789.") == strlen(text);
    return plain && errno == 0 && *end == '\0' && *seconds >= SECONDS_LEAST && *seconds <= SECONDS_MOST;
}

static int set_option(struct top_request *request, int option)
{
    if (option == 'd' && !parse_seconds(optarg, &request->seconds))
        return bad("invalid number of seconds (0.1 to 86400):", optarg);
    if (option == 's' && (request->order.column = top_column_named(optarg)) == TOP_COLUMNS)
        return bad("unknown column:", optarg);
    if (option == 'r')
        request->order.reverse = true;
    if (option == 'f')
        request->order.filter = optarg;
    return COMMAND_OK;
}

enum { OPTION_ONCE = 256 };

int cmd_top(int argc, char **argv)
{
    static const struct option options[] = {{"delay", required_argument, NULL, 'd'},
                                            {"sort", required_argument, NULL, 's'},
                                            {"reverse", no_argument, NULL, 'r'},
                                            {"filter", required_argument, NULL, 'f'},
                                            {"once", no_argument, NULL, OPTION_ONCE},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct top_request request = {.order = {.column = TOP_RSS, .filter = ""}, .seconds = 1};
    bool once = false, json = false;
    for (int option; (option = getopt_long(argc, argv, "d:s:rf:jh", options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(usage, stdout);
            return command_end_output(COMMAND_OK);
        }
        if (option == '?')
            return COMMAND_USAGE;
        once |= option == OPTION_ONCE;
        json |= option == 'j';
        int status = set_option(&request, option);
        if (status != COMMAND_OK)
            return status;
    }
    if (optind < argc)
        return bad("unexpected argument", argv[optind]);
    return once || json ? print_once(&request, json) : top_screen(&request);
}

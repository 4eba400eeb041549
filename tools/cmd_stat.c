/* SPDX-License-Identifier: MIT */
/* hakmem stat: the statistics of a running process, read from outside. */
#define _GNU_SOURCE
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
    "usage: hakmem stat [OPTION...] PID|NAME...\n"
    "Shows the statistics of running processes, given by their IDs or by the name of a program. Reads\n"
    "their memory from outside: the processes are neither stopped nor signalled.\n"
    "\n"
    "  -j, --json            JSON: an object, or with a name or several IDs an array of objects\n"
    "  -p, --prometheus      metrics in the text format of Prometheus; not with --watch\n"
    "  -w, --watch=SECONDS   repeat at this interval, until the processes have ended\n"
    "  -h, --help            show this help\n"
    "\n"
    "The exit status is 0 when all processes were read, 1 when one could not be, 2 for wrong usage.\n";

enum format { TEXT, JSON, METRICS };

struct request {
    enum format format;
    double seconds; /* 0: once */
    bool array;     /* JSON of other than one process */
    struct process *processes;
    size_t count;
};

/* A positive decimal number up to most, or 0. */
static double number_of(const char *text, double most)
{
    char *end = NULL;
    errno = 0;
    double number = strtod(text, &end);
    bool plain = strspn(text, "0123456789.") == strlen(text);
    return plain && errno == 0 && *end == '\0' && number > 0 && number <= most ? number : 0;
}

/* Forgets processes that cannot be read; false when one was left out that should not have been. */
static bool read_all(struct request *request, bool again)
{
    bool good = true;
    size_t kept = 0;
    for (size_t i = 0; i < request->count; i++) {
        enum process_result result = process_read(&request->processes[i]);
        if (result == PROCESS_READ) {
            if (kept != i)
                request->processes[kept] = request->processes[i];
            kept++;
        } else if (!(again && result == PROCESS_ENDED)) {
            good = good && request->processes[i].silent;
        }
    }
    request->count = kept;
    return good;
}

static struct hak_stats_source source_of(const struct process *process)
{
    return (struct hak_stats_source){process->version, process->name, process->pid};
}

static void print_metrics(struct hak_text *text, const struct request *request)
{
    struct hak_stats_report *reports = calloc(request->count, sizeof *reports);
    if (reports == NULL) {
        text->error = ENOMEM;
        return;
    }
    for (size_t i = 0; i < request->count; i++)
        reports[i] = (struct hak_stats_report){source_of(&request->processes[i]),
                                               &request->processes[i].snapshot};
    hak__stats_print_metrics(text, reports, request->count);
    free(reports);
}

static void print_each(struct hak_text *text, const struct request *request)
{
    bool array = request->format == JSON && request->array;
    hak_stats_printer *print = request->format == JSON ? hak__stats_print_json
                                                       : hak__stats_print_text;
    hak__text_string(text, array ? "[" : "");
    for (size_t i = 0; i < request->count; i++) {
        if (i > 0)
            hak__text_string(text, array ? "," : "\n");
        print(text, &request->processes[i].snapshot, source_of(&request->processes[i]));
    }
    hak__text_string(text, array ? "]\n" : "");
}

/* Nothing where there is nothing to say. */
static bool show(const struct request *request)
{
    struct hak_text text;
    if (request->count == 0)
        return true;
    hak__text_begin(&text, STDOUT_FILENO);
    if (request->format == METRICS)
        print_metrics(&text, request);
    else
        print_each(&text, request);
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

static int excluded(const char *one, const char *other)
{
    command_error("%s and %s exclude each other; see hakmem stat --help", one, other);
    return COMMAND_USAGE;
}

static bool add_process(struct request *request, pid_t pid, bool silent)
{
    for (size_t i = 0; i < request->count; i++)
        if (request->processes[i].pid == pid)
            return true;
    struct process *more =
        reallocarray(request->processes, request->count + 1, sizeof *request->processes);
    if (more == NULL) {
        command_error("%s", strerror(errno));
        return false;
    }
    request->processes = more;
    more[request->count++] = (struct process){.pid = pid, .silent = silent};
    return true;
}

/* Those of its processes that run without the library are not meant. */
static int add_named(struct request *request, const char *name)
{
    pid_t *pids;
    int count = process_named(name, &pids), found = 0;
    bool good = count >= 0;
    for (int i = 0; good && i < count; i++) {
        struct process process = {.pid = pids[i], .silent = true};
        if (process_read(&process) != PROCESS_READ)
            continue;
        found++;
        good = add_process(request, pids[i], true);
    }
    free(pids);
    if (good && found == 0)
        command_error("no process named '%s' runs on libhakmem and may be read", name);
    return good && found > 0 ? COMMAND_OK : COMMAND_FAILED;
}

static int add_argument(struct request *request, const char *argument)
{
    if (strspn(argument, "-.0123456789") != strlen(argument)) {
        request->array = true;
        return add_named(request, argument);
    }
    pid_t pid = (pid_t)number_of(argument, INT_MAX);
    if (pid == 0 || strchr(argument, '.') != NULL)
        return bad("invalid process ID:", argument);
    return add_process(request, pid, false) ? COMMAND_OK : COMMAND_FAILED;
}

static int run(struct request *request, int argc, char **argv)
{
    int status = COMMAND_OK;
    request->array = argc > 1;
    for (int i = 0; i < argc && status != COMMAND_USAGE; i++) {
        int added = add_argument(request, argv[i]);
        status = added != COMMAND_OK ? added : status;
    }
    if (status == COMMAND_USAGE)
        return status;
    if (!read_all(request, false))
        status = COMMAND_FAILED;
    if (!show(request))
        return COMMAND_FAILED;
    while (request->seconds != 0 && request->count > 0) {
        wait_for(request->seconds);
        if (!read_all(request, true))
            status = COMMAND_FAILED;
        if (!show(request))
            return COMMAND_FAILED;
    }
    return status;
}

int cmd_stat(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"prometheus", no_argument, NULL, 'p'},
                                            {"watch", required_argument, NULL, 'w'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct request request = {.format = TEXT};
    bool json = false;
    for (int option; (option = getopt_long(argc, argv, "jpw:h", options, NULL)) != -1;) {
        switch (option) {
        case 'j':
            json = true;
            break;
        case 'p':
            request.format = METRICS;
            break;
        case 'w':
            request.seconds = number_of(optarg, INT_MAX);
            if (request.seconds == 0)
                return bad("invalid number of seconds:", optarg);
            break;
        case 'h':
            fputs(usage, stdout);
            return command_end_output(COMMAND_OK);
        default:
            return COMMAND_USAGE;
        }
    }
    if (json && request.format == METRICS)
        return excluded("--json", "--prometheus");
    if (request.seconds != 0 && request.format == METRICS)
        return excluded("--prometheus", "--watch");
    if (json)
        request.format = JSON;
    if (optind == argc) {
        fputs(usage, stderr);
        return COMMAND_USAGE;
    }
    int status = run(&request, argc - optind, argv + optind);
    free(request.processes);
    return status;
}

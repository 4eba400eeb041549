/* SPDX-License-Identifier: MIT */
/* hakmem stat: the statistics of running processes, read from outside. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/stats_print.h"
#include "command.h"
#include "number_text.h"
#include "reader/clock.h"
#include "stat_parts.h"
#include "stat_request.h"
#include "stat_text.h"
#include "threads_text.h"

static const char usage[] =
    "usage: hakmem stat [OPTION...] PID|NAME|FILE...\n"
    "       hakmem stat [OPTION...] --all\n"
    "\n"
    "Show how much memory processes use, and for what. Give process IDs, names of\n"
    "programs, or snapshots as written by hakmem snapshot. The command reads the\n"
    "memory of processes from outside; they are neither stopped nor signalled.\n"
    "\n"
    "  -a, --all            show all processes that use libhakmem and that you\n"
    "                       may read\n"
    "  -c, --counters       also show event counters and locks; several processes are\n"
    "                       each shown in full\n"
    "  -t, --threads        show the threads of each process, their caches, and how\n"
    "                       much each has requested, instead of size classes\n"
    "  -j, --json           print JSON: an object for a single process ID or file,\n"
    "                       otherwise an array of objects\n"
    "  -p, --prometheus     print metrics in the text format of Prometheus\n"
    "  -o, --output=FILE    write to FILE; an existing file is replaced as a whole\n"
    "  -w, --watch=SECONDS  repeat at this interval until the processes have ended\n"
    "  -s, --seconds=N      read the processes twice, N seconds apart, and show\n"
    "                       changes and rates\n"
    "  -h, --help           show this help\n"
    "\n"
    "Exit status: 0 if all processes were read, 1 if one could not be read, 2 on\n"
    "incorrect usage.\n";

/* ---- what is shown ----------------------------------------------------- */

/* What hakmem stat --threads --json is: an object a process. */
static void print_threads_json(FILE *out, const struct stat_request *request)
{
    fputs(request->array ? "[" : "", out);
    for (size_t i = 0; i < request->count; i++) {
        fputs(i > 0 ? "," : "", out);
        if (request->processes[i].threads != NULL)
            threads_write_json(out, &request->processes[i]);
    }
    fputs(request->array ? "]\n" : "", out);
}

static void print_json(struct hak_text *text, const struct hak_stats_report *reports, size_t count, bool array)
{
    hak__text_string(text, array ? "[" : "");
    for (size_t i = 0; i < count; i++) {
        hak__text_string(text, i > 0 ? "," : "");
        hak__stats_print_json(text, reports[i].snapshot, reports[i].source);
    }
    hak__text_string(text, array ? "]\n" : "");
}

/* For programs; returns an errno, or 0. */
static int print_reports(int fd, const struct stat_request *request)
{
    struct hak_stats_report *reports = calloc(request->count + 1, sizeof *reports);
    struct hak_stats_found(*found)[STAT_ROWS] = calloc(request->count + 1, sizeof *found);
    struct hak_text text;
    int error = ENOMEM;
    for (size_t i = 0; reports != NULL && found != NULL && i < request->count; i++) {
        const struct process *process = &request->processes[i];
        reports[i].snapshot = &process->snapshot;
        reports[i].source = (struct hak_stats_source){process->version, process->name, process->pid, found[i],
                                                      stat_parts_found(process, found[i])};
    }
    if (reports != NULL && found != NULL) {
        hak__text_begin(&text, fd);
        if (request->format == STAT_METRICS)
            hak__stats_print_metrics(&text, reports, request->count);
        if (request->format == STAT_METRICS && request->threads)
            threads_write_metrics(&text, request->processes, request->count);
        else if (request->format == STAT_JSON)
            print_json(&text, reports, request->count, request->array);
        error = hak__text_end(&text);
    }
    free(found);
    free(reports);
    return error;
}

static void print_each(FILE *out, const struct stat_request *request, const struct stat_text_options *options)
{
    for (size_t i = 0; i < request->count; i++) {
        fputs(i > 0 ? "\n" : "", out);
        stat_text_process(out, &request->processes[i], options);
    }
}

/* By stdio; returns an errno, or 0. */
static int print_text(int fd, const struct stat_request *request, double seconds)
{
    const struct stat_text_options options = {request->counters, request->threads, seconds};
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    FILE *out = copy >= 0 ? fdopen(copy, "w") : NULL;
    if (out == NULL)
        return errno;
    if (request->format == STAT_JSON)
        print_threads_json(out, request);
    else if (request->counters || request->threads || (request->count == 1 && !request->all))
        print_each(out, request, &options);
    else
        stat_text_table(out, request->processes, request->count);
    bool good = !ferror(out);
    errno = good ? 0 : EIO;
    return fclose(out) != 0 || !good ? errno : 0;
}

static bool write_to(int fd, const char *name, const struct stat_request *request, double seconds)
{
    bool text = request->format == STAT_TEXT || (request->format == STAT_JSON && request->threads);
    int error = text ? print_text(fd, request, seconds) : print_reports(fd, request);
    if (error != 0)
        command_error("%s: %s", name, strerror(error));
    return error == 0;
}

/* Where a link leads to is for open(2) to decide, which heeds fs.protected_symlinks. */
static bool write_in_place(const struct stat_request *request, double seconds)
{
    int fd = open(request->output, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        command_error("%s: %s", request->output, strerror(errno));
        return false;
    }
    bool good = write_to(fd, request->output, request, seconds);
    close(fd);
    return good;
}

/* A new file takes the place of the old one: its readers never see an incomplete file. */
static bool replace_file(mode_t mode, const struct stat_request *request, double seconds)
{
    char *beside = NULL;
    if (asprintf(&beside, "%s.XXXXXX", request->output) < 0)
        return false;
    int fd = mkostemp(beside, O_CLOEXEC);
    bool good = fd >= 0 && fchmod(fd, mode) == 0;
    if (!good)
        command_error("%s: %s", request->output, strerror(errno));
    good = good && write_to(fd, request->output, request, seconds);
    if (fd >= 0)
        close(fd);
    if (good && rename(beside, request->output) != 0) {
        command_error("%s: %s", request->output, strerror(errno));
        good = false;
    }
    if (fd >= 0 && !good)
        unlink(beside);
    free(beside);
    return good;
}

static bool write_file(const struct stat_request *request, double seconds)
{
    struct stat old = {.st_mode = S_IFREG | 0644};
    if (lstat(request->output, &old) == 0 && !S_ISREG(old.st_mode))
        return write_in_place(request, seconds);
    return replace_file(old.st_mode & 0777, request, seconds);
}

/* Nothing where there is nothing to say. */
static bool show(const struct stat_request *request, double seconds)
{
    if (request->count == 0 && request->output == NULL)
        return true;
    return request->output != NULL ? write_file(request, seconds)
                                   : write_to(STDOUT_FILENO, "standard output", request, seconds);
}

/* ---- again and again --------------------------------------------------- */

static void wait_for(double seconds)
{
    struct timespec rest = {.tv_sec = (time_t)seconds};
    rest.tv_nsec = (long)((seconds - (double)rest.tv_sec) * 1e9);
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
        continue;
}

static int watch(struct stat_request *request, int status)
{
    double last = clock_seconds();
    bool done = false;
    while (!done && (request->count > 0 || request->all)) {
        wait_for(request->seconds);
        if (!stat_request_read_again(request))
            status = COMMAND_FAILED;
        if (request->all)
            stat_request_add_named(request, NULL);
        double now = clock_seconds();
        done = request->twice;
        if (request->format == STAT_TEXT && request->output == NULL && request->count > 0 && !done)
            puts("");
        fflush(stdout);
        if (!show(request, now - last))
            return COMMAND_FAILED;
        last = now;
    }
    return status;
}

static int run(struct stat_request *request, int argc, char **argv)
{
    int status = request->all ? stat_request_add_named(request, NULL) : COMMAND_OK;
    if (request->all && request->count == 0)
        command_error("no process that you may read uses libhakmem; start a program with hakmem run");
    request->array = request->all || argc > 1;
    for (int i = 0; i < argc && status != COMMAND_USAGE; i++) {
        int added = stat_request_add(request, argv[i]);
        status = added != COMMAND_OK ? added : status;
    }
    if (status == COMMAND_USAGE)
        return status;
    if (!request->twice && !show(request, 0))
        return COMMAND_FAILED;
    return request->seconds != 0 ? watch(request, status) : status;
}

/* ---- arguments --------------------------------------------------------- */

static int bad(const char *what, const char *text)
{
    command_error("%s '%s'; see hakmem stat --help", what, text);
    return COMMAND_USAGE;
}

static int wrong(const char *what)
{
    command_error("%s; see hakmem stat --help", what);
    return COMMAND_USAGE;
}

static int check(const struct stat_request *request, bool json, int operands)
{
    if (json && request->format == STAT_METRICS)
        return wrong("--json and --prometheus exclude each other");
    if (request->seconds != 0 && !request->twice && request->format == STAT_METRICS && request->output == NULL)
        return wrong("--prometheus with --watch needs --output=FILE, since standard output would mix several sets of "
                     "metrics");
    if (request->counters && (json || request->format == STAT_METRICS))
        return wrong("--counters is for text output; JSON and metrics always contain the counters");
    if (request->all && operands > 0)
        return wrong("--all and processes exclude each other");
    if (!request->all && operands == 0)
        return wrong("no process ID, name or file given");
    return COMMAND_OK;
}

/* Returns an exit status, or -1 to go on. */
static int parse(struct stat_request *request, int argc, char **argv)
{
    static const struct option options[] = {{"all", no_argument, NULL, 'a'},
                                            {"counters", no_argument, NULL, 'c'},
                                            {"threads", no_argument, NULL, 't'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"prometheus", no_argument, NULL, 'p'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"watch", required_argument, NULL, 'w'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    bool json = false;
    for (int option; (option = getopt_long(argc, argv, "actjpo:w:s:h", options, NULL)) != -1;) {
        switch (option) {
        case 'a':
            request->all = true;
            break;
        case 'c':
            request->counters = true;
            break;
        case 't':
            request->threads = true;
            break;
        case 'j':
            json = true;
            break;
        case 'p':
            request->format = STAT_METRICS;
            break;
        case 'o':
            request->output = optarg;
            break;
        case 's':
        case 'w':
            if (request->seconds != 0 && request->twice != (option == 's'))
                return wrong("--watch and --seconds exclude each other");
            request->twice = option == 's';
            request->seconds = number_positive(optarg, INT_MAX);
            if (request->seconds == 0)
                return bad("invalid number of seconds:", optarg);
            break;
        case 'h':
            fputs(usage, stdout);
            return command_end_output(COMMAND_OK);
        default:
            return COMMAND_USAGE;
        }
    }
    int status = check(request, json, argc - optind);
    if (json)
        request->format = STAT_JSON;
    return status == COMMAND_OK ? -1 : status;
}

int cmd_stat(int argc, char **argv)
{
    struct stat_request request = {.format = STAT_TEXT};
    int status = parse(&request, argc, argv);
    if (status < 0)
        status = run(&request, argc - optind, argv + optind);
    for (size_t i = 0; i < request.count; i++)
        process_forget(&request.processes[i]);
    free(request.processes);
    return status;
}

/* SPDX-License-Identifier: MIT */
/* hakmem profile: which code allocated the memory of a process. */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "core_file.h"
#include "number_text.h"
#include "profile.h"
#include "profile_debug.h"
#include "profile_source.h"
#include "reader/snapshot_file.h"

static const char usage[] =
    "usage: hakmem profile [OPTION...] PID|NAME|FILE\n"
    "       hakmem profile --diff [OPTION...] OLD NEW\n"
    "\n"
    "Show which code allocated the memory of a process, estimated from samples. The\n"
    "command reads a running process from outside; the process is neither stopped nor\n"
    "signalled. FILE is a snapshot, as written by hakmem snapshot, a core file, or a\n"
    "profile in the format heap_v2.\n"
    "\n"
    "Recording:\n"
    "  -s, --seconds=N      record for N seconds first; the profiler is switched on\n"
    "                       for that time unless it is on already\n"
    "  -i, --interval=SIZE  take one sample per SIZE bytes allocated (default: 512K)\n"
    "      --start          switch the profiler on, and leave it on\n"
    "      --stop           switch the profiler off; the profile can still be read\n"
    "\n"
    "Output:\n"
    "  -v, --view=VIEW      in-use (default), allocated, peak, or age\n"
    "      --hide=REGEX     leave out functions whose name, source file or program\n"
    "                       file matches this extended regular expression\n"
    "  -t, --text           print a table with a row for each line of code that\n"
    "                       allocates (default)\n"
    "      --functions      print a table with a row for each function\n"
    "  -f, --folded         print folded stacks for flamegraph.pl and speedscope\n"
    "  -g, --svg            write a flame graph for a browser\n"
    "      --heap-v2        print the text format of gperftools, for pprof\n"
    "  -o, --output=FILE    write to FILE; a suffix .svg, .folded, .txt or .heap sets\n"
    "                       the format, unless an option sets it; the format for any\n"
    "                       other name is that of pprof\n"
    "  -d, --diff           show the changes from OLD to NEW; each is a PID, NAME or\n"
    "                       FILE\n"
    "  -h, --help           show this help\n"
    "\n"
    "Exit status: 0 on success, 1 on failure, 2 on incorrect usage.\n";

enum format { FORMAT_NONE, FORMAT_TEXT, FORMAT_FOLDED, FORMAT_SVG, FORMAT_HEAP_V2, FORMAT_PPROF };

struct request {
    enum format format;
    const char *output; /* NULL: standard output */
    enum profile_view view;
    bool ages, by_function, diff, start, stop;
    double seconds;    /* 0: read at once */
    uint64_t interval; /* 0: not given */
    const regex_t *hidden; /* NULL: no function is left out */
};

static const uint64_t default_interval = 512 * 1024, interval_most = (uint64_t)1 << 40;

/* ---- reading ----------------------------------------------------------- */

/* Switches the profiler on, waits, reads, and switches it off if it was off. */
static bool record(struct profile *profile, pid_t pid, const struct request *request)
{
    struct profile_recording recording = {
        .pid = pid, .interval = request->interval != 0 ? request->interval : default_interval};
    if (!profile_record_begin(&recording))
        return false;
    if (recording.was_running && request->interval != 0 && request->interval != recording.interval)
        command_warning("process %d is already being profiled, with an interval of %llu bytes; --interval is ignored",
                        (int)pid, (unsigned long long)recording.interval);
    profile_record_wait(&recording, request->seconds);
    bool read = profile_read_process(profile, pid);
    return profile_record_end(&recording) && read;
}

static struct profile *read_source(const char *argument, const struct request *request)
{
    struct profile_source source;
    if (!profile_source_find(argument, &source))
        return NULL;
    struct profile *profile = profile_new();
    bool read = false;
    if (profile != NULL && source.path != NULL && request->seconds != 0)
        command_error("%s is a file; --seconds is for running processes", source.path);
    else if (profile != NULL && source.path != NULL)
        read = core_is_one(source.path)          ? profile_read_core(profile, source.path)
               : snapshot_is_one(source.path) ? profile_read_snapshot(profile, source.path)
                                              : profile_read_heap_v2(profile, source.path);
    else if (profile != NULL)
        read = request->seconds != 0 ? record(profile, source.pid, request)
                                     : profile_read_process(profile, source.pid);
    if (read)
        return profile;
    profile_free(profile);
    return NULL;
}

/* ---- writing ----------------------------------------------------------- */

struct output {
    FILE *file;
    const char *name; /* of the file, for messages */
    const struct profile *profile, *old; /* old: NULL unless both are compared */
    struct profile *shown;               /* the profile, or its difference to the old one */
    char title[200];
};

static void name_profile(const struct profile *profile, char *text, size_t size)
{
    if (profile->pid != 0)
        snprintf(text, size, "%s (process %d)", profile->name, (int)profile->pid);
    else
        snprintf(text, size, "%s", profile->name);
}

static void make_title(struct output *output, const struct request *request)
{
    static const char *const titles[PROFILE_VIEWS] = {"Memory in use", "Memory allocated",
                                                      "Memory in use at the peak"};
    static const char *const changes[PROFILE_VIEWS] = {
        "Change of memory in use", "Change of memory allocated", "Change of memory at the peak"};
    char name[64], old[64];
    name_profile(output->profile, name, sizeof name);
    if (output->old == NULL) {
        snprintf(output->title, sizeof output->title, "%s: %s", titles[request->view], name);
        return;
    }
    name_profile(output->old, old, sizeof old);
    snprintf(output->title, sizeof output->title, "%s: from %s to %s", changes[request->view], old,
             name);
}

static bool write_format(struct output *output, const struct request *request)
{
    FILE *out = output->file;
    switch (request->format) {
    case FORMAT_FOLDED:
        return profile_write_folded(out, output->shown, request->view);
    case FORMAT_SVG:
        return profile_write_svg(out, output->shown, request->view, output->title);
    case FORMAT_HEAP_V2:
        return profile_write_heap_v2(out, output->profile, request->view);
    case FORMAT_PPROF:
        return profile_write_pprof(out, output->profile, output->old);
    default:
        profile_write_summary(out, output->shown, request->view, output->title);
        return request->ages
                   ? profile_write_ages(out, output->shown, request->by_function)
                   : profile_write_text(out, output->shown, request->view, request->by_function);
    }
}

/* From here on files of the process are read, which may be anybody's. */
static bool open_symbols(struct output *output, struct profile *profile, struct profile *old)
{
    pid_t pid = profile->pid != 0 || old == NULL ? profile->pid : old->pid;
    if (!profile_drop_rights(pid))
        return false;
    if (profile_symbols_open(profile) &&
        (old == NULL || (profile_symbols_open(output->shown) && profile_symbols_open(old))))
        return true;
    command_error("%s", strerror(ENOMEM));
    return false;
}

static int close_output(struct output *output, const struct request *request, bool good, int error)
{
    if (fflush(output->file) != 0 || ferror(output->file)) {
        error = errno != 0 ? errno : error;
        good = false;
    }
    if (request->output != NULL && fclose(output->file) != 0 && good) {
        error = errno;
        good = false;
    }
    if (!good)
        command_error("%s: %s", output->name, error != 0 ? strerror(error) : "not written");
    return good ? COMMAND_OK : COMMAND_FAILED;
}

static bool can_show(const struct profile *profile, const struct request *request)
{
    if (request->ages && !profile->has_samples) {
        command_error("%s: a file in the format heap_v2 does not say when blocks were allocated",
                      profile->name);
        return false;
    }
    if (request->view == PROFILE_AT_PEAK && !profile->has_peak) {
        command_error("%s: a file in the format heap_v2 has no separate peak", profile->name);
        return false;
    }
    return true;
}

static int show(struct profile *profile, struct profile *old, const struct request *request)
{
    struct output output = {.profile = profile, .old = old, .shown = profile};
    output.name = request->output != NULL ? request->output : "standard output";
    if (!can_show(profile, request) || (old != NULL && !can_show(old, request)))
        return COMMAND_FAILED;
    if (old != NULL && (output.shown = profile_difference(profile, old)) == NULL)
        return COMMAND_FAILED;
    output.file = request->output != NULL ? fopen(request->output, "we") : stdout;
    int status = COMMAND_FAILED;
    if (output.file == NULL) {
        command_error("%s: %s", output.name, strerror(errno));
    } else if (open_symbols(&output, profile, old)) {
        if (!profile_debug_available && request->format != FORMAT_HEAP_V2)
            command_warning("hakmem was built without libdw, so functions are shown as addresses");
        output.shown->hidden = request->hidden;
        make_title(&output, request);
        errno = 0;
        bool good = write_format(&output, request);
        status = close_output(&output, request, good, errno);
    }
    if (old != NULL)
        profile_free(output.shown);
    return status;
}

/* ---- the command line -------------------------------------------------- */

static int bad(const char *what, const char *text)
{
    command_error("%s '%s'; see hakmem profile --help", what, text);
    return COMMAND_USAGE;
}

/* argument: the one that getopt(3) was at; of several letters in one it may be the one before. */
static int bad_option(int option, const char *argument)
{
    const char letter[] = {'-', (char)optopt, '\0'};
    return bad(option == ':' ? "missing value of option" : "unknown option",
               strncmp(argument, "--", 2) == 0 ? argument : letter);
}

static int excluded(const char *one, const char *other)
{
    command_error("%s and %s exclude each other; see hakmem profile --help", one, other);
    return COMMAND_USAGE;
}

static double parse_seconds(const char *text)
{
    char *end = NULL;
    errno = 0;
    double number = strtod(text, &end);
    bool plain = *text != '\0' && strspn(text, "0123456789.") == strlen(text);
    return plain && errno == 0 && *end == '\0' && number > 0 && number <= INT_MAX ? number : 0;
}

static bool set_view(struct request *request, const char *name)
{
    static const struct {
        const char *name;
        enum profile_view view;
        bool ages;
    } views[] = {{"in-use", PROFILE_IN_USE, false},
                 {"allocated", PROFILE_ALLOCATED, false},
                 {"peak", PROFILE_AT_PEAK, false},
                 {"age", PROFILE_IN_USE, true}};
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++)
        if (strcmp(name, views[i].name) == 0) {
            request->view = views[i].view;
            request->ages = views[i].ages;
            return true;
        }
    return false;
}

/* By the end of the file's name, if no option chose a format. */
static void choose_format(struct request *request)
{
    static const struct {
        const char *end;
        enum format format;
    } formats[] = {{".svg", FORMAT_SVG},
                   {".folded", FORMAT_FOLDED},
                   {".txt", FORMAT_TEXT},
                   {".heap", FORMAT_HEAP_V2}};
    if (request->format != FORMAT_NONE)
        return;
    const char *end = request->output != NULL ? strrchr(request->output, '.') : NULL;
    request->format = request->output != NULL ? FORMAT_PPROF : FORMAT_TEXT;
    for (size_t i = 0; end != NULL && i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(end, formats[i].end) == 0)
            request->format = formats[i].format;
}

static int check_request(struct request *request, bool other_format)
{
    if (other_format)
        return excluded("--text, --folded, --svg", "--heap-v2");
    if (request->start && request->stop)
        return excluded("--start", "--stop");
    if ((request->start || request->stop) && (request->seconds != 0 || request->diff))
        return excluded("--start or --stop", request->diff ? "--diff" : "--seconds");
    if (request->diff && request->seconds != 0)
        return excluded("--diff", "--seconds");
    if (request->interval != 0 && request->seconds == 0 && !request->start) {
        command_error("--interval needs --seconds or --start; see hakmem profile --help");
        return COMMAND_USAGE;
    }
    choose_format(request);
    if ((request->ages || request->by_function) && request->format != FORMAT_TEXT)
        return excluded(request->ages ? "--view=age" : "--functions", "formats other than text");
    if (request->hidden != NULL &&
        (request->format == FORMAT_HEAP_V2 || request->format == FORMAT_PPROF))
        return excluded("--hide", "the formats for pprof");
    if (request->ages && request->diff)
        return excluded("--view=age", "--diff");
    if (request->diff && request->format == FORMAT_HEAP_V2)
        return excluded("--diff", "--heap-v2");
    return COMMAND_OK;
}

static int check_arguments(const struct request *request, char **arguments)
{
    int wanted = request->diff ? 2 : 1, count = 0;
    while (arguments[count] != NULL)
        count++;
    if (count > wanted)
        return bad("unexpected argument", arguments[wanted]);
    if (count == wanted)
        return COMMAND_OK;
    command_error(request->diff ? "--diff needs two profiles, OLD and NEW; see hakmem profile --help"
                                : "no process ID, name or file given; see hakmem profile --help");
    return COMMAND_USAGE;
}

static int run(const struct request *request, char **arguments)
{
    if (request->start || request->stop)
        return profile_source_switch(arguments[0], !request->start  ? 0
                                                   : request->interval != 0 ? request->interval
                                                                            : default_interval)
                   ? COMMAND_OK
                   : COMMAND_FAILED;
    struct profile *first = read_source(arguments[0], request);
    if (first == NULL)
        return COMMAND_FAILED;
    int status = COMMAND_FAILED;
    if (request->diff) {
        struct profile *second = read_source(arguments[1], request);
        if (second != NULL)
            status = show(second, first, request);
        profile_free(second);
    } else {
        status = show(first, NULL, request);
    }
    profile_free(first);
    return status;
}

enum { OPTION_START = 256, OPTION_STOP, OPTION_FUNCTIONS, OPTION_HEAP_V2, OPTION_HIDE };

static int hide(struct request *request, const char *pattern)
{
    static regex_t hidden;
    if (request->hidden != NULL) {
        command_error("--hide is allowed once; join the patterns with '|'");
        return COMMAND_USAGE;
    }
    if (*pattern == '\0' || regcomp(&hidden, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return bad("invalid regular expression:", pattern);
    request->hidden = &hidden;
    return COMMAND_OK;
}

static int set_option(struct request *request, int option, bool *other_format)
{
    enum format format = FORMAT_NONE;
    switch (option) {
    case 's':
        request->seconds = parse_seconds(optarg);
        return request->seconds == 0 ? bad("invalid number of seconds:", optarg) : COMMAND_OK;
    case 'i':
        if (!number_parse(optarg, interval_most, true, &request->interval) || request->interval == 0)
            return bad("invalid interval:", optarg);
        return COMMAND_OK;
    case 'v':
        return set_view(request, optarg) ? COMMAND_OK : bad("unknown view:", optarg);
    case 'o':
        request->output = optarg;
        return COMMAND_OK;
    case 'd':
        request->diff = true;
        return COMMAND_OK;
    case OPTION_HIDE:
        return hide(request, optarg);
    case OPTION_START:
        request->start = true;
        return COMMAND_OK;
    case OPTION_STOP:
        request->stop = true;
        return COMMAND_OK;
    case OPTION_FUNCTIONS:
        request->by_function = true;
        return COMMAND_OK;
    case 't':
        format = FORMAT_TEXT;
        break;
    case 'f':
        format = FORMAT_FOLDED;
        break;
    case 'g':
        format = FORMAT_SVG;
        break;
    case OPTION_HEAP_V2:
        format = FORMAT_HEAP_V2;
        break;
    }
    *other_format |= request->format != FORMAT_NONE && request->format != format;
    request->format = format;
    return COMMAND_OK;
}

int cmd_profile(int argc, char **argv)
{
    static const struct option options[] = {{"seconds", required_argument, NULL, 's'},
                                            {"interval", required_argument, NULL, 'i'},
                                            {"start", no_argument, NULL, OPTION_START},
                                            {"stop", no_argument, NULL, OPTION_STOP},
                                            {"view", required_argument, NULL, 'v'},
                                            {"hide", required_argument, NULL, OPTION_HIDE},
                                            {"text", no_argument, NULL, 't'},
                                            {"functions", no_argument, NULL, OPTION_FUNCTIONS},
                                            {"folded", no_argument, NULL, 'f'},
                                            {"svg", no_argument, NULL, 'g'},
                                            {"heap-v2", no_argument, NULL, OPTION_HEAP_V2},
                                            {"output", required_argument, NULL, 'o'},
                                            {"diff", no_argument, NULL, 'd'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct request request = {.view = PROFILE_IN_USE};
    bool other_format = false;
    /* the colon: no messages of its own */
    for (int option; (option = getopt_long(argc, argv, ":s:i:v:tfgo:dh", options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(usage, stdout);
            return command_end_output(COMMAND_OK);
        }
        int status = option == '?' || option == ':' ? bad_option(option, argv[optind - 1])
                                                    : set_option(&request, option, &other_format);
        if (status != COMMAND_OK)
            return status;
    }
    int status = check_request(&request, other_format);
    if (status == COMMAND_OK)
        status = check_arguments(&request, argv + optind);
    return status == COMMAND_OK ? run(&request, argv + optind) : status;
}

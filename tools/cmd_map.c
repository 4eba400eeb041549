/* SPDX-License-Identifier: MIT */
/* hakmem map: a picture of the heap of a process. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "command.h"
#include "core_file.h"
#include "map.h"
#include "profile_source.h"
#include "regions.h"

static const char usage[] =
    "usage: hakmem map [OPTION...] PID|NAME|FILE\n"
    "\n"
    "Draw the heap of a process: what each part of its address space is used for, how\n"
    "full it is, and which parts are resident. The command reads the process's memory\n"
    "from outside; the process is neither stopped nor signalled. FILE is a snapshot,\n"
    "as written by hakmem snapshot, or a core file.\n"
    "\n"
    "  -r, --regions[=summary]\n"
    "                       list all memory mappings of a running process: size,\n"
    "                       resident, dirty and swapped bytes, and use; 'summary'\n"
    "                       shows only the totals for each use\n"
    "  -t, --text           draw in the terminal (default)\n"
    "  -g, --svg            write an SVG picture for a browser\n"
    "  -j, --json           print JSON: an object for each slab and each large block\n"
    "  -o, --output=FILE    write to FILE; a suffix .svg, .txt or .json sets the\n"
    "                       format, unless an option sets it\n"
    "  -h, --help           show this help\n"
    "\n"
    "Exit status: 0 on success, 1 on failure, 2 on incorrect usage.\n";

enum format { NONE, TEXT, SVG, JSON };
enum { WIDTH = 80 };

struct request {
    enum format format;
    const char *output; /* NULL: standard output */
    bool regions, summary;
};

/* What is shown: one of both. */
struct found {
    struct map *map;
    struct regions *regions;
};

/* ---- the terminal ------------------------------------------------------ */

static bool has_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static struct map_text_options options_for(FILE *out)
{
    struct map_text_options options = {.width = WIDTH};
    struct winsize size;
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM"), *colours = getenv("COLORTERM");
    setlocale(LC_CTYPE, "");
    options.utf8 = has_utf8();
    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col != 0)
        options.width = size.ws_col;
    if (!isatty(fileno(out)) || (none != NULL && *none != '\0') || term == NULL || strcmp(term, "dumb") == 0)
        return options;
    bool all = colours != NULL && (strcmp(colours, "truecolor") == 0 || strcmp(colours, "24bit") == 0);
    options.colours = all ? MAP_ALL_COLOURS : MAP_256_COLOURS;
    return options;
}

/* ---- output ------------------------------------------------------------ */

static bool write_found(FILE *out, const struct found *found, const struct request *request)
{
    struct map_text_options options;
    if (found->regions != NULL)
        return request->format == JSON ? regions_write_json(out, found->regions, request->summary)
                                       : regions_write_text(out, found->regions, request->summary);
    switch (request->format) {
    case SVG:
        return map_write_svg(out, found->map);
    case JSON:
        return map_write_json(out, found->map);
    default:
        options = options_for(out);
        return map_write_text(out, found->map, &options);
    }
}

static int show(const struct found *found, const struct request *request)
{
    const char *output = request->output;
    FILE *out = output != NULL ? fopen(output, "we") : stdout;
    errno = out != NULL ? 0 : errno;
    bool good = out != NULL && write_found(out, found, request) && fflush(out) == 0;
    int error = errno;
    if (out != NULL && output != NULL && fclose(out) != 0 && good) {
        error = errno;
        good = false;
    }
    if (!good)
        command_error("%s: %s", output != NULL ? output : "standard output",
                      error != 0 ? strerror(error) : "not written");
    return good ? COMMAND_OK : COMMAND_FAILED;
}

/* Files do not have the mappings, or not what is resident of them. */
static bool read_regions(const struct profile_source *source, struct found *found)
{
    if (source->path == NULL)
        found->regions = regions_read(source->pid);
    else if (core_is_one(source->path))
        command_error("%s: --regions needs a running process: a core file does not tell which pages of a mapping "
                      "were resident, dirty or swapped out", source->path);
    else
        command_error("%s: --regions needs a running process: a snapshot does not have the list of mappings",
                      source->path);
    return found->regions != NULL;
}

static bool read_source(const char *argument, const struct request *request, struct found *found)
{
    struct profile_source source;
    if (!profile_source_find(argument, &source))
        return false;
    if (request->regions)
        return read_regions(&source, found);
    found->map = source.path == NULL         ? map_read_process(source.pid)
                 : core_is_one(source.path) ? map_read_core(source.path)
                                            : map_read_snapshot(source.path);
    return found->map != NULL;
}

static int run(const char *argument, const struct request *request)
{
    struct found found = {0};
    int status = read_source(argument, request, &found) ? show(&found, request) : COMMAND_FAILED;
    map_free(found.map);
    regions_free(found.regions);
    return status;
}

/* ---- the command line -------------------------------------------------- */

static int wrong(const char *what)
{
    command_error("%s; see hakmem map --help", what);
    return COMMAND_USAGE;
}

static int choose_regions(struct request *request, const char *which)
{
    if (which != NULL && strcmp(which, "summary") != 0) {
        command_error("invalid argument '%s' of --regions (allowed: summary); see hakmem map --help", which);
        return COMMAND_USAGE;
    }
    request->regions = true;
    request->summary = which != NULL;
    return -1;
}

/* The format that no option has chosen. */
static enum format format_of(const char *output)
{
    static const struct {
        const char *suffix;
        enum format format;
    } known[] = {{".svg", SVG}, {".txt", TEXT}, {".json", JSON}};
    if (output == NULL)
        return TEXT;
    const char *name = strrchr(output, '/') != NULL ? strrchr(output, '/') + 1 : output;
    const char *suffix = strrchr(name, '.');
    for (size_t i = 0; suffix != NULL && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(suffix, known[i].suffix) == 0)
            return known[i].format;
    return NONE;
}

static int check(struct request *request)
{
    if (request->format == NONE)
        request->format = format_of(request->output);
    if (request->format == NONE) {
        command_error("cannot tell the format from the name '%s': end it in .svg, .txt or .json, or use --svg, "
                      "--text or --json; see hakmem map --help", request->output);
        return COMMAND_USAGE;
    }
    if (request->regions && request->format == SVG)
        return wrong("--regions has no SVG picture; use text or JSON");
    return COMMAND_OK;
}

/* Takes one option; an exit status, or -1 to go on. */
static int take(struct request *request, int option)
{
    enum format chosen;
    switch (option) {
    case 't':
    case 'g':
    case 'j':
        chosen = option == 't' ? TEXT : option == 'g' ? SVG : JSON;
        if (request->format != NONE && request->format != chosen)
            return wrong("--text, --svg and --json exclude each other");
        request->format = chosen;
        return -1;
    case 'r':
        return choose_regions(request, optarg);
    case 'o':
        request->output = optarg;
        return -1;
    case 'h':
        fputs(usage, stdout);
        return command_end_output(COMMAND_OK);
    default:
        return COMMAND_USAGE;
    }
}

int cmd_map(int argc, char **argv)
{
    static const struct option options[] = {{"text", no_argument, NULL, 't'},
                                            {"svg", no_argument, NULL, 'g'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"regions", optional_argument, NULL, 'r'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct request request = {.format = NONE};
    for (int option; (option = getopt_long(argc, argv, "tgjr::o:h", options, NULL)) != -1;) {
        int status = take(&request, option);
        if (status >= 0)
            return status;
    }
    if (argc - optind != 1)
        return wrong(argc == optind ? "no process ID, name or file given" : "too many arguments");
    int status = check(&request);
    return status == COMMAND_OK ? run(argv[optind], &request) : status;
}

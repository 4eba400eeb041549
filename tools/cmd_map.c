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

static const char usage[] =
    "usage: hakmem map [OPTION...] PID|NAME|FILE\n"
    "Draws the heap of a process: what each part of its address space is used for, how full it is, and\n"
    "what is resident. Reads the memory of the process from outside; it is neither stopped nor\n"
    "signalled. FILE is what hakmem snapshot has written, or a core file.\n"
    "\n"
    "  -t, --text            draw in the terminal (default)\n"
    "  -g, --svg             write an SVG picture, for a browser (default with --output)\n"
    "  -j, --json            print JSON: a record for each slab and each large block\n"
    "  -o, --output=FILE     write to FILE\n"
    "  -h, --help            show this help\n"
    "\n"
    "The exit status is 0 on success, 1 on failure, 2 for wrong usage.\n";

enum format { NONE, TEXT, SVG, JSON };
enum { WIDTH = 80 };

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

static bool write_map(FILE *out, const struct map *map, enum format format)
{
    struct map_text_options options;
    switch (format) {
    case SVG:
        return map_write_svg(out, map);
    case JSON:
        return map_write_json(out, map);
    default:
        options = options_for(out);
        return map_write_text(out, map, &options);
    }
}

static int show(const struct map *map, enum format format, const char *output)
{
    FILE *out = output != NULL ? fopen(output, "we") : stdout;
    errno = out != NULL ? 0 : errno;
    bool good = out != NULL && write_map(out, map, format) && fflush(out) == 0;
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

static int run(const char *argument, enum format format, const char *output)
{
    struct profile_source source;
    if (!profile_source_find(argument, &source))
        return COMMAND_FAILED;
    struct map *map = source.path == NULL         ? map_read_process(source.pid)
                      : core_is_one(source.path) ? map_read_core(source.path)
                                                 : map_read_snapshot(source.path);
    if (map == NULL)
        return COMMAND_FAILED;
    int status = show(map, format, output);
    map_free(map);
    return status;
}

/* ---- the command line -------------------------------------------------- */

static int wrong(const char *what)
{
    command_error("%s; see hakmem map --help", what);
    return COMMAND_USAGE;
}

int cmd_map(int argc, char **argv)
{
    static const struct option options[] = {{"text", no_argument, NULL, 't'},
                                            {"svg", no_argument, NULL, 'g'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    enum format format = NONE, chosen;
    const char *output = NULL;
    for (int option; (option = getopt_long(argc, argv, "tgjo:h", options, NULL)) != -1;) {
        switch (option) {
        case 't':
        case 'g':
        case 'j':
            chosen = option == 't' ? TEXT : option == 'g' ? SVG : JSON;
            if (format != NONE && format != chosen)
                return wrong("--text, --svg and --json exclude each other");
            format = chosen;
            break;
        case 'o':
            output = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return command_end_output(COMMAND_OK);
        default:
            return COMMAND_USAGE;
        }
    }
    if (argc - optind != 1)
        return wrong(argc == optind ? "no process ID, name or file given" : "too many arguments");
    if (format == NONE)
        format = output != NULL ? SVG : TEXT;
    return run(argv[optind], format, output);
}

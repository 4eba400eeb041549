/* SPDX-License-Identifier: MIT */
/* hakmem run: one program on the library. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "core/options.h"
#include "elf_file.h"
#include "leaks_options.h"
#include "library.h"
#include "program.h"
#include "run_leaks.h"
#include "settings.h"

static const char usage[] =
    "usage: hakmem run [OPTION...] [--] PROGRAM [ARGUMENT...]\n"
    "\n"
    "Run a program, and the programs that it starts, with libhakmem.\n"
    "\n"
    "  -d, --debug            use the debug variant of libhakmem\n"
    "      --hardened         use the hardened variant of libhakmem\n"
    "  -s, --stats[=FORMAT]   write statistics to standard error when a program\n"
    "                         exits, as text (default) or json\n"
    "  -o, --stats-file=FILE  append the statistics to FILE; in the name, %p stands\n"
    "                         for the process ID, %n for the program's name, and %%\n"
    "                         for a percent sign\n"
    "  -c, --conf=K=V,...     set options, separated by commas without spaces, see\n"
    "                         hakmem(7); limit_hard and limit_soft hold in each\n"
    "                         process, not for all of them together\n"
    "  -l, --library=FILE     use the library FILE\n"
    "\n"
    "Search for leaks:\n"
    "  -k, --leaks[=FORMAT]   search the program for leaks when it exits, and write\n"
    "                         them to standard error, as text (default) or json\n"
    "  -S, --suppressions=FILE\n"
    "                         leave out known leaks, see hakmem-leaks(1)\n"
    "      --rows=N           show the N largest groups of leaks; 0 shows all\n"
    "                         (default: 30)\n"
    "      --blocks           list the address of each leaked block\n"
    "      --dump=N           show the first N words of one block of each group, or\n"
    "                         with --blocks of each block\n"
    "\n"
    "  -h, --help             show this help\n"
    "\n"
    "Exit status: that of the program; 1 if it has leaks; 125 if hakmem run failed,\n"
    "126 if the program could not be executed, 127 if it was not found.\n";

/* Puts an addition behind or in front of what a variable has. */
static void extend(const char *variable, const char *addition, char separator, bool in_front)
{
    const char *present = getenv(variable);
    const char *value = addition;
    char *both = NULL;
    if (present != NULL && present[0] != '\0') {
        if (asprintf(&both, "%s%c%s", in_front ? addition : present, separator,
                     in_front ? present : addition) < 0) {
            command_error("%s", strerror(errno));
            exit(COMMAND_RUN_FAILED);
        }
        value = both;
    }
    if (setenv(variable, value, 1) != 0) {
        command_error("%s: %s", variable, strerror(errno));
        exit(COMMAND_RUN_FAILED);
    }
    free(both);
}

struct checking {
    enum hak_variant variant;
    bool good;
};

static void check_setting(const struct hak_setting *setting, void *context)
{
    struct checking *checking = context;
    enum hak_option_result result = hak__options_check(setting, hak__features(checking->variant));
    if (result == HAK_OPTION_OK)
        return;
    struct hak_text text;
    hak__text_begin(&text, -1);
    hak__options_explain(&text, result, setting);
    command_error("--conf: %.*s", (int)text.used, text.bytes);
    checking->good = false;
}

/* What the command line says is meant: a mistake in it ends the command. */
static bool add_settings(const char *text, enum hak_variant variant)
{
    struct checking checking = {variant, true};
    hak__options_each(text, check_setting, &checking);
    if (checking.good)
        extend("HAKMEM_CONF", text, ',', false);
    return checking.good;
}

/* Both formats at once cannot be meant. */
static bool add_statistics(const char *format, const char **chosen)
{
    char setting[16];
    if (format == NULL)
        format = "text";
    if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0) {
        command_error("invalid argument '%s' of --stats (allowed: text, json); see hakmem run --help", format);
        return false;
    }
    if (*chosen != NULL && strcmp(*chosen, format) != 0) {
        command_error("--stats=%s and --stats=%s exclude each other", *chosen, format);
        return false;
    }
    *chosen = format;
    snprintf(setting, sizeof setting, "stats=%s", format);
    return add_settings(setting, HAK_VARIANT_RELEASE);
}

/* Of a process that changes its folder, the file shall not be elsewhere. */
static bool set_statistics_file(const char *file)
{
    char folder[PATH_MAX] = "", *path = NULL;
    if (file[0] == '\0' || (file[0] != '/' && getcwd(folder, sizeof folder) == NULL) ||
        asprintf(&path, "%s%s%s", folder, file[0] != '/' ? "/" : "", file) < 0 ||
        setenv("HAKMEM_STATS_FILE", path, 1) != 0) {
        command_error("--stats-file=%s: %s", file,
                      file[0] == '\0' ? "the name is empty" : strerror(errno));
        return false;
    }
    free(path);
    return true;
}

/* Says why the library will not be there; whether it may be preloaded all the same. */
static bool preload_is_harmless(const char *name, enum program_obstacle obstacle)
{
    static const char *const reasons[] = {
        [PROGRAM_STATIC] = "is statically linked, so libhakmem is not loaded into it; programs that it starts may "
                           "load libhakmem",
        [PROGRAM_PRIVILEGED] = "is set-user-ID, or has file capabilities, so libhakmem is not loaded into it, nor into "
                               "programs that it starts; with sudo, use: sudo hakmem run PROGRAM",
        [PROGRAM_OTHER_MACHINE] = "is built for another architecture, so libhakmem is not loaded into it",
        [PROGRAM_OTHER_LIBC] = "uses a C library that cannot load libhakmem, so libhakmem is not loaded into it",
    };
    if (obstacle != PROGRAM_REACHED)
        command_warning("%s %s", name, reasons[obstacle]);
    return obstacle != PROGRAM_OTHER_LIBC;
}

static void warn_of_settings(const char *name, const struct program *program)
{
    unsigned line = settings_excluding_line(program->path);
    if (settings_disabled())
        command_warning("HAKMEM_DISABLE=1 is set, so the C library's allocator is used");
    else if (settings_file_is_named() && access(settings_file(), R_OK) != 0)
        command_warning("%s: %s; using the default options", settings_file(), strerror(errno));
    else if (line != 0)
        command_warning("%s:%u excludes %s, so the C library's allocator is used", settings_file(), line, name);
}

static bool preload(const char *name, const struct program *program, const char *given, enum hak_variant variant)
{
    char library[PATH_MAX];
    struct elf_file file;
    if (!library_find(library, given, variant))
        return false;
    if (!elf_file_read(library, &file) || file.is_cut) {
        command_error("%s: %s", library, file.is_cut ? "the library file is incomplete" : "not a shared library");
        return false;
    }
    if (strpbrk(library, ": ") != NULL) {
        command_error("%s: cannot preload a library whose path has a space or a colon", library);
        return false;
    }
    warn_of_settings(name, program);
    if (preload_is_harmless(name, program_obstacle(program, library)))
        extend("LD_PRELOAD", library, ':', true);
    return true;
}

/* As execvp(3): what has no format that the system knows is a script of the shell. */
static void start_with_shell(const char *path, int argc, char **command)
{
    static char shell[] = "/bin/sh";
    char **line = calloc((size_t)argc + 2, sizeof *line);
    char *script = strdup(path);
    if (line == NULL || script == NULL)
        return;
    line[0] = shell;
    memcpy(line + 1, command, (size_t)argc * sizeof *line);
    line[1] = script;
    execv(shell, line);
}

/* Returns when the program cannot be started. */
static int start(const struct program *program, int argc, char **command)
{
    char missing[PATH_MAX];
    execv(program->path, command);
    if (errno == ENOEXEC && !program->is_elf)
        start_with_shell(program->path, argc, command);
    int error = errno;
    if (error == ENOENT && program_missing(program, missing))
        command_error("%s: needs %s, which does not exist", command[0], missing);
    else
        command_error("%s: %s", command[0], strerror(error));
    return error == ENOENT ? COMMAND_NOT_FOUND : COMMAND_NOT_EXECUTABLE;
}

/* What to do about leaks. */
struct leaks_wanted {
    bool wanted;
    const char *needs; /* an option that means nothing without --leaks, or NULL */
    struct leaks_options how;
};

static bool choose_leaks(struct leaks_wanted *leaks, const char *format)
{
    leaks->wanted = true;
    leaks->how.json = format != NULL && strcmp(format, "json") == 0;
    if (format == NULL || leaks->how.json || strcmp(format, "text") == 0)
        return true;
    command_error("invalid argument '%s' of --leaks (allowed: text, json); see hakmem run --help", format);
    return false;
}

static bool check_leaks(struct leaks_wanted *leaks)
{
    if (leaks->needs != NULL && !leaks->wanted) {
        command_error("--%s needs --leaks", leaks->needs);
        return false;
    }
    return leaks_read_suppressions(&leaks->how);
}

static int run(int argc, char **command, const char *library, enum hak_variant variant,
               const struct leaks_wanted *leaks)
{
    int status;
    static struct program program;
    int error = program_find(command[0], &program);
    if (error != 0) {
        command_error("%s: %s", command[0], strerror(error));
        return error == ENOENT ? COMMAND_NOT_FOUND : COMMAND_NOT_EXECUTABLE;
    }
    if (!preload(command[0], &program, library, variant))
        return COMMAND_RUN_FAILED;
    if (leaks->wanted && run_leaks(&leaks->how, &status))
        return status;
    return start(&program, argc, command);
}

enum { OPTION_HARDENED = 'H' };

static const struct option known[] = {{"debug", no_argument, NULL, 'd'},
                                      {"hardened", no_argument, NULL, OPTION_HARDENED},
                                      {"stats", optional_argument, NULL, 's'},
                                      {"stats-file", required_argument, NULL, 'o'},
                                      {"conf", required_argument, NULL, 'c'},
                                      {"library", required_argument, NULL, 'l'},
                                      {"leaks", optional_argument, NULL, 'k'},
                                      {"suppressions", required_argument, NULL, 'S'},
                                      {"blocks", no_argument, NULL, LEAKS_BLOCKS},
                                      {"dump", required_argument, NULL, LEAKS_DUMP},
                                      {"rows", required_argument, NULL, LEAKS_OPTION_ROWS},
                                      {"help", no_argument, NULL, 'h'},
                                      {NULL, 0, NULL, 0}};

static int next_option(int argc, char **argv)
{
    return getopt_long(argc, argv, "+ds::o:c:l:k::S:h", known, NULL);
}

/* Options of leaks; false after a message. */
static bool take_leaks(struct leaks_wanted *leaks, int option)
{
    if (option != 'S' && option < LEAKS_OPTION_FIRST)
        return false;
    for (const struct option *row = known; row->name != NULL; row++)
        if (row->val == option)
            leaks->needs = row->name;
    return leaks_take_option(&leaks->how, option == 'S' ? LEAKS_SUPPRESSIONS : option, optarg);
}

/* The settings that are good depend on the variant, wherever in the line that is named. */
static bool choose_variant(int argc, char **argv, enum hak_variant *variant)
{
    bool debug = false, hardened = false;
    opterr = 0;
    for (int c; (c = next_option(argc, argv)) != -1;) {
        debug |= c == 'd';
        hardened |= c == OPTION_HARDENED;
    }
    opterr = 1;
    optind = 0; /* again, with all of glibc's state of the line before */
    *variant = debug ? HAK_VARIANT_DEBUG : hardened ? HAK_VARIANT_HARDENED : HAK_VARIANT_RELEASE;
    if (debug && hardened)
        command_error("--debug and --hardened exclude each other");
    return !(debug && hardened);
}

int cmd_run(int argc, char **argv)
{
    const char *library = NULL, *format = NULL, *file = NULL;
    struct leaks_wanted leaks = {.how.rows = LEAKS_ROWS};
    enum hak_variant variant;
    bool good = choose_variant(argc, argv, &variant);
    for (int c; good && (c = next_option(argc, argv)) != -1;) {
        switch (c) {
        case 'd':
        case OPTION_HARDENED:
            break;
        case 'l':
            library = optarg;
            break;
        case 's':
            good = add_statistics(optarg, &format);
            break;
        case 'o':
            file = optarg;
            good = set_statistics_file(file);
            break;
        case 'c':
            good = add_settings(optarg, variant);
            break;
        case 'k':
            good = choose_leaks(&leaks, optarg);
            break;
        case 'h':
            fputs(usage, stdout);
            return command_end_output(COMMAND_OK);
        default:
            good = take_leaks(&leaks, c);
        }
    }
    if (good && optind == argc)
        fputs(usage, stderr);
    good = good && optind < argc && (file == NULL || format != NULL || add_statistics(NULL, &format));
    good = good && check_leaks(&leaks);
    return good ? run(argc - optind, argv + optind, library, variant, &leaks) : COMMAND_RUN_FAILED;
}

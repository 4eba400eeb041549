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
#include "library.h"
#include "program.h"
#include "settings.h"

static const char usage[] =
    "usage: hakmem run [OPTION...] [--] CMD [ARG...]\n"
    "Runs a program, and what it starts, on the allocator.\n"
    "\n"
    "  -d, --debug            on the debug variant\n"
    "  -s, --stats[=FORMAT]   write statistics to standard error at exit: text or json\n"
    "  -c, --conf=K=V,...     set options, see hakmem(7)\n"
    "  -l, --library=FILE     on this library\n"
    "  -h, --help             this\n";

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

static void check_setting(const struct hak_setting *setting, void *context)
{
    bool *good = context;
    enum hak_option_result result = hak__options_check(setting->key, setting->key_length,
                                                       setting->value, setting->value_length);
    if (result == HAK_OPTION_OK)
        return;
    *good = false;
    if (result == HAK_OPTION_UNKNOWN)
        command_error("--conf: unknown option '%.*s'", (int)setting->key_length, setting->key);
    else
        command_error("--conf: bad value '%.*s' for '%.*s'", (int)setting->value_length,
                      setting->value, (int)setting->key_length, setting->key);
}

/* What the command line says is meant: a mistake in it ends the command. */
static bool add_settings(const char *text)
{
    bool good = true;
    hak__options_each(text, check_setting, &good);
    if (good)
        extend("HAKMEM_CONF", text, ',', false);
    return good;
}

static bool add_statistics(const char *format)
{
    char setting[16];
    if (format == NULL)
        format = "text";
    if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0) {
        command_error("--stats takes text or json, not '%s'", format);
        return false;
    }
    snprintf(setting, sizeof setting, "stats=%s", format);
    return add_settings(setting);
}

/* Says why the library will not be there; whether it may be preloaded all the same. */
static bool preload_is_harmless(const char *name, enum program_obstacle obstacle)
{
    static const char *const reasons[] = {
        [PROGRAM_STATIC] = "linked static: it runs without the library, what it starts may not",
        [PROGRAM_PRIVILEGED] = "runs with more rights than its user: without the library, as does "
                               "what it starts; put hakmem run behind it",
        [PROGRAM_OTHER_MACHINE] = "for another architecture than the library: it runs without it",
        [PROGRAM_OTHER_LIBC] = "linked with another C library, which cannot load the library: "
                               "it runs without it",
    };
    if (obstacle != PROGRAM_REACHED)
        command_warning("%s: %s", name, reasons[obstacle]);
    return obstacle != PROGRAM_OTHER_LIBC;
}

static void warn_of_settings(const char *name, const struct program *program)
{
    unsigned line = settings_excluding_line(program->path);
    if (settings_disabled())
        command_warning("HAKMEM_DISABLE=1 is set: the C library allocates");
    else if (line != 0)
        command_warning("%s:%u excludes %s: the C library allocates", settings_file(), line, name);
}

static bool preload(const char *name, const struct program *program, const char *given, bool debug)
{
    char library[PATH_MAX];
    struct elf_file file;
    if (!library_find(library, given, debug))
        return false;
    if (!elf_file_read(library, &file)) {
        command_error("%s: not a shared library", library);
        return false;
    }
    if (strpbrk(library, ": ") != NULL) {
        command_error("%s: a path with a blank or a colon cannot be preloaded", library);
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

static int run(int argc, char **command, const char *library, bool debug)
{
    static struct program program;
    int error = program_find(command[0], &program);
    if (error != 0) {
        command_error("%s: %s", command[0], strerror(error));
        return error == ENOENT ? COMMAND_NOT_FOUND : COMMAND_NOT_EXECUTABLE;
    }
    if (!preload(command[0], &program, library, debug))
        return COMMAND_RUN_FAILED;
    return start(&program, argc, command);
}

int cmd_run(int argc, char **argv)
{
    static const struct option options[] = {{"debug", no_argument, NULL, 'd'},
                                            {"stats", optional_argument, NULL, 's'},
                                            {"conf", required_argument, NULL, 'c'},
                                            {"library", required_argument, NULL, 'l'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *library = NULL;
    bool debug = false;
    for (int c; (c = getopt_long(argc, argv, "+ds::c:l:h", options, NULL)) != -1;) {
        switch (c) {
        case 'd':
            debug = true;
            break;
        case 'l':
            library = optarg;
            break;
        case 's':
            if (!add_statistics(optarg))
                return COMMAND_RUN_FAILED;
            break;
        case 'c':
            if (!add_settings(optarg))
                return COMMAND_RUN_FAILED;
            break;
        case 'h':
            fputs(usage, stdout);
            return command_end_output(COMMAND_OK);
        default:
            return COMMAND_RUN_FAILED;
        }
    }
    if (optind == argc) {
        fputs(usage, stderr);
        return COMMAND_RUN_FAILED;
    }
    return run(argc - optind, argv + optind, library, debug);
}

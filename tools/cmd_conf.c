/* SPDX-License-Identifier: MIT */
/* hakmem conf: the options that a process started now would use, and where they come from. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "config.h"
#include "core/conf.h"
#include "core/options.h"
#include "os/os.h"
#include "settings.h"

static const char usage[] =
    "usage: hakmem conf [--debug | --hardened]\n"
    "\n"
    "Show the options that a program would run with if it were started now, where\n"
    "each value comes from, and which programs are excluded.\n"
    "\n"
    "  -d, --debug   show the defaults of the debug variant of libhakmem\n"
    "      --hardened\n"
    "                show them for the hardened variant of libhakmem\n"
    "  -h, --help    show this help\n"
    "\n"
    "Exit status: 0 on success, 1 if a setting is invalid, 2 on incorrect usage.\n";

struct origin {
    const char *where; /* NULL: nowhere, the option has its default */
    unsigned line;     /* 0: where has no lines */
};

struct reading {
    struct origin origins[HAK_OPTION_COUNT];
    enum hak_variant variant;
    bool mistaken, too_long;
};

/* The defaults of either variant: a row of the table may depend on HAK_DEBUG. */
#undef HAK_DEBUG
#define HAK_DEBUG debug
static int64_t initial_value(enum hak_option option, bool debug)
{
    const int64_t values[HAK_OPTION_COUNT] = {
#define HAK_OPTION(id, key, kind, initial, ...) initial,
#include "core/options.def"
#undef HAK_OPTION
    };
    (void)debug;
    return values[option];
}

static void note(struct reading *reading, const char *key, size_t length, const char *where,
                 unsigned line)
{
    for (int i = 0; i < HAK_OPTION_COUNT; i++) {
        const char *name = hak__option_rows[i].key;
        if (strlen(name) == length && memcmp(name, key, length) == 0)
            reading->origins[i] = (struct origin){where, line};
    }
}

static void complain(struct reading *reading, const char *where, unsigned line,
                     enum hak_option_result result, const struct hak_setting *setting)
{
    struct hak_text text;
    fflush(stdout);
    hak__text_begin(&text, STDERR_FILENO);
    hak__text_string(&text, "hakmem: ");
    hak__options_report_error(&text, where, line, result, setting);
    reading->mistaken = true;
}

static void take(struct reading *reading, const char *where, unsigned line,
                 const struct hak_setting *setting)
{
    enum hak_option_result result = hak__options_set(setting, hak__features(reading->variant));
    if (result == HAK_OPTION_OK)
        note(reading, setting->key, setting->key_length, where, line);
    else
        complain(reading, where, line, result, setting);
}

static void read_line(const struct hak_conf_line *line, void *context)
{
    if (!hak__conf_is_exclude(line))
        take(context, settings_file(), line->number, &line->setting);
}

static void read_setting(const struct hak_setting *setting, void *context)
{
    take(context, "HAKMEM_CONF", 0, setting);
}

/* One that cannot be read is as an empty one to the library; whoever named it meant another. */
static void read_file(struct reading *reading)
{
    const char *file = settings_file();
    struct stat status;
    errno = 0;
    if (stat(file, &status) == 0 && S_ISREG(status.st_mode) && access(file, R_OK) == 0) {
        if (!hak__conf_each_of_file(file, false, read_line, reading)) {
            command_error("%s: " HAK_CONF_TOO_LONG, file);
            reading->mistaken = reading->too_long = true;
        }
    } else if (settings_file_is_named()) {
        command_error("%s: %s", file, errno != 0 ? strerror(errno) : "not a regular file");
        reading->mistaken = true;
    }
}

/* As the library does when it starts. */
static void read_all(struct reading *reading)
{
    for (int i = 0; i < HAK_OPTION_COUNT; i++)
        hak_store_relaxed(&hak__options[i], initial_value((enum hak_option)i, reading->variant == HAK_VARIANT_DEBUG));
    read_file(reading);
    const char *options = getenv("HAKMEM_CONF");
    if (options != NULL)
        hak__options_each(options, read_setting, reading);
}

static void print_option(enum hak_option option, const struct origin *origin)
{
    struct hak_text value;
    hak__text_begin(&value, -1);
    hak__options_text(&value, option, hak__option(option));
    printf("%-23s %-12.*s ", hak__option_rows[option].key, (int)value.used, value.bytes);
    if (origin->where == NULL)
        puts("default");
    else if (origin->line == 0)
        puts(origin->where);
    else
        printf("%s:%u\n", origin->where, origin->line);
}

static void print_excluded(const struct hak_conf_line *line, void *context)
{
    (void)context;
    const struct hak_setting *setting = &line->setting;
    if (hak__conf_is_exclude(line) && setting->value_length > 0)
        printf("%-23s %-12.*s %s:%u\n", "exclude", (int)setting->value_length, setting->value,
               settings_file(), line->number);
}

static void print_file(void)
{
    char byte;
    const char *file = settings_file();
    if (access(file, R_OK) != 0 && errno == ENOENT)
        printf("# %s: does not exist; defaults apply\n", file);
    else if (access(file, R_OK) != 0)
        printf("# %s: %s\n", file, strerror(errno));
    else if (hak__os_read_file(file, &byte, 1, true) != 0)
        printf("# %s\n", file);
    else if (hak__os_read_file(file, &byte, 1, false) != 0)
        printf("# %s: not owned by root, or writable by others, so set-user-ID programs ignore it\n", file);
    else
        printf("# %s: empty, or not a file\n", file);
}

int cmd_conf(int argc, char **argv)
{
    static const struct option options[] = {
        {"debug", no_argument, NULL, 'd'}, {"hardened", no_argument, NULL, 'H'}, {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    enum hak_variant variant = HAK_VARIANT_RELEASE;
    for (int c; (c = getopt_long(argc, argv, "dh", options, NULL)) != -1;) {
        if (c == 'h') {
            fputs(usage, stdout);
            return command_end_output(COMMAND_OK);
        }
        if (c != 'd' && c != 'H')
            return COMMAND_USAGE;
        enum hak_variant wanted = c == 'd' ? HAK_VARIANT_DEBUG : HAK_VARIANT_HARDENED;
        if (variant != HAK_VARIANT_RELEASE && variant != wanted) {
            command_error("--debug and --hardened exclude each other");
            return COMMAND_USAGE;
        }
        variant = wanted;
    }
    if (optind != argc) {
        command_error("unexpected argument '%s'; see hakmem conf --help", argv[optind]);
        return COMMAND_USAGE;
    }
    struct reading reading = {.variant = variant};
    read_all(&reading);
    print_file();
    if (settings_disabled())
        puts("# HAKMEM_DISABLE=1 is set, so the C library's allocator is used");
    for (int i = 0; i < HAK_OPTION_COUNT; i++)
        print_option((enum hak_option)i, &reading.origins[i]);
    if (!reading.too_long)
        hak__conf_each_of_file(settings_file(), false, print_excluded, NULL);
    return command_end_output(reading.mistaken ? COMMAND_FAILED : COMMAND_OK);
}

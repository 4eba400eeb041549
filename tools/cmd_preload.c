/* SPDX-License-Identifier: MIT */
/*
 * hakmem preload: the library under every program of a machine, by /etc/ld.so.preload.
 *
 * A library that does not load there costs a line of complaint at each start of a program; one
 * that crashes stops every dynamic program, those that would repair it included. So enable tries
 * first and writes then, and disable needs nothing but itself and the file: no other program, no
 * name service, no locale; linked static it runs where nothing else does.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "preload_actions.h"
#include "preload_file.h"
#include "preload_text.h"

static const char usage[] =
    "usage: hakmem preload status  [--root DIR] [--library FILE]\n"
    "       hakmem preload check   [--root DIR] [--hardened | --library FILE]\n"
    "                              [--time-limit SECONDS] [-v]\n"
    "       hakmem preload enable  [--root DIR] [--hardened | --library FILE]\n"
    "                              [--time-limit SECONDS] [-v] [--canary]\n"
    "                              [--no-check]\n"
    "       hakmem preload disable [--root DIR] [--all | [--library] FILE]\n"
    "\n"
    "Load libhakmem into all programs that start on this machine, through an entry in\n"
    "/etc/ld.so.preload. Running programs are not affected.\n"
    "\n"
    "  status    show whether libhakmem is listed and loaded; exit status 0: loaded,\n"
    "            1: not listed, 2: something is wrong\n"
    "  check     run programs of this system with and without libhakmem, and refuse\n"
    "            the library if a program behaves differently\n"
    "  enable    check the library, and add it to /etc/ld.so.preload\n"
    "  disable   remove all entries of libhakmem, and all entries that lead to FILE;\n"
    "            if no dynamically linked program starts any more, use\n"
    "            hakmem-static preload disable\n"
    "\n"
    "      --all                 remove all entries of libhakmem (default)\n"
    "      --canary              after the change, run programs again, and undo the\n"
    "                            change if one of them fails\n"
    "      --hardened            use the hardened variant of libhakmem\n"
    "      --library=FILE        path of the library in the system that is changed\n"
    "                            (default: the installed library)\n"
    "      --no-check            add the library without testing it\n"
    "      --root=DIR            change the system in DIR, not the running system\n"
    "      --time-limit=SECONDS  time limit for each tested program (default: 10)\n"
    "  -v, --verbose             print a line for each tested program\n"
    "  -h, --help                show this help\n";

/* With the lock held, or without it to see whether there is anything to do. */
static bool remove_entries(const struct preload_options *options, const struct preload_file *file,
                           bool write, bool *found)
{
    struct preload_text old, new;
    bool exists;
    if (!preload_file_read(file, &old, &exists))
        return false;
    bool done = preload_text_remove(&old, options->library, &new);
    if (!done) {
        command_error("%s: %s", file->shown, strerror(errno));
    } else {
        *found = !preload_text_equal(&old, &new);
        if (write && *found)
            done = preload_file_replace(file, new.size > 0 ? &new : NULL);
        free(new.bytes);
    }
    free(old.bytes);
    return done;
}

static int run_disable(const struct preload_options *options)
{
    struct preload_file file;
    bool found = false;
    if (!preload_file_locate(&file, options->root))
        return COMMAND_FAILED;
    bool done = remove_entries(options, &file, false, &found);
    if (done && (found || !preload_file_is_clean(&file)))
        done = preload_file_lock(&file) && remove_entries(options, &file, true, &found);
    if (done)
        printf(found ? "removed libhakmem from %s\n"
                     : "libhakmem is not listed in %s; nothing to do\n",
               file.shown);
    preload_file_close(&file);
    return done ? COMMAND_OK : COMMAND_FAILED;
}

/* Each of the four, and which options it takes; those are the values that getopt gives. */
static const struct {
    const char *name;
    int (*run)(const struct preload_options *options);
    const char *takes;
} actions[] = {{"status", preload_status, "rl"},
               {"check", preload_check, "rltvx"},
               {"enable", preload_enable, "rltvcnx"},
               {"disable", run_disable, "rla"}};

static bool parse_limit(const char *text, unsigned *limit_ms)
{
    char *end;
    unsigned long seconds = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || seconds == 0 || seconds > 3600) {
        command_error("invalid argument '%s' of --time-limit (allowed: 1 to 3600 seconds)", text);
        return false;
    }
    *limit_ms = (unsigned)seconds * 1000;
    return true;
}

/* Slashes at its end are cut off; "/" is no other root. */
static const char *clean_root(char *root)
{
    size_t length = strlen(root);
    while (length > 0 && root[length - 1] == '/')
        root[--length] = '\0';
    return length > 0 ? root : NULL;
}

static bool take_option(int option, struct preload_options *options)
{
    switch (option) {
    case 'r':
        options->root = options->trial.root = clean_root(optarg);
        return true;
    case 'l':
        options->library = optarg;
        return true;
    case 'x':
        options->variant = HAK_VARIANT_HARDENED;
        return true;
    case 't':
        return parse_limit(optarg, &options->trial.limit_ms);
    case 'v':
        options->trial.verbose = true;
        return true;
    case 'c':
        options->canary = true;
        return true;
    case 'n':
        options->no_check = true;
        return true;
    case 'a':
        options->all = true;
        return true;
    default:
        return false;
    }
}

static int refuse_option(int letter, const struct option *known, const char *action)
{
    while (known->val != letter)
        known++;
    command_error("--%s is not an option of hakmem preload %s; see hakmem preload --help", known->name, action);
    return COMMAND_USAGE;
}

int cmd_preload(int argc, char **argv)
{
    static const struct option known[] = {{"root", required_argument, NULL, 'r'},
                                          {"hardened", no_argument, NULL, 'x'},
                                          {"library", required_argument, NULL, 'l'},
                                          {"time-limit", required_argument, NULL, 't'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {"canary", no_argument, NULL, 'c'},
                                          {"no-check", no_argument, NULL, 'n'},
                                          {"all", no_argument, NULL, 'a'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct preload_options options = {.trial = {.limit_ms = 10000}};
    char taken[16] = "";
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "vh", known, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return command_end_output(COMMAND_OK);
        }
        if (option == '?') {
            command_error("unknown option '%s', or its argument is missing; see hakmem preload --help",
                          argv[optind - 1]);
            return COMMAND_USAGE;
        }
        if (!take_option(option, &options))
            return COMMAND_USAGE;
        if (strchr(taken, option) == NULL)
            taken[strlen(taken)] = (char)option;
    }
    if (options.variant == HAK_VARIANT_HARDENED && options.library != NULL) {
        command_error("--hardened and --library exclude each other");
        return COMMAND_USAGE;
    }
    if (optind + 2 == argc && options.library == NULL && strcmp(argv[optind], "disable") == 0)
        options.library = argv[--argc];
    if (options.all && options.library != NULL) {
        command_error("--all and a library exclude each other; see hakmem preload --help");
        return COMMAND_USAGE;
    }
    for (size_t i = 0; optind + 1 == argc && i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(argv[optind], actions[i].name) == 0) {
            if (taken[strspn(taken, actions[i].takes)] == '\0')
                return command_end_output(actions[i].run(&options));
            return refuse_option(taken[strspn(taken, actions[i].takes)], known, actions[i].name);
        }
    if (optind < argc)
        command_error("unknown action or unexpected argument '%s'", argv[argc - 1]);
    fputs(usage, stderr);
    return COMMAND_USAGE;
}

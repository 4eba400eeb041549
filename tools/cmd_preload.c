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
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "library.h"
#include "preload_file.h"
#include "preload_library.h"
#include "preload_text.h"
#include "trial.h"

/* What status returns for its three answers. */
enum { STATUS_ENABLED = 0, STATUS_NOT_ENABLED = 1, STATUS_TROUBLE = 2 };

struct options {
    const char *root;    /* NULL: "/" */
    const char *library; /* NULL: the installed one */
    struct trial trial;
    bool canary, no_check, all;
};

static const char usage[] =
    "usage: hakmem preload status  [--root DIR] [--library FILE]\n"
    "       hakmem preload check   [--root DIR] [--library FILE]\n"
    "                              [--time-limit SECONDS] [-v]\n"
    "       hakmem preload enable  [--root DIR] [--library FILE]\n"
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
    "      --library=FILE        path of the library in the system that is changed\n"
    "                            (default: the installed library)\n"
    "      --no-check            add the library without testing it\n"
    "      --root=DIR            change the system in DIR, not the running system\n"
    "      --time-limit=SECONDS  time limit for each tested program (default: 10)\n"
    "  -v, --verbose             print a line for each tested program\n"
    "  -h, --help                show this help\n";

/* A path that the loader would split, expand or take for a comment cannot be written down. */
static bool is_writable_path(const char *path)
{
    if (path[0] == '/' && strpbrk(path, " \t\r\n:#$") == NULL)
        return true;
    command_error("%s: the path of the library must be absolute, and must not contain blanks, ':', '#' or '$'", path);
    return false;
}

/* The entry is found again by its name alone, also when its file is gone or broken. */
static bool is_removable_name(const char *path)
{
    if (preload_is_ours(path, strlen(path), NULL))
        return true;
    command_error("%s: the file name must be libhakmem.so or libhakmem-debug.so, with or without a "
                  "suffix such as .1, because \"hakmem preload disable\" recognizes entries by it",
                  path);
    return false;
}

/* The path of the library in the system; false after a message if it cannot be used. */
static bool find_library(const struct options *options, bool to_write, char path[PATH_MAX])
{
    char reason[PRELOAD_REASON_SIZE];
    if (options->root == NULL && options->library == NULL && !to_write) {
        if (!library_find(path, NULL, false))
            return false;
    } else {
        const char *given = options->library ? options->library : library_installed(false);
        if (snprintf(path, PATH_MAX, "%s", given) >= PATH_MAX) {
            command_error("%s: %s", given, strerror(ENAMETOOLONG));
            return false;
        }
    }
    if (!is_writable_path(path) || (to_write && !is_removable_name(path)))
        return false;
    int root = open(options->root ? options->root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        snprintf(reason, sizeof reason, "%s", strerror(errno));
    bool usable = root >= 0 && preload_library_is_usable(root, path, to_write, reason);
    if (!usable)
        command_error("%s%s: refused: %s", options->root ? options->root : "", path, reason);
    if (root >= 0)
        close(root);
    return usable;
}

/*
 * /usr/$LIB/NAME if the loader finds exactly this file by it: then programs of another word size
 * look for a library of theirs instead of complaining about this one's. The path itself otherwise,
 * and where one of theirs is none that may be used.
 */
static void choose_entry(const struct options *options, int root, const char *library,
                         char entry[PATH_MAX])
{
    const char *name = strrchr(library, '/');
    const char *end = name;
    const char *ends[2] = {NULL, NULL}; /* before its last folder, and before the last two */
    for (int i = 0; i < 2 && end > library; i++) {
        end = memrchr(library, '/', (size_t)(end - library));
        ends[i] = end;
    }
    for (int i = 1; i >= 0; i--) {
        struct trial_probe probe;
        if (ends[i] == NULL)
            continue;
        snprintf(entry, PATH_MAX, "%.*s/$LIB%s", (int)(ends[i] - library), library, name);
        trial_probe(&options->trial, entry, library, &probe);
        char reason[PRELOAD_REASON_SIZE];
        if (probe.verdict != TRIAL_PASSED || strcmp(probe.path, library) != 0)
            continue;
        if (preload_library_others_usable(root, entry, reason))
            return;
        command_warning("%s is not used, because some programs would load a refused library: %s",
                        entry, reason);
    }
    snprintf(entry, PATH_MAX, "%s", library);
}

static bool check(const struct options *options, const char *library)
{
    struct trial_probe probe;
    trial_probe(&options->trial, library, library, &probe);
    if (probe.verdict != TRIAL_PASSED) {
        command_error("cannot %s %s: %s", probe.verdict == TRIAL_REFUSED ? "load" : "test", library, probe.reason);
        return false;
    }
    enum trial_verdict verdict = trial_programs(&options->trial, library);
    if (verdict == TRIAL_REFUSED)
        command_error("%s: refused, because programs behave differently with it", library);
    else if (verdict == TRIAL_IMPOSSIBLE)
        command_error("cannot test %s: no program could be compared", library);
    return verdict == TRIAL_PASSED;
}

static int run_check(const struct options *options)
{
    char library[PATH_MAX];
    return find_library(options, false, library) && check(options, library) ? COMMAND_OK
                                                                            : COMMAND_FAILED;
}

/* Words of comments that glibc takes for libraries. */
static void warn_of_misread(const struct preload_file *file, const struct preload_text *text)
{
    char *meant = preload_text_read(text, PRELOAD_AS_MEANT);
    char *read = preload_text_read(text, PRELOAD_BY_GLIBC);
    struct preload_name name = {0, 0};
    while (meant && read && preload_next_name(read, text->size, &name))
        if (memcmp(meant + name.start, read + name.start, name.length) != 0) {
            command_warning("%s: glibc mistakes words of a comment for libraries: '%.*s'; "
                            "see BUGS in hakmem-preload(8)",
                            file->shown, (int)name.length, read + name.start);
            break;
        }
    free(meant);
    free(read);
}

static bool is_readable_text(const struct preload_file *file, const struct preload_text *text)
{
    const char *nul = text->size > 0 ? memchr(text->bytes, '\0', text->size) : NULL;
    if (nul != NULL)
        command_error("%s: not a text file: the loader stops reading at the null byte at offset %td",
                      file->shown, nul - text->bytes);
    return nul == NULL;
}

/* The canary and what it takes back: the old text, or that there was no file. */
static bool replace_on_trial(const struct options *options, const struct preload_file *file,
                             const struct preload_text *old, bool existed,
                             const struct preload_text *new, const char *entry)
{
    struct trial_canaries canaries = {{false}, {{0}}};
    struct trial_probe probe = {.verdict = TRIAL_PASSED};
    sigset_t stops, before;
    sigemptyset(&stops);
    sigaddset(&stops, SIGHUP);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);

    trial_canaries_before(&options->trial, &canaries);
    /* not to be stopped where nobody knows yet whether the new text is good */
    sigprocmask(SIG_BLOCK, &stops, &before);
    bool good = preload_file_replace(file, new);
    if (good) {
        good = trial_canaries_after(&options->trial, &canaries) == TRIAL_PASSED;
        if (good)
            trial_probe(&options->trial, NULL, entry, &probe);
        if (probe.verdict != TRIAL_PASSED)
            command_error("%s: %s", entry, probe.reason);
        good = good && probe.verdict == TRIAL_PASSED;
        if (!good && preload_file_replace(file, existed ? old : NULL))
            command_error("%s: restored, because programs fail with the library",
                          file->shown);
        else if (!good)
            command_error("%s: NOT restored; run: hakmem-static preload disable", file->shown);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    trial_canaries_free(&canaries);
    return good;
}

/* With the lock held: from here on nobody else of us changes the file. */
static bool write_entry(const struct options *options, const struct preload_file *file,
                        const char *entry, const char *library)
{
    struct preload_text old, new;
    bool existed;
    if (!preload_file_read(file, &old, &existed))
        return false;
    bool done = false;
    if (!is_readable_text(file, &old) || !preload_text_add(&old, entry, library, &new)) {
        free(old.bytes);
        return false;
    }
    bool already = preload_text_equal(&old, &new);
    if (already)
        done = true;
    else if (options->canary)
        done = replace_on_trial(options, file, &old, existed, &new, entry);
    else
        done = preload_file_replace(file, &new);
    if (done) {
        if (already)
            printf("%s is already listed in %s; nothing to do\n", entry, file->shown);
        else
            printf("added %s to %s\n", entry, file->shown);
        warn_of_misread(file, &new);
    }
    free(old.bytes);
    free(new.bytes);
    return done;
}

/* Whether a path leads to a file in the system. */
static bool is_there(int root, const char *path)
{
    int fd = preload_resolve(root, path);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* They need a library of their own by the same entry, or complain at each start. */
static void warn_of_32_bit(const struct preload_file *file, const char *entry)
{
    static const char loader[] = "/lib/ld-linux.so.2"; /* of i386 */
    static const char *const folders[] = {"lib/i386-linux-gnu", "lib"};
    const char *variable = strstr(entry, "/$LIB/");
    bool served = false;
    for (size_t i = 0; variable != NULL && i < sizeof folders / sizeof folders[0]; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%.*s/%s%s", (int)(variable - entry), entry, folders[i],
                 strrchr(entry, '/'));
        served = served || is_there(file->root, path);
    }
    if (sizeof(void *) == 8 && !served && is_there(file->root, loader))
        command_warning("%s: no 32-bit libhakmem is installed; 32-bit programs run without it, and "
                        "the loader prints an error whenever one starts",
                        loader);
}

static int run_enable(const struct options *options)
{
    char library[PATH_MAX], entry[PATH_MAX];
    struct preload_file file;
    if (!find_library(options, true, library) || !preload_file_locate(&file, options->root))
        return COMMAND_FAILED;
    bool good = true;
    if (!options->no_check)
        good = check(options, library);
    if (good) {
        choose_entry(options, file.root, library, entry);
        good = preload_file_lock(&file) && write_entry(options, &file, entry, library);
        if (good && options->no_check)
            command_warning("%s: added without testing (--no-check)", entry);
        if (good)
            warn_of_32_bit(&file, entry);
    }
    preload_file_close(&file);
    return good ? COMMAND_OK : COMMAND_FAILED;
}

/* With the lock held, or without it to see whether there is anything to do. */
static bool remove_entries(const struct options *options, const struct preload_file *file,
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

static int run_disable(const struct options *options)
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

/* Prints the names that are read, ours apart; false without memory. */
static bool print_names(const struct preload_text *text, const char *other)
{
    char *bytes = preload_text_read(text, PRELOAD_BY_GLIBC);
    if (bytes == NULL)
        return false;
    struct preload_name name = {0, 0};
    while (preload_next_name(bytes, text->size, &name))
        printf("%s %.*s\n",
               preload_is_ours(bytes + name.start, name.length, other) ? "entry:  " : "other:  ",
               (int)name.length, bytes + name.start);
    free(bytes);
    return true;
}

/* The loader is asked what a new program has, and one is run. */
static int judge_entries(const struct options *options)
{
    static const char *const shell[] = {"sh", "-c", "exit 0", NULL};
    struct child_request request = {
        .argv = shell, .root = options->root, .limit_ms = options->trial.limit_ms};
    struct child_result result;
    struct trial_probe probe;
    char end[128];

    trial_probe(&options->trial, NULL, options->library, &probe);
    if (probe.verdict != TRIAL_PASSED) {
        printf("enabled: %s: %s\n", probe.verdict == TRIAL_REFUSED ? "error" : "unknown",
               probe.reason);
        return STATUS_TROUBLE;
    }
    printf("library: %s\n", probe.path);
    if (!child_run(&request, &result))
        return STATUS_TROUBLE;
    bool runs = result.end == CHILD_EXITED && result.number == 0;
    child_describe(&result, end, sizeof end);
    child_free(&result);
    if (runs)
        printf("enabled: yes\n");
    else
        printf("enabled: error: sh: %s\n", end);
    return runs ? STATUS_ENABLED : STATUS_TROUBLE;
}

static int run_status(const struct options *options)
{
    struct preload_file file;
    struct preload_text text;
    struct preload_name name;
    bool exists;
    if (!preload_file_locate(&file, options->root))
        return STATUS_TROUBLE;
    int status = STATUS_TROUBLE;
    if (preload_file_read(&file, &text, &exists)) {
        printf("file:    %s%s\n", file.shown, exists ? "" : " (does not exist)");
        int ours = preload_count_ours(&text, PRELOAD_BY_GLIBC, options->library, &name);
        if (ours >= 0 && print_names(&text, options->library) && is_readable_text(&file, &text)) {
            warn_of_misread(&file, &text);
            if (ours > 0)
                status = judge_entries(options);
            else
                status = printf("enabled: no\n") > 0 ? STATUS_NOT_ENABLED : STATUS_TROUBLE;
        }
        free(text.bytes);
    }
    preload_file_close(&file);
    return status;
}

/* Each of the four, and which options it takes; those are the values that getopt gives. */
static const struct {
    const char *name;
    int (*run)(const struct options *options);
    const char *takes;
} actions[] = {{"status", run_status, "rl"},
               {"check", run_check, "rltv"},
               {"enable", run_enable, "rltvcn"},
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

static bool take_option(int option, struct options *options)
{
    switch (option) {
    case 'r':
        options->root = options->trial.root = clean_root(optarg);
        return true;
    case 'l':
        options->library = optarg;
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
                                          {"library", required_argument, NULL, 'l'},
                                          {"time-limit", required_argument, NULL, 't'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {"canary", no_argument, NULL, 'c'},
                                          {"no-check", no_argument, NULL, 'n'},
                                          {"all", no_argument, NULL, 'a'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct options options = {.trial = {.limit_ms = 10000}};
    char taken[8] = "";
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

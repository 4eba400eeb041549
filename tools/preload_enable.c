/* SPDX-License-Identifier: MIT */
/* hakmem preload: checking the library, and adding it. */
#include "config.h"

#include "preload_actions.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "library.h"
#include "preload_file.h"
#include "preload_library.h"
#include "preload_text.h"

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
    command_error("%s: the file name must be libhakmem.so, libhakmem-debug.so or libhakmem-hardened.so, "
                  "with or without a suffix such as .1, because \"hakmem preload disable\" recognizes entries by it",
                  path);
    return false;
}

/* The path of the library in the system; false after a message if it cannot be used. */
static bool find_library(const struct preload_options *options, bool to_write, char path[PATH_MAX])
{
    char reason[PRELOAD_REASON_SIZE];
    if (options->root == NULL && options->library == NULL && !to_write) {
        if (!library_find(path, NULL, options->variant))
            return false;
    } else {
        const char *given = options->library ? options->library : library_installed(options->variant);
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
static void choose_entry(const struct preload_options *options, int root, const char *library,
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

static bool check(const struct preload_options *options, const char *library)
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

int preload_check(const struct preload_options *options)
{
    char library[PATH_MAX];
    return find_library(options, false, library) && check(options, library) ? COMMAND_OK
                                                                            : COMMAND_FAILED;
}

/* The canary and what it takes back: the old text, or that there was no file. */
static bool replace_on_trial(const struct preload_options *options, const struct preload_file *file,
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
static bool write_entry(const struct preload_options *options, const struct preload_file *file,
                        const char *entry, const char *library)
{
    struct preload_text old, new;
    bool existed;
    if (!preload_file_read(file, &old, &existed))
        return false;
    bool done = false;
    if (!preload_file_is_text(file, &old) || !preload_text_add(&old, entry, library, &new)) {
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
        preload_file_warn_of_misread(file, &new);
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

int preload_enable(const struct preload_options *options)
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

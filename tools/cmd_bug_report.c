/* SPDX-License-Identifier: MIT */
/*
 * hakmem bug-report: what a report of a fault needs to say about the machine. Everything is read,
 * nothing is changed, and what is not there is said to be so. Of the environment only what an
 * allocator or the loader heeds is shown, and no name of the machine or a user.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "child.h"
#include "command.h"
#include "config.h"
#include "elf_file.h"
#include "library.h"
#include "settings.h"

static const char usage[] =
    "usage: hakmem bug-report\n"
    "\n"
    "Print the information that a bug report needs: versions, libraries, settings,\n"
    "limits, and whether libhakmem passes its self-test. Nothing is changed. Read\n"
    "the output before you send it: it contains the environment variables of the\n"
    "allocator and the dynamic loader, and the files that configure them.\n"
    "\n"
    "  -h, --help   show this help\n";

static void heading(const char *text)
{
    printf("\n== %s\n", text);
}

static void print_system(void)
{
    heading("system");
    struct utsname system;
    if (uname(&system) == 0)
        printf("kernel: %s %s %s, %s\n", system.sysname, system.release, system.version,
               system.machine);
    char libc[64];
    if (confstr(_CS_GNU_LIBC_VERSION, libc, sizeof libc) > 0)
        printf("C library: %s\n", libc);
    printf("processors: %ld of %ld\n", sysconf(_SC_NPROCESSORS_ONLN), sysconf(_SC_NPROCESSORS_CONF));
    printf("page size: %ld\n", sysconf(_SC_PAGESIZE));
}

/* The lines of a file that begin with one of the words (all without words), each after the path. */
static void print_lines(const char *path, const char *const *words)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        printf("%s: %s\n", path, strerror(errno));
        return;
    }
    char line[512];
    bool any = false, inside = false; /* of a line longer than the buffer */
    while (fgets(line, sizeof line, file) != NULL) {
        bool ends = strchr(line, '\n') != NULL;
        bool wanted = words == NULL && !inside;
        for (const char *const *word = words; word != NULL && *word != NULL && !inside; word++)
            wanted |= strncmp(line, *word, strlen(*word)) == 0;
        inside = !ends;
        line[strcspn(line, "\n")] = '\0';
        if (wanted)
            printf("%s: %s%s\n", path, line, ends ? "" : " ...");
        any = true;
    }
    if (!any)
        printf("%s: empty\n", path);
    fclose(file);
}

static void print_memory(void)
{
    static const char *const memory[] = {"MemTotal:", "MemAvailable:", "SwapTotal:", NULL};
    static const char *const system[] = {"PRETTY_NAME=", NULL};
    print_lines("/etc/os-release", system);
    print_lines("/proc/meminfo", memory);
    print_lines("/proc/sys/vm/overcommit_memory", NULL);
    print_lines("/proc/sys/vm/max_map_count", NULL);
    print_lines("/sys/kernel/mm/transparent_hugepage/enabled", NULL);
    print_lines("/sys/fs/cgroup/memory.max", NULL);
}

static void print_limit(const char *name, int resource)
{
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)resource, &limit) != 0)
        return;
    if (limit.rlim_cur == RLIM_INFINITY)
        printf("%s: unlimited\n", name);
    else
        printf("%s: %llu\n", name, (unsigned long long)limit.rlim_cur);
}

static void print_limits(void)
{
    heading("limits");
    print_limit("RLIMIT_AS", RLIMIT_AS);
    print_limit("RLIMIT_DATA", RLIMIT_DATA);
    print_limit("RLIMIT_STACK", RLIMIT_STACK);
    print_limit("RLIMIT_MEMLOCK", RLIMIT_MEMLOCK);
    print_limit("RLIMIT_NPROC", RLIMIT_NPROC);
}

/* The path, what it leads to, and what that is. */
static void print_library(const char *path)
{
    char target[PATH_MAX];
    struct stat status;
    struct elf_file elf;
    if (realpath(path, target) == NULL || stat(target, &status) != 0) {
        printf("%s: %s\n", path, strerror(errno));
        return;
    }
    printf("%s: %s, %lld bytes, owner %u, mode %o, ", path, target, (long long)status.st_size,
           status.st_uid, status.st_mode & 07777);
    if (elf_file_read(target, &elf))
        printf("%d-bit library for machine %u\n", elf.width == 2 ? 64 : 32, elf.machine);
    else
        puts("not a library");
}

/* Runs this command again, with the library under it, and prints what that says. */
static void print_run(const char *self, const char *library, const char *word, const char *setting)
{
    char preload[PATH_MAX + sizeof "LD_PRELOAD="];
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", library);
    const char *argv[] = {self, word, NULL};
    const char *settings[] = {preload, setting, NULL};
    struct child_request request = {.argv = argv, .settings = settings, .limit_ms = 60000};
    struct child_result result;
    if (!child_run(&request, &result))
        return;
    char end[128];
    child_describe(&result, end, sizeof end);
    printf("%s%s", result.streams[0].bytes, result.streams[1].bytes);
    printf("(%s: %s)\n", word, end);
    child_free(&result);
}

static void print_variant(const char *self, enum hak_variant variant)
{
    static const char *const headings[] = {[HAK_VARIANT_RELEASE] = "library",
                                           [HAK_VARIANT_DEBUG] = "debug library",
                                           [HAK_VARIANT_HARDENED] = "hardened library"};
    heading(headings[variant]);
    char path[PATH_MAX];
    print_library(library_installed(variant));
    if (variant != HAK_VARIANT_RELEASE && access(library_installed(variant), R_OK) != 0)
        return; /* few have it: not worth a message */
    if (!library_find(path, NULL, variant))
        return;
    if (strcmp(path, library_installed(variant)) != 0)
        print_library(path);
    print_run(self, path, "selftest", NULL);
    print_run(self, path, "--version", "HAKMEM_CONF=stats=text");
}

static void print_environment(void)
{
    static const char *const prefixes[] = {"HAKMEM_", "LD_", "MALLOC_", "GLIBC_TUNABLES="};
    heading("environment");
    for (char **variable = environ; *variable != NULL; variable++)
        for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
            if (strncmp(*variable, prefixes[i], strlen(prefixes[i])) == 0)
                puts(*variable);
    heading("files");
    print_lines("/etc/ld.so.preload", NULL);
    print_lines(settings_file(), NULL);
}

static void print_settings(void)
{
    char *words[] = {(char *)"hakmem conf", NULL};
    heading("options in force");
    fflush(stdout);
    optind = 1;
    cmd_conf(1, words);
}

int cmd_bug_report(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c != 'h')
            return COMMAND_USAGE;
        fputs(usage, stdout);
        return command_end_output(COMMAND_OK);
    }
    if (optind != argc) {
        command_error("unexpected argument '%s'; see hakmem bug-report --help", argv[optind]);
        return COMMAND_USAGE;
    }
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = '\0';
    printf("hakmem %s\n", PACKAGE_VERSION);
    puts("Please add to the report: what you did, what you expected, what happened, and any\n"
         "messages. Say whether it happens again, whether it happens with HAKMEM_DISABLE=1, and\n"
         "whether it happens with the debug variant (hakmem run --debug). A program that shows\n"
         "the problem, or a core file, helps most.");
    print_system();
    print_memory();
    print_limits();
    print_variant(self, HAK_VARIANT_RELEASE);
    print_variant(self, HAK_VARIANT_DEBUG);
    print_variant(self, HAK_VARIANT_HARDENED);
    print_environment();
    print_settings();
    return command_end_output(COMMAND_OK);
}

/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "trial.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "number_text.h"
#include "preload_text.h"

enum { WORDS_MAX = 7, NOBODY = 65534 };

/* What every system has, what its start and its rescue need, and large users of memory. */
static const char *const programs[][WORDS_MAX] = {
    {HAK_BINDIR "/hakmem", "selftest"},
    {"sh", "-c", "i=0; while [ $i -lt 500 ]; do i=$((i + 1)); v=$v$i; done; echo ${#v}"},
    {"bash", "-c", "for i in {1..2000}; do a[i]=$i$i; done; echo ${a[*]}"},
    {"ls", "-l", "/usr/bin"},
    {"cat", "/etc/passwd"},
    {"id"},
    {"getent", "passwd", "root"},
    {"sed", "s/[aeiou]/(&)/g", "/etc/passwd"},
    {"grep", "-c", "^[a-z]*:", "/etc/passwd"},
    {"awk", "BEGIN { for (i = 0; i < 20000; i++) a[i] = i \"\"; for (i in a) n++; print n }"},
    {"sort", "-r", "/etc/passwd"},
    {"find", "/etc", "-maxdepth", "2", "-name", "*.conf"},
    {"tar", "-cf", "-", "-C", "/etc", "passwd", NULL},
    {"gzip", "-c", "/etc/passwd"},
    {"xz", "-c", "/etc/passwd"},
    {"date", "-u", "-d", "@0"},
    {"su", "--version"},
    {"mount", "--version"},
    {"sudo", "-V"},
    {"ssh", "-V"},
    {"sshd", "-t"},
    {"/lib/systemd/systemd", "--version"},
    {"systemctl", "--version"},
    {"udevadm", "--version"},
    {"dbus-daemon", "--version"},
    {"agetty", "--version"},
    {"ip", "-V"},
    {"dpkg", "--version"},
    {"apt-get", "--version"},
    {"rpm", "--version"},
    {"perl", "-e", "my %h = map { $_ => 'x' x $_ } 1 .. 2000; print join ' ', sort keys %h"},
    {"python3", "-c", "import json; print(len(json.dumps([str(i) * 9 for i in range(20000)])))"},
    {"gcc", "-x", "c", "-fsyntax-only", "/dev/null"},
    {"git", "--version"},
    {"openssl", "version"},
    {"curl", "--version"},
};

/* Set-user-ID programs among them. */
static const char *const canaries[][WORDS_MAX] = {
    {"sh", "-c", "echo $((6 * 7))"},
    {"ls", "/"},
    {"cat", "/etc/passwd"},
    {"su", "--version"},
    {"sudo", "-V"},
};

_Static_assert(sizeof canaries / sizeof canaries[0] * 2 == TRIAL_CANARIES, "each once a user");

static void show_command(const char *const *argv, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < WORDS_MAX && argv[i] != NULL && length < size; i++)
        length += (size_t)snprintf(text + length, size - length, i > 0 ? " %s" : "%s", argv[i]);
    if (length >= size)
        strcpy(text + size - 4, "...");
}

static bool run(const struct trial *trial, const char *const *argv, unsigned user,
                const char *const *settings, struct child_result *result)
{
    struct child_request request = {.argv = argv,
                                    .settings = settings,
                                    .root = trial->root,
                                    .user = user,
                                    .limit_ms = trial->limit_ms};
    return child_run(&request, result);
}

/*
 * The loader's "NAME => PATH (ADDRESS)" or "NAME (ADDRESS)": whether that is the library, by this
 * name if one is wanted. Several are there where the file names one and LD_PRELOAD another.
 */
static bool parse_loaded(char *line, const char *wanted, const char *other, char path[PATH_MAX])
{
    line += strspn(line, " \t");
    char *address = strstr(line, " (0x");
    if (address == NULL)
        return false;
    *address = '\0';
    char *arrow = strstr(line, " => ");
    size_t length = arrow ? (size_t)(arrow - line) : strlen(line);
    bool found = wanted ? strlen(wanted) == length && memcmp(wanted, line, length) == 0
                        : preload_is_ours(line, length, other);
    if (found)
        snprintf(path, PATH_MAX, "%s", arrow ? arrow + 4 : line);
    return found;
}

/* What ld.so reported, else that it did not. */
static void find_reason(const struct child_result *result, const char *other,
                        char reason[static 512])
{
    static const char mark[] = "ERROR: ld.so: ";
    char *save;
    snprintf(reason, 512, "a new program does not load it");
    for (char *line = strtok_r(result->streams[1].bytes, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char *quote = strstr(line, "object '");
        char *end = quote ? strchr(quote + 8, '\'') : NULL;
        if (strncmp(line, mark, sizeof mark - 1) != 0 || end == NULL ||
            !preload_is_ours(quote + 8, (size_t)(end - quote - 8), other))
            continue;
        snprintf(reason, 512, "%s", line + sizeof mark - 1);
        return;
    }
}

void trial_probe(const struct trial *trial, const char *preload, const char *other,
                 struct trial_probe *probe)
{
    /* as ldd(1) does; the shell itself is not run */
    static const char *const shell[] = {"sh", NULL};
    char setting[PATH_MAX + 16];
    const char *settings[] = {"LD_TRACE_LOADED_OBJECTS=1", preload ? setting : NULL, NULL};
    snprintf(setting, sizeof setting, "LD_PRELOAD=%s", preload ? preload : "");

    struct child_result result;
    *probe = (struct trial_probe){.verdict = TRIAL_IMPOSSIBLE, .reason = "cannot run any program"};
    if (!run(trial, shell, 0, settings, &result))
        return;
    if (result.end == CHILD_FAILED || result.end == CHILD_NOT_FOUND) {
        int length = snprintf(probe->reason, sizeof probe->reason, "sh: ");
        child_describe(&result, probe->reason + length, sizeof probe->reason - (size_t)length);
    } else {
        char *save;
        char *line = strtok_r(result.streams[0].bytes, "\n", &save);
        while (line != NULL && !parse_loaded(line, preload, other, probe->path))
            line = strtok_r(NULL, "\n", &save);
        probe->verdict = line != NULL ? TRIAL_PASSED : TRIAL_REFUSED;
        if (probe->verdict == TRIAL_REFUSED)
            find_reason(&result, other, probe->reason);
    }
    child_free(&result);
}

static bool same_end(const struct child_result *one, const struct child_result *two)
{
    return one->end == two->end && one->number == two->number;
}

static bool same_stream(const struct child_stream *one, const struct child_stream *two)
{
    return one->written == two->written && one->hash == two->hash;
}

static bool same(const struct child_result *one, const struct child_result *two)
{
    return same_end(one, two) && same_stream(&one->streams[0], &two->streams[0]) &&
           same_stream(&one->streams[1], &two->streams[1]);
}

/* The line of a stream around a place, in printable characters. */
static void show_line(const struct child_stream *stream, size_t place, char text[static 80])
{
    size_t start = place < stream->kept ? place : stream->kept;
    while (start > 0 && place - start < 40 && stream->bytes[start - 1] != '\n')
        start--;
    size_t length = 0;
    while (length < 79 && start + length < stream->kept && stream->bytes[start + length] != '\n') {
        char byte = stream->bytes[start + length];
        text[length++] = isprint((unsigned char)byte) ? byte : '?';
    }
    text[length] = '\0';
}

static void report_stream(const char *command, const char *which, const struct child_stream *with,
                          const struct child_stream *without)
{
    char there[80], here[80];
    size_t place = 0;
    while (place < with->kept && place < without->kept &&
           with->bytes[place] == without->bytes[place])
        place++;
    show_line(with, place, here);
    show_line(without, place, there);
    command_error("%s: %s differs at byte %zu: '%s' with the library, '%s' without it", command, which, place,
                  here, there);
}

/* Says in which way two runs differ, so many streams included; false if they do not. */
static bool report_difference(const char *command, const struct child_result *with,
                              const struct child_result *without, int streams)
{
    static const char *const names[] = {"output", "standard error"};

    if (!same_end(with, without)) {
        char here[128], there[128];
        child_describe(with, here, sizeof here);
        child_describe(without, there, sizeof there);
        command_error("%s: %s with the library, %s without it", command, here, there);
        return true;
    }
    for (int i = 0; i < streams; i++)
        if (!same_stream(&with->streams[i], &without->streams[i])) {
            report_stream(command, names[i], &with->streams[i], &without->streams[i]);
            return true;
        }
    return false;
}

struct tally {
    unsigned same, varying, absent, different;
};

static void judge(const struct trial *trial, const char *command, const struct child_result run[3],
                  struct tally *tally)
{
    const char *verdict = "identical";
    bool steady = same(&run[0], &run[2]);
    if (run[0].end == CHILD_TIMED_OUT || !same_end(&run[0], &run[2])) {
        tally->varying++;
        verdict = "nondeterministic";
    } else if (report_difference(command, &run[1], &run[0], steady ? 2 : 0)) {
        tally->different++;
        verdict = "different";
    } else if (steady) {
        tally->same++;
    } else {
        tally->varying++;
        verdict = "nondeterministic output, identical exit status";
    }
    if (trial->verbose)
        printf("%s: %s\n", command, verdict);
}

/* Without, with, without: what changes by itself meanwhile is not laid to the library. */
static bool try_program(const struct trial *trial, const char *const *argv, const char *preload,
                        struct tally *tally)
{
    /* the library may be under all programs already: the runs without it pass through it then */
    static const char *const without[] = {"HAKMEM_DISABLE=1", NULL};
    char setting[PATH_MAX + 16], command[64];
    const char *const with[] = {setting, NULL};
    struct child_result runs[3];
    snprintf(setting, sizeof setting, "LD_PRELOAD=%s", preload);
    show_command(argv, command, sizeof command);

    int done = 0;
    while (done < 3 && run(trial, argv, 0, done == 1 ? with : without, &runs[done])) {
        done++;
        if (runs[0].end == CHILD_NOT_FOUND || runs[0].end == CHILD_FAILED)
            break;
    }
    if (done == 1 && runs[0].end == CHILD_NOT_FOUND)
        tally->absent++;
    else if (done == 1)
        child_describe(&runs[0], setting, sizeof setting);
    if (done == 1 && runs[0].end == CHILD_FAILED)
        command_error("%s: %s", command, setting);
    if (done == 3)
        judge(trial, command, runs, tally);
    bool usable = done == 3 || (done == 1 && runs[0].end == CHILD_NOT_FOUND);
    while (done > 0)
        child_free(&runs[--done]);
    return usable;
}

enum trial_verdict trial_programs(const struct trial *trial, const char *preload)
{
    struct tally tally = {0, 0, 0, 0};
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        if (!try_program(trial, programs[i], preload, &tally))
            return TRIAL_IMPOSSIBLE;
    printf(
        "tested %u program%s: %u identical, %u different, %u nondeterministic (%u not installed)\n",
        tally.same + tally.different + tally.varying,
        number_s(tally.same + tally.different + tally.varying), tally.same, tally.different, tally.varying,
        tally.absent);
    if (tally.different > 0)
        return TRIAL_REFUSED;
    return tally.same > 0 ? TRIAL_PASSED : TRIAL_IMPOSSIBLE;
}

/* Each canary is run by the caller, and by nobody if the caller may be that. */
static bool run_canary(const struct trial *trial, int which, struct child_result *result)
{
    unsigned user = which % 2 == 0 ? 0 : NOBODY;
    if (user != 0 && geteuid() != 0)
        return false;
    return run(trial, canaries[which / 2], user, NULL, result);
}

void trial_canaries_before(const struct trial *trial, struct trial_canaries *known)
{
    for (int i = 0; i < TRIAL_CANARIES; i++)
        known->ran[i] = run_canary(trial, i, &known->before[i]);
}

/*
 * One that was killed before is to end well now. Standard error is left out: what the loader said
 * about the old file goes.
 */
static bool has_changed(const struct child_result *after, const struct child_result *before,
                        const char *command)
{
    static const struct child_result expected = {.end = CHILD_EXITED};
    bool exited = before->end == CHILD_EXITED;
    return report_difference(command, after, exited ? before : &expected, exited ? 1 : 0);
}

/* Without the rights to be another user there is no canary for it. */
static bool is_possible(const struct trial_canaries *known, int which)
{
    return known->ran[which] && known->before[which].end != CHILD_NOT_FOUND &&
           (which % 2 == 0 || known->before[which].end != CHILD_FAILED);
}

enum trial_verdict trial_canaries_after(const struct trial *trial,
                                        const struct trial_canaries *known)
{
    enum trial_verdict verdict = TRIAL_PASSED;
    for (int i = 0; i < TRIAL_CANARIES && verdict == TRIAL_PASSED; i++) {
        char command[64];
        struct child_result after;
        if (!is_possible(known, i))
            continue;
        show_command(canaries[i / 2], command, sizeof command);
        if (!run_canary(trial, i, &after))
            return TRIAL_IMPOSSIBLE;
        if (has_changed(&after, &known->before[i], command))
            verdict = TRIAL_REFUSED;
        child_free(&after);
    }
    return verdict;
}

void trial_canaries_free(struct trial_canaries *known)
{
    for (int i = 0; i < TRIAL_CANARIES; i++)
        if (known->ran[i])
            child_free(&known->before[i]);
}

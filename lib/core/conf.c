/* SPDX-License-Identifier: MIT */
#include "core/conf.h"

#include <limits.h>
#include <string.h>

#include "core/report.h"
#include "os/os.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Takes blanks from both ends. */
static void trim(const char **text, size_t *length)
{
    while (*length > 0 && is_blank(**text)) {
        ++*text;
        --*length;
    }
    while (*length > 0 && is_blank((*text)[*length - 1]))
        --*length;
}

static void read_line(const char *text, size_t length, unsigned number, hak_conf_visit *visit,
                      void *context)
{
    trim(&text, &length);
    if (length == 0 || text[0] == '#')
        return;
    struct hak_conf_line line = {number, {.key = text, .key_length = length}};
    struct hak_setting *setting = &line.setting;
    const char *equal = memchr(text, '=', length);
    if (equal != NULL) {
        setting->key_length = (size_t)(equal - text);
        setting->value = equal + 1;
        setting->value_length = length - setting->key_length - 1;
        trim(&setting->key, &setting->key_length);
        trim(&setting->value, &setting->value_length);
    }
    visit(&line, context);
}

void hak__conf_each(const char *text, size_t size, hak_conf_visit *visit, void *context)
{
    for (unsigned number = 1; size > 0; number++) {
        const char *end = memchr(text, '\n', size);
        size_t length = end != NULL ? (size_t)(end - text) : size;
        read_line(text, length, number, visit, context);
        size_t taken = length + (end != NULL);
        text += taken;
        size -= taken;
    }
}

bool hak__conf_is_exclude(const struct hak_conf_line *line)
{
    static const char key[] = "exclude";
    const struct hak_setting *setting = &line->setting;
    return setting->value != NULL && setting->key_length == sizeof key - 1 &&
           memcmp(setting->key, key, sizeof key - 1) == 0;
}

static bool names(const char *word, size_t length, const char *path)
{
    const char *last = strrchr(path, '/');
    if (memchr(word, '/', length) == NULL && last != NULL)
        path = last + 1;
    return strlen(path) == length && memcmp(path, word, length) == 0;
}

bool hak__conf_excludes(const struct hak_conf_line *line, const char *path)
{
    const char *words = line->setting.value;
    size_t length = line->setting.value_length, at = 0;
    while (at < length) {
        size_t start = at;
        while (at < length && !is_blank(words[at]) && words[at] != ',')
            at++;
        if (at > start && names(words + start, at - start, path))
            return true;
        at++;
    }
    return false;
}

struct reading {
    const char *path, *program;
    bool excluded;
    enum { FAULTS_NONE, FAULTS_REPORTED, FAULTS_KNOWN } faults; /* in the file */
};

/* A file that is under every program of a machine is not reported by each of them. */
static bool reports_faults(struct reading *reading)
{
    if (reading->faults == FAULTS_NONE)
        reading->faults = hak__os_mark_file(reading->path) ? FAULTS_KNOWN : FAULTS_REPORTED;
    return reading->faults == FAULTS_REPORTED;
}

static void apply(const struct hak_conf_line *line, void *context)
{
    struct reading *reading = context;
    if (hak__conf_is_exclude(line)) {
        if (reading->program != NULL && hak__conf_excludes(line, reading->program))
            reading->excluded = true;
        return;
    }
    enum hak_option_result result = hak__options_set(&line->setting, hak__features(HAK_VARIANT));
    if (result != HAK_OPTION_OK && reports_faults(reading)) {
        struct hak_text text;
        hak__text_message(&text);
        hak__options_report_error(&text, reading->path, line->number, result, &line->setting);
    }
}

bool hak__conf_each_of_file(const char *path, bool trusted, hak_conf_visit *visit, void *context)
{
    static HAK_SPARSE char text[HAK_CONF_SIZE_MAX + 1]; /* where there is a file */
    size_t size = hak__os_read_file(path, text, sizeof text, trusted);
    if (size > HAK_CONF_SIZE_MAX)
        return false;
    hak__conf_each(text, size, visit, context);
    return true;
}

bool hak__conf_read(const char *path, bool secure)
{
    static HAK_SPARSE char file[PATH_MAX]; /* in set-user-ID programs */
    const char *program = hak__os_program_path();
    /* AT_EXECFN is any name that the user gave to a link; only the kernel's name is the program's */
    if (secure)
        program = hak__os_program_file(file, sizeof file) ? file : NULL;
    struct reading reading = {path, program, false, FAULTS_NONE};
    if (!hak__conf_each_of_file(path, secure, apply, &reading) && reports_faults(&reading)) {
        struct hak_text report;
        hak__text_message(&report);
        hak__text_printable(&report, path, strlen(path));
        hak__text_string(&report, ": " HAK_CONF_TOO_LONG "\n");
        hak__text_end(&report);
    }
    return reading.excluded;
}

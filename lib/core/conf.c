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
    struct hak_conf_line line = {number, text, length, NULL, 0};
    const char *equal = memchr(text, '=', length);
    if (equal != NULL) {
        line.key_length = (size_t)(equal - text);
        line.value = equal + 1;
        line.value_length = length - line.key_length - 1;
        trim(&line.key, &line.key_length);
        trim(&line.value, &line.value_length);
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
    return line->value != NULL && line->key_length == sizeof key - 1 &&
           memcmp(line->key, key, sizeof key - 1) == 0;
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
    size_t at = 0;
    while (at < line->value_length) {
        size_t start = at;
        while (at < line->value_length && !is_blank(line->value[at]) && line->value[at] != ',')
            at++;
        if (at > start && names(line->value + start, at - start, path))
            return true;
        at++;
    }
    return false;
}

enum hak_option_result hak__conf_option(const struct hak_conf_line *line, bool set)
{
    if (line->value == NULL)
        return HAK_OPTION_NO_VALUE;
    return set ? hak__options_set(line->key, line->key_length, line->value, line->value_length)
               : hak__options_check(line->key, line->key_length, line->value, line->value_length);
}

struct reading {
    const char *path, *program;
    bool excluded;
};

static void apply(const struct hak_conf_line *line, void *context)
{
    struct reading *reading = context;
    if (hak__conf_is_exclude(line)) {
        if (reading->program != NULL && hak__conf_excludes(line, reading->program))
            reading->excluded = true;
        return;
    }
    enum hak_option_result result = hak__conf_option(line, true);
    if (result != HAK_OPTION_OK)
        hak__options_complain(reading->path, line->number, result, line->key, line->key_length,
                              line->value, line->value_length);
}

bool hak__conf_each_of_file(const char *path, bool trusted, hak_conf_visit *visit, void *context)
{
    static char text[HAK_CONF_SIZE_MAX + 1]; /* untouched where there is no file */
    size_t size = hak__os_read_file(path, text, sizeof text, trusted);
    if (size > HAK_CONF_SIZE_MAX) {
        struct hak_text report;
        hak__text_begin(&report, 2);
        hak__text_string(&report, "hakmem: ");
        hak__text_string(&report, path);
        hak__text_string(&report, ": longer than 32 KiB, ignored\n");
        hak__text_end(&report);
        return false;
    }
    hak__conf_each(text, size, visit, context);
    return true;
}

bool hak__conf_read(const char *path, bool secure)
{
    static char file[PATH_MAX]; /* untouched in most programs */
    const char *program = hak__os_program_path();
    /* AT_EXECFN is any name that the user gave to a link; only the kernel's name is the program's */
    if (secure)
        program = hak__os_program_file(file, sizeof file) ? file : NULL;
    struct reading reading = {path, program, false};
    hak__conf_each_of_file(path, secure, apply, &reading);
    return reading.excluded;
}

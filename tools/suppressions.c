/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "config.h"

#include "suppressions.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"

enum { SUPPRESSIONS_MOST = 10000, RULES_MOST = 64, LINE_MOST = 4096 };

enum kind { TYPE, SIZE, STACK };

struct rule {
    enum kind kind;
    char *pattern;
    uint64_t from, to; /* of a size */
};

struct suppression {
    char *name;
    struct rule *rules;
    size_t rule_count;
    bool used;
};

struct suppressions {
    struct suppression *all;
    size_t count;
};

struct reading {
    const char *path;
    unsigned line;
    struct suppressions *suppressions;
    bool inside; /* of braces */
};

static bool complain(const struct reading *reading, const char *what, const char *text)
{
    command_error("%s:%u: %s%s%s%s", reading->path, reading->line, what, text != NULL ? " '" : "",
                  text != NULL ? text : "", text != NULL ? "'" : "");
    return false;
}

static bool no_memory(const struct reading *reading)
{
    return complain(reading, strerror(ENOMEM), NULL);
}

/* ---- rules ------------------------------------------------------------- */

static bool parse_size(const char *text, struct rule *rule)
{
    char *end = NULL;
    errno = 0;
    if (*text < '0' || *text > '9')
        return false;
    rule->from = rule->to = strtoull(text, &end, 10);
    if (*end == '-' && end[1] >= '0' && end[1] <= '9')
        rule->to = strtoull(end + 1, &end, 10);
    return errno == 0 && *end == '\0' && rule->from <= rule->to;
}

static bool parse_rule(const struct reading *reading, const char *text, struct rule *rule)
{
    static const char *const names[] = {[TYPE] = "type:", [SIZE] = "size:", [STACK] = "stack:"};
    const char *value = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(text, names[i], strlen(names[i])) == 0) {
            rule->kind = (enum kind)i;
            value = text + strlen(names[i]);
        }
    if (value == NULL)
        return complain(reading, "not a rule (type:, size: or stack:):", text);
    value += strspn(value, " \t");
    if (*value == '\0')
        return complain(reading, "a rule without a pattern:", text);
    if (rule->kind == SIZE && !parse_size(value, rule))
        return complain(reading, "invalid size, or range of sizes:", value);
    rule->pattern = strdup(value);
    return rule->pattern != NULL || no_memory(reading);
}

/* A line within braces: the name, or a rule. */
static bool add_line(struct reading *reading, const char *text)
{
    struct suppression *last = &reading->suppressions->all[reading->suppressions->count - 1];
    struct rule rule = {0};
    if (last->name == NULL) {
        last->name = strdup(text);
        return last->name != NULL || no_memory(reading);
    }
    if (last->rule_count == RULES_MOST)
        return complain(reading, "too many rules", NULL);
    if (!parse_rule(reading, text, &rule))
        return false;
    struct rule *more = reallocarray(last->rules, last->rule_count + 1, sizeof *more);
    if (more == NULL) {
        free(rule.pattern);
        return no_memory(reading);
    }
    last->rules = more;
    more[last->rule_count++] = rule;
    return true;
}

/* ---- the file ---------------------------------------------------------- */

static bool open_brace(struct reading *reading)
{
    struct suppressions *suppressions = reading->suppressions;
    if (suppressions->count == SUPPRESSIONS_MOST)
        return complain(reading, "too many suppressions", NULL);
    struct suppression *more = reallocarray(suppressions->all, suppressions->count + 1, sizeof *more);
    if (more == NULL)
        return no_memory(reading);
    suppressions->all = more;
    more[suppressions->count++] = (struct suppression){0};
    reading->inside = true;
    return true;
}

static bool close_brace(struct reading *reading)
{
    const struct suppression *last = &reading->suppressions->all[reading->suppressions->count - 1];
    reading->inside = false;
    return last->rule_count > 0 || complain(reading, "a suppression without a rule would match everything", NULL);
}

static bool take_line(struct reading *reading, char *line)
{
    size_t length = strlen(line);
    if (length >= LINE_MOST)
        return complain(reading, "the line is too long", NULL);
    while (length > 0 && strchr(" \t\r\n", line[length - 1]) != NULL)
        line[--length] = '\0';
    const char *text = line + strspn(line, " \t");
    if (*text == '\0' || *text == '#')
        return true;
    for (const char *byte = text; *byte != '\0'; byte++)
        if ((unsigned char)*byte < ' ' && *byte != '\t')
            return complain(reading, "a control character is not allowed", NULL);
    if (strcmp(text, "{") == 0)
        return reading->inside ? complain(reading, "a suppression inside another one", NULL) : open_brace(reading);
    if (!reading->inside)
        return complain(reading, "expected '{', found", text);
    return strcmp(text, "}") == 0 ? close_brace(reading) : add_line(reading, text);
}

static bool read_lines(struct reading *reading, FILE *file)
{
    char *line = NULL;
    size_t room = 0;
    bool good = true;
    errno = 0;
    for (ssize_t length; good && (length = getline(&line, &room, file)) > 0;) {
        reading->line++;
        good = memchr(line, '\0', (size_t)length) == NULL ? take_line(reading, line)
                                                          : complain(reading, "a null byte is not allowed", NULL);
    }
    free(line);
    if (good && ferror(file)) {
        command_error("%s: %s", reading->path, strerror(errno));
        return false;
    }
    return good && (!reading->inside || complain(reading, "the last suppression has no '}'", NULL));
}

struct suppressions *suppressions_read(const char *path)
{
    struct reading reading = {.path = path, .suppressions = calloc(1, sizeof *reading.suppressions)};
    struct stat status;
    FILE *file = reading.suppressions != NULL ? fopen(path, "re") : NULL;
    bool good = file != NULL && fstat(fileno(file), &status) == 0;
    if (good && S_ISDIR(status.st_mode)) {
        errno = EISDIR;
        good = false;
    }
    if (!good)
        command_error("%s: %s", path, strerror(errno));
    good = good && read_lines(&reading, file);
    if (file != NULL)
        fclose(file);
    if (good)
        return reading.suppressions;
    suppressions_free(reading.suppressions);
    return NULL;
}

void suppressions_free(struct suppressions *suppressions)
{
    for (size_t i = 0; suppressions != NULL && i < suppressions->count; i++) {
        struct suppression *suppression = &suppressions->all[i];
        for (size_t k = 0; k < suppression->rule_count; k++)
            free(suppression->rules[k].pattern);
        free(suppression->rules);
        free(suppression->name);
    }
    if (suppressions != NULL)
        free(suppressions->all);
    free(suppressions);
}

/* ---- matches ----------------------------------------------------------- */

static bool rule_matches(const struct rule *rule, const struct suppressions_leak *leak)
{
    switch (rule->kind) {
    case TYPE:
        return leak->type != NULL && fnmatch(rule->pattern, leak->type, 0) == 0;
    case SIZE:
        return leak->size >= rule->from && leak->size <= rule->to;
    default:
        for (size_t i = 0; i < leak->function_count; i++)
            if (fnmatch(rule->pattern, leak->functions[i], 0) == 0)
                return true;
        return false;
    }
}

bool suppressions_match(struct suppressions *suppressions, const struct suppressions_leak *leak)
{
    for (size_t i = 0; i < suppressions->count; i++) {
        struct suppression *suppression = &suppressions->all[i];
        size_t matched = 0;
        while (matched < suppression->rule_count && rule_matches(&suppression->rules[matched], leak))
            matched++;
        if (matched < suppression->rule_count)
            continue;
        suppression->used = true;
        return true;
    }
    return false;
}

const char *suppressions_unused(const struct suppressions *suppressions, size_t *number)
{
    while (*number < suppressions->count) {
        const struct suppression *suppression = &suppressions->all[(*number)++];
        if (!suppression->used)
            return suppression->name;
    }
    return NULL;
}

/* SPDX-License-Identifier: MIT */
/* Types and call stacks of leaks, and those that are suppressed. */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "leaks.h"
#include "suppressions.h"

/* ---- types ------------------------------------------------------------- */

static int by_word(const void *a, const void *b)
{
    const uint64_t *one = a, *other = b;
    return *one < *other ? -1 : *one > *other;
}

/* Many groups begin with the same word. */
static bool find_types(struct leaks *leaks)
{
    size_t count = 0, different = 0;
    uint64_t *words = profile_room(leaks->profile, leaks->group_count + 1, sizeof *words);
    const char **types = profile_room(leaks->profile, leaks->group_count + 1, sizeof *types);
    if (words == NULL || types == NULL)
        return false;
    for (size_t i = 0; i < leaks->group_count; i++)
        if (leaks->groups[i].word != 0)
            words[count++] = leaks->groups[i].word;
    qsort(words, count, sizeof *words, by_word);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || words[i] != words[different - 1])
            words[different++] = words[i];
    profile_name_types(leaks->profile, words, different, types);
    for (size_t i = 0; i < leaks->group_count; i++) {
        const uint64_t *found = bsearch(&leaks->groups[i].word, words, different, sizeof *words, by_word);
        if (found != NULL)
            leaks->groups[i].type = types[found - words];
    }
    return true;
}

/* ---- call stacks ------------------------------------------------------- */

size_t leaks_stack(const struct leaks *leaks, const struct leaks_group *group,
                   const struct profile_line *lines[PROFILE_LINES_MOST])
{
    if (group->entry == LEAKS_NO_STACK || group->entry >= leaks->stacks->entry_count)
        return 0;
    return profile_lines(leaks->stacks, &leaks->stacks->entries[group->entry], lines, PROFILE_LINES_MOST);
}

/* ---- suppressions ------------------------------------------------------ */

static bool matches(const struct leaks *leaks, const struct leaks_group *group, struct suppressions *suppressions)
{
    static const struct profile_line *lines[PROFILE_LINES_MOST];
    static const char *functions[PROFILE_LINES_MOST];
    struct suppressions_leak leak = {.type = group->type, .size = group->size, .functions = functions};
    leak.function_count = leaks_stack(leaks, group, lines);
    for (size_t i = 0; i < leak.function_count; i++)
        functions[i] = lines[i]->function;
    return suppressions_match(suppressions, &leak);
}

static void take_out(struct leaks *leaks, const struct leaks_group *group)
{
    struct leaks_sum *sum = group->indirect ? &leaks->indirect : &leaks->direct;
    sum->blocks -= group->sum.blocks;
    sum->bytes -= group->sum.bytes;
    leaks->suppressed.blocks += group->sum.blocks;
    leaks->suppressed.bytes += group->sum.bytes;
    if (!group->indirect || group->owner >= leaks->group_count)
        return;
    leaks->groups[group->owner].through.blocks -= group->sum.blocks;
    leaks->groups[group->owner].through.bytes -= group->sum.bytes;
}

/* What is lost with a suppressed block is suppressed, too. The group of that has a lower number. */
static bool suppress(struct leaks *leaks, struct suppressions *suppressions)
{
    bool *suppressed = calloc(leaks->group_count + 1, sizeof *suppressed);
    size_t kept = 0;
    if (suppressed == NULL)
        return false;
    for (size_t i = 0; i < leaks->group_count; i++) {
        const struct leaks_group *group = &leaks->groups[i];
        suppressed[i] = (group->owner < i && suppressed[group->owner]) || matches(leaks, group, suppressions);
    }
    for (size_t i = 0; i < leaks->group_count; i++)
        if (suppressed[i])
            take_out(leaks, &leaks->groups[i]);
    for (size_t i = 0; i < leaks->group_count; i++)
        if (!suppressed[i])
            leaks->groups[kept++] = leaks->groups[i];
    leaks->group_count = kept;
    free(suppressed);
    return true;
}

static void warn_of_unused(const struct suppressions *suppressions)
{
    size_t number = 0;
    for (const char *name; (name = suppressions_unused(suppressions, &number)) != NULL;)
        command_warning("suppression '%s' matched no leak", name);
}

bool leaks_find_names(struct leaks *leaks, struct suppressions *suppressions)
{
    if (!profile_drop_rights(leaks->pid))
        return false;
    bool good = profile_symbols_open(leaks->stacks) && find_types(leaks) &&
                (suppressions == NULL || suppress(leaks, suppressions));
    if (!good) {
        command_error("%s", strerror(ENOMEM));
        return false;
    }
    if (suppressions != NULL)
        warn_of_unused(suppressions);
    leaks_sort(leaks);
    return true;
}
